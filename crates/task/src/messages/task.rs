//! Requests and responses of the `Task` service.

use std::collections::BTreeMap;

use super::{Any, HealthMessage, Timestamp};

/// `containerd.v1.types.Status`: the life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Status {
    /// Not known.
    Unknown = 0,
    /// Exists, not started.
    Created = 1,
    /// Runs.
    Running = 2,
    /// Ended.
    Stopped = 3,
    /// Frozen.
    Paused = 4,
    /// About to be frozen.
    Pausing = 5,
}

/// `containerd.types.Mount`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MountMessage {
    /// Filesystem type.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Device, directory or any word.
    #[prost(string, tag = "2")]
    pub source: String,
    /// Path below the root filesystem; empty: the root itself.
    #[prost(string, tag = "3")]
    pub target: String,
    /// fstab-style options.
    #[prost(string, repeated, tag = "4")]
    pub options: Vec<String>,
}

/// Create a container from a bundle.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CreateTaskRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Directory of the bundle.
    #[prost(string, tag = "2")]
    pub bundle: String,
    /// Mounts that make the root filesystem, in order.
    #[prost(message, repeated, tag = "3")]
    pub rootfs: Vec<MountMessage>,
    /// Give the process a terminal.
    #[prost(bool, tag = "4")]
    pub terminal: bool,
    /// FIFO of standard input; empty: none.
    #[prost(string, tag = "5")]
    pub stdin: String,
    /// FIFO or URI of standard output.
    #[prost(string, tag = "6")]
    pub stdout: String,
    /// FIFO or URI of standard error.
    #[prost(string, tag = "7")]
    pub stderr: String,
    /// Directory of a checkpoint to restore from.
    #[prost(string, tag = "8")]
    pub checkpoint: String,
    /// Directory of that checkpoint's parent.
    #[prost(string, tag = "9")]
    pub parent_checkpoint: String,
    /// Options of the runtime, see [`crate::options`].
    #[prost(message, optional, tag = "10")]
    pub options: Option<Any>,
}

/// A created container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CreateTaskResponse {
    /// Host pid of the init.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// Ours: path of the I/O socket, when asked for with our options.
    #[prost(string, tag = "1000")]
    pub io: String,
}

/// Forget an ended process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeleteRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
}

/// How the forgotten process ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeleteResponse {
    /// Its host pid.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// 0–255.
    #[prost(uint32, tag = "2")]
    pub exit_status: u32,
    /// When it ended.
    #[prost(message, optional, tag = "3")]
    pub exited_at: Option<Timestamp>,
    /// Ours: the kernel killed something in the container for lack of memory.
    #[prost(bool, tag = "1000")]
    pub oom_killed: bool,
}

/// Ours: how standard input of an exec behaves when it flows over the I/O socket.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ExecOptions {
    /// Keep standard input open for clients.
    #[prost(bool, tag = "1")]
    pub stdin: bool,
}

/// Add a process to a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExecProcessRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// Give it a terminal.
    #[prost(bool, tag = "3")]
    pub terminal: bool,
    /// FIFO of standard input; empty: none.
    #[prost(string, tag = "4")]
    pub stdin: String,
    /// FIFO or URI of standard output.
    #[prost(string, tag = "5")]
    pub stdout: String,
    /// FIFO or URI of standard error.
    #[prost(string, tag = "6")]
    pub stderr: String,
    /// The `process` section of the runtime document, as JSON.
    #[prost(message, optional, tag = "7")]
    pub spec: Option<Any>,
    /// Ours: present when its streams go over the I/O socket.
    #[prost(message, optional, tag = "1000")]
    pub options: Option<ExecOptions>,
}

/// Set the size of a terminal.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ResizePtyRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// Columns.
    #[prost(uint32, tag = "3")]
    pub width: u32,
    /// Rows.
    #[prost(uint32, tag = "4")]
    pub height: u32,
}

/// Ask for the state of a process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
}

