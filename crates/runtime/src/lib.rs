//! The OCI runtime: it makes a container from a bundle, down from namespaces to `execve`.
//!
//! Two doors lead to the same rooms: [`command_line`] has runc's command line (`tierce-runtime`), and the functions
//! here serve a shim in its own process. They never print, never end the caller's process, and on an error leave no
//! process, control group, mount, directory or descriptor behind. The caller must have a single thread (the child goes
//! on with a copy of its memory) and becomes the parent of the container's process.
//!
//! ```text
//! create ──> created ──start──> running ──exit──> stopped ──delete──> (gone)
//! ```
//!
//! Where to read: [`verbs`] one file a verb; `process` the parent's half, the channel to the child, the child that only
//! joins namespaces; `init` the ordered steps of the child; `rootfs` mounts as values and the hand that applies them;
//! `state` what is kept under `--root`.
//!
//! Escapes that this design closes, and where:
//! - a path of the root file system that leads out of it (CVE-2021-30465): every path is opened beneath the root by
//!   `openat2(RESOLVE_IN_ROOT)` and mounts attach to that descriptor (`fsops/beneath.rs`, `rootfs/mount.rs`);
//! - a false `/proc` (CVE-2019-16884, CVE-2025-52881): `rootfs/proc.rs`;
//! - a false `/dev/null` behind masked paths (CVE-2025-31133) or a false console (CVE-2025-52565): `rootfs/mask.rs`,
//!   `init/console.rs`;
//! - a working directory or program outside the root, reached through a leaked descriptor (CVE-2024-21626): all are
//!   closed before the directory is entered and the program looked up (`init/stdio.rs`), and the directory entered must
//!   have a path (`init/directory.rs`);
//! - overwriting the runtime through `/proc/self/exe` (CVE-2019-5736): `guard.rs`; looking into a process that still is
//!   the runtime (CVE-2016-9962): it cannot be dumped or traced (`init/mod.rs`);
//! - capabilities that a program could pick up from its file (CVE-2022-29162): inheritable ones are the document's only.
//!
//! `tests/escapes.rs` tries each of them.

mod affinity;
mod argv;
mod bundle;
mod checkpoint;
mod environment;
mod error;
#[doc(hidden)] // for the test of crashes
pub mod failpoint;
mod filter;
#[doc(hidden)] // for the fuzz targets
pub mod fuzzing;
mod group;
pub mod guard;
mod inherit;
mod init;
mod label;
mod log;
mod namespaces;
mod network_devices;
mod notify;
mod options;
mod process;
mod program;
mod rootless;
mod schedule;
mod state;
mod state_document;
mod subgroup;
mod terminal;
mod timestamp;
pub mod verbs;

pub use checkpoint::settings::ImageSettings;
pub use error::Error;
pub use options::{Console, CreateOptions, Created, ExecOptions, Stdio};
pub use tierce_criu::{CgroupsMode, Switch};
pub use verbs::checkpoint::{CheckpointOptions, checkpoint};
pub use verbs::command_line;
pub use verbs::create::create;
pub use verbs::delete::delete;
pub use verbs::exec::exec;
pub use verbs::kill::kill;
pub use verbs::pause::pause;
pub use verbs::ps::pids;
pub use verbs::restore::{RestoreOptions, restore};
pub use verbs::resume::resume;
pub use verbs::start::start;
pub use verbs::state::{control_group, state};
pub use verbs::update::update;
