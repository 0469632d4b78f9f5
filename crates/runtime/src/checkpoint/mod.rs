//! Checkpoints: a running container's processes as files, and processes from such files. The work is done by CRIU
//! (criu(8)), which is asked over its RPC protocol; nothing of this is touched by any other verb.
//!
//! ```text
//!  checkpoint                       criu swrk FD                       restore
//!      │  DUMP, settings ──────────────>│<───────────── RESTORE, settings ──┤
//!      │<── NOTIFY post-dump … ─────────┤── NOTIFY setup-namespaces ───────>│ hooks, loopback
//!      ├── confirmed ──────────────────>│── NOTIFY orphan-pts-master (+fd) >│ the terminal
//!      │<── DUMP success ───────────────┤── NOTIFY post-restore, pid ──────>│ the record
//! ```
//!
//! Where to read: the `criu` room has the protocol's messages; here `criu` is the process and the conversation,
//! `settings` what the command line says, `external` what of a container lies outside of it and must be named to CRIU,
//! `account` what CRIU's log says about a failure, `aside` the mounts that CRIU needs for a moment. Sources: CRIU's `images/rpc.proto`, <https://criu.org/RPC>,
//! <https://criu.org/Docker>.

pub(crate) mod account;
pub(crate) mod aside;
pub(crate) mod criu;
pub(crate) mod external;
pub(crate) mod settings;
