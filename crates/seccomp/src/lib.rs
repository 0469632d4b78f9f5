//! System call filters: from a profile to the classic BPF program that the kernel runs. Pure: no I/O, no kernel calls.
//!
//! ```text
//!   Docker's profile (own table of facts, or the user's JSON)       docker/
//!        │  capabilities, architecture, kernel version
//!        ▼
//!   tierce_oci::runtime::Seccomp  (config.json)
//!        │  compile()                                               compile.rs: names → numbers → ranges
//!        ▼                                                          emit.rs:    ranges → instructions
//!   Program { filter, flags }     to_bytes() ⇄ from_bytes()         program.rs
//! ```
//!
//! The semantics are runc's over libseccomp, which tests prove call by call against the library itself (`tests/`):
//! rules naming a call that an architecture lacks are passed over, a rule that equals the default action is void, an
//! unconditional rule beats conditional ones, and a call newer than every call that the profile names gets `ENOSYS`
//! (so that a C library falls back instead of giving up on `EPERM`).
//!
//! ```
//! use tierce_seccomp::{Architecture, KernelVersion, compile, docker};
//!
//! let native = Architecture::X86_64;
//! let profile = docker::default_profile(&["CAP_SYS_CHROOT"], native, KernelVersion::new(6, 1));
//! let program = compile(&profile, native)?;
//! assert!(program.filter.len() < 4096);
//! # Ok::<(), tierce_seccomp::Error>(())
//! ```

mod action;
mod architecture;
mod compile;
mod emit;
mod error;
mod multiplex;
mod program;
mod strict;
mod table;

pub mod docker;

pub use architecture::Architecture;
pub use compile::compile;
pub use docker::KernelVersion;
pub use error::Error;
pub use program::{Flags, Instruction, Program};
pub use strict::strict;

#[cfg(test)]
mod tests;
