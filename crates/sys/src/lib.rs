//! Kernel calls as safe functions. The only crate of the house with `unsafe` code.
//!
//! One topic a file. A call is here only where [`rustix`] has no safe function for it; where it has one, callers use
//! it directly. Descriptors are `OwnedFd`/`BorrowedFd`, errors are [`rustix::io::Errno`], and every `unsafe` block
//! says why it is sound.

pub mod arena;
pub mod bpf;
pub mod btrfs;
mod cause;
pub mod clone;
pub mod daemon;
pub mod descriptors;
pub mod exec;
pub mod heap;
pub mod interface;
pub mod keyring;
pub mod landlock;
pub mod mount_attributes;
pub mod namespaces;
pub mod netlink;
pub mod passing;
pub mod project_quota;
pub mod scheduling;
pub mod seccomp;
pub mod signals;
pub mod socket;
pub mod usage;

pub use cause::Cause;