/// State of a process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateResponse {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Directory of the bundle.
    #[prost(string, tag = "2")]
    pub bundle: String,
    /// Host pid.
    #[prost(uint32, tag = "3")]
    pub pid: u32,
    /// Where it is in its life.
    #[prost(enumeration = "Status", tag = "4")]
    pub status: i32,
    /// FIFO of standard input; empty: none.
    #[prost(string, tag = "5")]
    pub stdin: String,
    /// FIFO or URI of standard output.
    #[prost(string, tag = "6")]
    pub stdout: String,
    /// FIFO or URI of standard error.
    #[prost(string, tag = "7")]
    pub stderr: String,
    /// It has a terminal.
    #[prost(bool, tag = "8")]
    pub terminal: bool,
    /// 0–255, when stopped.
    #[prost(uint32, tag = "9")]
    pub exit_status: u32,
    /// When it ended.
    #[prost(message, optional, tag = "10")]
    pub exited_at: Option<Timestamp>,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "11")]
    pub exec_id: String,
    /// Ours: the kernel killed something in the container for lack of memory.
    #[prost(bool, tag = "1000")]
    pub oom_killed: bool,
    /// Ours: path of the I/O socket.
    #[prost(string, tag = "1001")]
    pub io: String,
    /// Ours: for the init, ids of the execs that were not deleted yet.
    #[prost(string, repeated, tag = "1002")]
    pub execs: Vec<String>,
    /// Ours: for the init, what its probes came to.
    #[prost(message, optional, tag = "1003")]
    pub health: Option<HealthMessage>,
}

/// Send a signal.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KillRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// Signal number.
    #[prost(uint32, tag = "3")]
    pub signal: u32,
    /// To every process of the container.
    #[prost(bool, tag = "4")]
    pub all: bool,
}

/// Close standard input.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CloseIoRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// Standard input is meant; nothing else can be closed.
    #[prost(bool, tag = "3")]
    pub stdin: bool,
}

/// Ask for the processes of a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PidsRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
}

/// One process of a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProcessInfo {
    /// Host pid.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// More about it.
    #[prost(message, optional, tag = "2")]
    pub info: Option<Any>,
}

/// The processes of a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PidsResponse {
    /// All of them.
    #[prost(message, repeated, tag = "1")]
    pub processes: Vec<ProcessInfo>,
}

/// Write a checkpoint.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CheckpointTaskRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Directory to write to.
    #[prost(string, tag = "2")]
    pub path: String,
    /// Options of the runtime.
    #[prost(message, optional, tag = "3")]
    pub options: Option<Any>,
}

/// Change limits.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateTaskRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// `linux.resources` of the runtime document, as JSON.
    #[prost(message, optional, tag = "2")]
    pub resources: Option<Any>,
    /// Annotations to add.
    #[prost(btree_map = "string, string", tag = "3")]
    pub annotations: BTreeMap<String, String>,
}

/// Start a created process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StartRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id; empty for the init.
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

/// Wait for the end of a process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WaitRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "2")]
    pub exec_id: String,
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WaitResponse {
    /// 0–255.
    #[prost(uint32, tag = "1")]
    pub exit_status: u32,
    /// When it ended.
    #[prost(message, optional, tag = "2")]
    pub exited_at: Option<Timestamp>,
    /// Ours: the kernel killed something in the container for lack of memory.
    #[prost(bool, tag = "1000")]
    pub oom_killed: bool,
    /// Ours: the most memory that the container used, where the kernel killed for lack of it; 0: not known.
    #[prost(uint64, tag = "1001")]
    pub memory_peak: u64,
}

/// Ask for a reading of the cgroup.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatsRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Ours: answer with [`super::Metrics`] instead of containerd's messages.
    #[prost(bool, tag = "1000")]
    pub full: bool,
}

/// A reading of the cgroup.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatsResponse {
    /// The reading.
    #[prost(message, optional, tag = "1")]
    pub stats: Option<Any>,
}

/// Ask for pids.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConnectRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
}

/// Pids of shim and container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConnectResponse {
    /// Of the shim.
    #[prost(uint32, tag = "1")]
    pub shim_pid: u32,
    /// Of the init.
    #[prost(uint32, tag = "2")]
    pub task_pid: u32,
    /// Of the shim's program.
    #[prost(string, tag = "3")]
    pub version: String,
}

/// End the shim once it has no container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ShutdownRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Do not wait for anything.
    #[prost(bool, tag = "2")]
    pub now: bool,
}

/// Freeze a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PauseRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
}

/// Thaw a container.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ResumeRequest {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub id: String,
}
