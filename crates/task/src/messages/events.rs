//! Events that a shim publishes, and the envelope they travel in.
//!
//! Topics are containerd's: `/tasks/create`, `/tasks/start`, `/tasks/exit`, …

use super::{Any, MountMessage, Timestamp};

impl Envelope {
    /// Topic and type name under which each event travels.
    pub const EXIT: (&str, &str) = ("/tasks/exit", "containerd.events.TaskExit");
    /// See [`Self::EXIT`].
    pub const OOM: (&str, &str) = ("/tasks/oom", "containerd.events.TaskOOM");
    /// See [`Self::EXIT`].
    pub const CREATE: (&str, &str) = ("/tasks/create", "containerd.events.TaskCreate");
    /// See [`Self::EXIT`].
    pub const START: (&str, &str) = ("/tasks/start", "containerd.events.TaskStart");
    /// See [`Self::EXIT`].
    pub const DELETE: (&str, &str) = ("/tasks/delete", "containerd.events.TaskDelete");
    /// See [`Self::EXIT`].
    pub const EXEC_ADDED: (&str, &str) = ("/tasks/exec-added", "containerd.events.TaskExecAdded");
    /// See [`Self::EXIT`].
    pub const EXEC_STARTED: (&str, &str) = ("/tasks/exec-started", "containerd.events.TaskExecStarted");
    /// See [`Self::EXIT`].
    pub const PAUSED: (&str, &str) = ("/tasks/paused", "containerd.events.TaskPaused");
    /// See [`Self::EXIT`].
    pub const RESUMED: (&str, &str) = ("/tasks/resumed", "containerd.events.TaskResumed");
    /// See [`Self::EXIT`].
    pub const CHECKPOINTED: (&str, &str) = ("/tasks/checkpointed", "containerd.events.TaskCheckpointed");
    /// Ours: a probe of its health began.
    pub const PROBE_STARTED: (&str, &str) = ("/tasks/probe-started", "tierce.task.v1.TaskProbeStarted");
    /// Ours: it ended.
    pub const PROBE_ENDED: (&str, &str) = ("/tasks/probe-ended", "tierce.task.v1.TaskProbeEnded");
}

/// `containerd.types.Envelope`: an event with its topic.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Envelope {
    /// When it happened.
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<Timestamp>,
    /// containerd's namespace.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// What it is about.
    #[prost(string, tag = "3")]
    pub topic: String,
    /// The event.
    #[prost(message, optional, tag = "4")]
    pub event: Option<Any>,
}

/// Argument of `containerd.services.events.ttrpc.v1.Events/Forward`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ForwardRequest {
    /// The event.
    #[prost(message, optional, tag = "1")]
    pub envelope: Option<Envelope>,
}

/// `TaskIO`: FIFOs of a process.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskIo {
    /// FIFO of standard input; empty: none.
    #[prost(string, tag = "1")]
    pub stdin: String,
    /// FIFO or URI of standard output.
    #[prost(string, tag = "2")]
    pub stdout: String,
    /// FIFO or URI of standard error.
    #[prost(string, tag = "3")]
    pub stderr: String,
    /// It has a terminal.
    #[prost(bool, tag = "4")]
    pub terminal: bool,
}

/// A container was created.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskCreate {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Its bundle.
    #[prost(string, tag = "2")]
    pub bundle: String,
    /// Its mounts.
    #[prost(message, repeated, tag = "3")]
    pub rootfs: Vec<MountMessage>,
    /// Its FIFOs.
    #[prost(message, optional, tag = "4")]
    pub io: Option<TaskIo>,
    /// Checkpoint it was restored from.
    #[prost(string, tag = "5")]
    pub checkpoint: String,
    /// Host pid of the init.
    #[prost(uint32, tag = "6")]
    pub pid: u32,
}

/// A container was started.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskStart {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Host pid of the init.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
}

/// A process was forgotten.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskDelete {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Its host pid.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    /// 0–255.
    #[prost(uint32, tag = "3")]
    pub exit_status: u32,
    /// When it ended.
    #[prost(message, optional, tag = "4")]
    pub exited_at: Option<Timestamp>,
    /// The exec's id; empty for the init.
    #[prost(string, tag = "5")]
    pub id: String,
}

/// A process ended.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskExit {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The exec's id; the container's id for the init.
    #[prost(string, tag = "2")]
    pub id: String,
    /// Its host pid.
    #[prost(uint32, tag = "3")]
    pub pid: u32,
    /// 0–255.
    #[prost(uint32, tag = "4")]
    pub exit_status: u32,
    /// When it ended.
    #[prost(message, optional, tag = "5")]
    pub exited_at: Option<Timestamp>,
    /// Ours, told by the supervisor: the kernel killed something in the container for lack of memory.
    #[prost(bool, tag = "1000")]
    pub oom_killed: bool,
    /// Ours: the most memory that the container used, where the kernel killed for lack of it; 0: not known.
    #[prost(uint64, tag = "1001")]
    pub memory_peak: u64,
}

/// The kernel killed a process of the container for lack of memory.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskOom {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// An exec was added.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskExecAdded {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Its id.
    #[prost(string, tag = "2")]
    pub exec_id: String,
}

/// An exec was started.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskExecStarted {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Its id.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// Its host pid.
    #[prost(uint32, tag = "3")]
    pub pid: u32,
}

/// A container was frozen.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskPaused {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// A checkpoint of a container was written.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskCheckpointed {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Its directory.
    #[prost(string, tag = "2")]
    pub checkpoint: String,
}

/// A container was thawed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TaskResumed {
    /// The container's id.
    #[prost(string, tag = "1")]
    pub container_id: String,
}
