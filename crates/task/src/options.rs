//! What `CreateTaskRequest.options` may hold: our own options, or those of containerd's runc shim.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::messages::Any;
use crate::{JsonFileLog, LogTarget};

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
    /// Log to this `json-file`; absent: no log.
    #[prost(message, optional, tag = "6")]
    pub json_file: Option<JsonFileOptions>,
}

/// [`JsonFileLog`] on the wire.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct JsonFileOptions {
    /// The current file.
    #[prost(string, tag = "1")]
    pub path: String,
    /// 0: never rotate.
    #[prost(uint64, tag = "2")]
    pub max_size: u64,
    /// Files to keep, the current one included.
    #[prost(uint32, tag = "3")]
    pub max_files: u32,
    /// Compress rotated files.
    #[prost(bool, tag = "4")]
    pub compress: bool,
    /// Extra attributes of each line.
    #[prost(btree_map = "string, string", tag = "5")]
    pub attributes: BTreeMap<String, String>,
}

impl CreateOptions {
    /// Type name in the `Any`.
    pub const NAME: &str = "tierce.task.v1.CreateOptions";

    /// As the `options` of a create request.
    pub fn to_any(&self) -> Any {
        Any::pack(Self::NAME, self)
    }
}

impl From<&JsonFileLog> for JsonFileOptions {
    fn from(log: &JsonFileLog) -> Self {
        Self {
            path: log.path.to_string_lossy().into_owned(),
            max_size: log.max_size.unwrap_or(0),
            max_files: log.max_files,
            compress: log.compress,
            attributes: log.attributes.clone(),
        }
    }
}

impl From<JsonFileOptions> for JsonFileLog {
    fn from(options: JsonFileOptions) -> Self {
        Self {
            path: PathBuf::from(options.path),
            max_size: (options.max_size > 0).then_some(options.max_size),
            max_files: options.max_files,
            compress: options.compress,
            attributes: options.attributes,
        }
    }
}

impl CreateOptions {
    /// The log target these options ask for.
    pub fn log_target(&self) -> LogTarget {
        self.json_file
            .clone()
            .map_or(LogTarget::None, |log| LogTarget::JsonFile(log.into()))
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
}

impl RuncOptions {
    /// Type name in the `Any`.
    pub const NAME: &str = "containerd.runc.v1.Options";
}
