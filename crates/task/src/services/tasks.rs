//! `containerd.services.tasks.v1.Tasks`: the running of containers.

use crate::messages::{Any, ExecOptions, HealthMessage, MountMessage, ProcessInfo, Status, Timestamp};
use std::collections::BTreeMap;

/// The service.
pub const SERVICE: &str = "containerd.services.tasks.v1.Tasks";

/// Make the task of a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CreateTaskRequest {
    /// The container, whose record says what it shall be.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Mounts that make the root file system, in order.
    #[prost(message, repeated, tag = "3")]
    pub rootfs: Vec<MountMessage>,
    /// FIFO of standard input; empty: none.
    #[prost(string, tag = "4")]
    pub stdin: String,
    /// FIFO of standard output.
    #[prost(string, tag = "5")]
    pub stdout: String,
    /// FIFO of standard error.
    #[prost(string, tag = "6")]
    pub stderr: String,
    /// Give the process a terminal.
    #[prost(bool, tag = "7")]
    pub terminal: bool,
    /// A checkpoint to restore from, in containerd's store of contents, which we only look for.
    #[prost(message, optional, tag = "8")]
    pub checkpoint: Option<Any>,
    /// Options of the runtime, see [`crate::options`]; with ours the streams go over the shim's I/O socket.
    #[prost(message, optional, tag = "9")]
    pub options: Option<Any>,
    /// Path of the shim to use.
    #[prost(string, tag = "10")]
    pub runtime_path: String,
    /// Ours: what joins its steps in the log; empty: the one of the id.
    #[prost(string, tag = "1000")]
    pub trace: String,
}

/// A made task.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CreateTaskResponse {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Host pid of the init.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    /// Ours: the shim's I/O socket.
    #[prost(string, tag = "1000")]
    pub io: String,
}

/// One process: `StartRequest`, `DeleteProcessRequest`, `GetRequest`, `WaitRequest`; with an empty `exec_id` also
/// `DeleteTaskRequest`, `PauseTaskRequest`, `ResumeTaskRequest` and `ListPidsRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProcessRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The exec; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
}

/// A started process.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct StartResponse {
    /// Its host pid.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
}

/// How a forgotten process ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeleteResponse {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its host pid.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    /// 0–255.
    #[prost(uint32, tag = "3")]
    pub exit_status: u32,
    /// When it ended.
    #[prost(message, optional, tag = "4")]
    pub exited_at: Option<Timestamp>,
    /// Ours: the kernel killed something in the container for lack of memory.
    #[prost(bool, tag = "1000")]
    pub oom_killed: bool,
}

/// `containerd.v1.types.Process`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Process {
    /// The container. containerd fills it for execs only.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The exec's id, or the container's for the init.
    #[prost(string, tag = "2")]
    pub id: String,
    /// Host pid.
    #[prost(uint32, tag = "3")]
    pub pid: u32,
    /// Where it is in its life.
    #[prost(enumeration = "Status", tag = "4")]
    pub status: i32,
    /// FIFO of standard input.
    #[prost(string, tag = "5")]
    pub stdin: String,
    /// FIFO of standard output.
    #[prost(string, tag = "6")]
    pub stdout: String,
    /// FIFO of standard error.
    #[prost(string, tag = "7")]
    pub stderr: String,
    /// It has a terminal.
    #[prost(bool, tag = "8")]
    pub terminal: bool,
    /// 0–255, of one that has ended.
    #[prost(uint32, tag = "9")]
    pub exit_status: u32,
    /// When it ended.
    #[prost(message, optional, tag = "10")]
    pub exited_at: Option<Timestamp>,
    /// Ours: the shim's I/O socket.
    #[prost(string, tag = "1000")]
    pub io: String,
    /// Ours: its execs, with what is known of them.
    #[prost(message, repeated, tag = "1001")]
    pub execs: Vec<Process>,
    /// Ours: what its probes came to.
    #[prost(message, optional, tag = "1002")]
    pub health: Option<HealthMessage>,
    /// Ours: directory of its bundle.
    #[prost(string, tag = "1003")]
    pub bundle: String,
    /// Ours: the kernel killed something in the container for lack of memory.
    #[prost(bool, tag = "1004")]
    pub oom_killed: bool,
    /// Ours: the most memory that it used, where the kernel killed for lack of it; 0: not known.
    #[prost(uint64, tag = "1005")]
    pub memory_peak: u64,
}

/// One process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetResponse {
    /// The process.
    #[prost(message, optional, tag = "1")]
    pub process: Option<Process>,
}

/// List tasks.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListTasksRequest {
    /// Which; empty: all.
    #[prost(string, tag = "1")]
    pub filter: String,
}

/// All tasks.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListTasksResponse {
    /// The tasks.
    #[prost(message, repeated, tag = "1")]
    pub tasks: Vec<Process>,
}

/// Send a signal.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KillRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The exec; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// The signal's number.
    #[prost(uint32, tag = "3")]
    pub signal: u32,
    /// To every process of the container.
    #[prost(bool, tag = "4")]
    pub all: bool,
}

/// Add a process to a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExecProcessRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// FIFO of standard input; empty: none.
    #[prost(string, tag = "2")]
    pub stdin: String,
    /// FIFO of standard output.
    #[prost(string, tag = "3")]
    pub stdout: String,
    /// FIFO of standard error.
    #[prost(string, tag = "4")]
    pub stderr: String,
    /// Give it a terminal.
    #[prost(bool, tag = "5")]
    pub terminal: bool,
    /// The `process` section of the runtime document, as JSON.
    #[prost(message, optional, tag = "6")]
    pub spec: Option<Any>,
    /// Its id.
    #[prost(string, tag = "7")]
    pub exec_id: String,
    /// Ours: present when its streams go over the I/O socket.
    #[prost(message, optional, tag = "1000")]
    pub options: Option<ExecOptions>,
}

/// An added process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExecProcessResponse {
    /// Ours: the shim's I/O socket.
    #[prost(string, tag = "1000")]
    pub io: String,
}

/// Pids of a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListPidsResponse {
    /// Its processes.
    #[prost(message, repeated, tag = "1")]
    pub processes: Vec<ProcessInfo>,
}

/// Write a checkpoint.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CheckpointTaskRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// [`crate::options::CheckpointOptions`], with the directory to write to.
    #[prost(message, optional, tag = "3")]
    pub options: Option<Any>,
}

/// Change limits.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateTaskRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// `linux.resources` of the runtime document, as JSON.
    #[prost(message, optional, tag = "2")]
    pub resources: Option<Any>,
    /// Annotations to add.
    #[prost(btree_map = "string, string", tag = "3")]
    pub annotations: BTreeMap<String, String>,
}

/// Ask for readings of control groups.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MetricsRequest {
    /// Of which tasks (`id==…`); none: of all.
    #[prost(string, repeated, tag = "1")]
    pub filters: Vec<String>,
    /// Ours: answer with [`crate::messages::Metrics`] instead of containerd's messages.
    #[prost(bool, tag = "1000")]
    pub full: bool,
}

/// Readings of control groups.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MetricsResponse {
    /// One a task.
    #[prost(message, repeated, tag = "1")]
    pub metrics: Vec<Metric>,
}

/// One reading.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Metric {
    /// When it was made.
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<Timestamp>,
    /// The task.
    #[prost(string, tag = "2")]
    pub id: String,
    /// The reading.
    #[prost(message, optional, tag = "3")]
    pub data: Option<Any>,
}
