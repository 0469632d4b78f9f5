//! What the `options` of requests may hold: for a creation our own options, or those of containerd's runc shim; for a
//! checkpoint those of the latter.

use crate::messages::{Any, HealthOptions};

/// Our options; their presence turns on the shim's own logging and its I/O socket.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CreateOptions {
    /// Keep standard input open for clients.
    #[prost(bool, tag = "1")]
    pub stdin: bool,
    /// Close it when the first client that had it goes away.
    #[prost(bool, tag = "2")]
    pub stdin_once: bool,
    /// Program of a foreign runtime; empty: our own, in process.
    #[prost(string, tag = "3")]
    pub runtime: String,
    /// State directory of the runtime (`--root`).
    #[prost(string, tag = "4")]
    pub runtime_root: String,
    /// Use the systemd cgroup driver.
    #[prost(bool, tag = "5")]
    pub systemd_cgroup: bool,
    /// Probe its health; absent: do not.
    #[prost(message, optional, tag = "7")]
    pub health: Option<HealthOptions>,
    /// Log there: a target of the `logs` room, as JSON; empty: no log.
    #[prost(string, tag = "8")]
    pub log: String,
    /// Directory of a checkpoint to restore from, for a supervisor elsewhere; to a shim the request itself says it.
    #[prost(string, tag = "9")]
    pub checkpoint: String,
}

impl CreateOptions {
    /// Type name in the `Any`.
    pub const NAME: &str = "tierce.task.v1.CreateOptions";

    /// As the `options` of a create request.
    pub fn to_any(&self) -> Any {
        Any::pack(Self::NAME, self)
    }
}

/// `containerd.runc.v1.Options` as far as we follow them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RuncOptions {
    /// `MS_MOVE` instead of `pivot_root`.
    #[prost(bool, tag = "1")]
    pub no_pivot_root: bool,
    /// Keep the session keyring.
    #[prost(bool, tag = "2")]
    pub no_new_keyring: bool,
    /// Owner of the pipes.
    #[prost(uint32, tag = "4")]
    pub io_uid: u32,
    /// Group of the pipes.
    #[prost(uint32, tag = "5")]
    pub io_gid: u32,
    /// Program of the runtime; empty: our own, in process.
    #[prost(string, tag = "6")]
    pub binary_name: String,
    /// State directory of the runtime.
    #[prost(string, tag = "7")]
    pub root: String,
    /// Use the systemd cgroup driver.
    #[prost(bool, tag = "9")]
    pub systemd_cgroup: bool,
    /// Directory of a checkpoint to restore from; containerd itself reads it, and gives it in the request.
    #[prost(string, tag = "10")]
    pub criu_image_path: String,
}

impl RuncOptions {
    /// Type name in the `Any`.
    pub const NAME: &str = "containerd.runc.v1.Options";
}

/// How a checkpoint is written: `containerd.runc.v1.CheckpointOptions` as far as we follow them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CheckpointOptions {
    /// End the container once it is written, instead of letting it run on.
    #[prost(bool, tag = "1")]
    pub exit: bool,
    /// Take established TCP connections along.
    #[prost(bool, tag = "2")]
    pub open_tcp: bool,
    /// Allow unix sockets whose other end is outside.
    #[prost(bool, tag = "3")]
    pub external_unix_sockets: bool,
    /// Allow a terminal of outside.
    #[prost(bool, tag = "4")]
    pub terminal: bool,
    /// Take file locks along.
    #[prost(bool, tag = "5")]
    pub file_locks: bool,
    /// Directory to write to, where the request itself has none.
    #[prost(string, tag = "8")]
    pub image_path: String,
    /// Directory of logs; empty: that of the images.
    #[prost(string, tag = "9")]
    pub work_path: String,
}

impl CheckpointOptions {
    /// Type name in the `Any`.
    pub const NAME: &str = "containerd.runc.v1.CheckpointOptions";

    /// As the `options` of a request.
    pub fn to_any(&self) -> Any {
        Any::pack(Self::NAME, self)
    }
}
