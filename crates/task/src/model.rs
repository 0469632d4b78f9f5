//! The values that [`crate::Tasks`] takes and gives.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::{Health, HealthCheck, TraceId};

/// Limits that [`crate::TaskControl::update`] sets; the `linux.resources` section of the OCI runtime specification.
pub type Resources = tierce_oci::runtime::Resources;

/// One process that a shim looks after: a container's init (no `exec`), or an additional process in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// The container's id.
    pub container: String,
    /// The exec's id; `None` is the container's init.
    pub exec: Option<String>,
}

impl ProcessId {
    /// The init process of `container`.
    pub fn init(container: impl Into<String>) -> Self {
        Self {
            container: container.into(),
            exec: None,
        }
    }

    /// The additional process `exec` in `container`.
    pub fn exec(container: impl Into<String>, exec: impl Into<String>) -> Self {
        Self {
            container: container.into(),
            exec: Some(exec.into()),
        }
    }

    /// The exec id as the protocol writes it: empty for the init.
    pub fn exec_id(&self) -> &str {
        self.exec.as_deref().unwrap_or("")
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.exec {
            None => f.write_str(&self.container),
            Some(exec) => write!(f, "exec {exec} of {}", self.container),
        }
    }
}

/// A mount in containerd's form; the shim performs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mount {
    /// Filesystem type (`overlay`, `bind`, …).
    pub kind: String,
    /// Device, directory, or any word the filesystem ignores.
    pub source: String,
    /// Where to mount; empty or relative is below the root filesystem's directory.
    pub target: String,
    /// fstab-style options; flags and data mixed.
    pub options: Vec<String>,
}

/// FIFOs that a client of containerd's kind gives for the streams, instead of using the shim's I/O socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fifos {
    /// Standard input; empty: none.
    pub stdin: String,
    /// Standard output, or a URI of containerd.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Everything needed to create a task.
#[derive(Debug, Clone, Default)]
pub struct Create {
    /// The container's id; also names the bundle's directory. Letters, digits, `_`, `.`, `-`.
    pub id: String,
    /// The runtime document; the supervisor writes it into the bundle as `config.json`. A relative `root.path` is below
    /// the bundle.
    pub spec: tierce_oci::runtime::Spec,
    /// What the shim mounts at `spec.root.path` before creating and unmounts at delete, in order. Empty: the root
    /// filesystem is there already.
    pub rootfs: Vec<Mount>,
    /// Give the process a terminal (must agree with `spec.process.terminal`).
    pub terminal: bool,
    /// Keep standard input open for clients; otherwise the process reads end-of-file (or its terminal is silent).
    pub stdin: bool,
    /// Close standard input when the first client that had it goes away.
    pub stdin_once: bool,
    /// Where output is logged: a target of the `logs` room, as JSON, which only the caller and the shim understand; empty:
    /// only attached clients see the output.
    pub log: String,
    /// An OCI runtime's program to execute with runc's command line; `None` is Tierce's own.
    pub runtime: Option<PathBuf>,
    /// Use the systemd cgroup driver (`linux.cgroupsPath` is then `slice:prefix:name`).
    pub systemd_cgroup: bool,
    /// What joins the steps in the log; `None`: the one of the id.
    pub trace: Option<TraceId>,
    /// How its health is probed; `None`: it is not.
    pub health: Option<HealthCheck>,
    /// Its streams, where they are not on the I/O socket: then nothing is logged or probed.
    pub fifos: Option<Fifos>,
    /// Directory of a checkpoint to restore instead of beginning anew: the processes go on as soon as the task is
    /// created, and its start only says so.
    pub checkpoint: Option<PathBuf>,
}

/// A created task: its init exists, but the user's program has not been started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Host process id of the init.
    pub pid: u32,
    /// The shim's I/O socket; see [`crate::attach`].
    pub io: PathBuf,
}

/// An additional process in a running container.
#[derive(Debug, Clone, Default)]
pub struct Exec {
    /// What to run; capabilities, user, environment and so on as in the runtime document.
    pub process: tierce_oci::runtime::Process,
    /// Give it a terminal (must agree with `process.terminal`).
    pub terminal: bool,
    /// Keep standard input open for clients.
    pub stdin: bool,
    /// Its streams, where they are not on the I/O socket.
    pub fifos: Option<Fifos>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// 0–255 as a shell shows it: the exit code, or 128 + signal.
    pub status: u32,
    /// When it ended.
    pub at: SystemTime,
    /// The kernel killed a process of the container for lack of memory.
    pub oom_killed: bool,
    /// The most memory that the container used, where the kernel killed for lack of it.
    pub memory_peak: Option<u64>,
}

/// Where a task is in its life. `Created → Running ⇄ Paused → Stopped`; delete forgets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskStatus {
    /// The init exists and waits for start.
    Created,
    /// The user's program runs.
    Running,
    /// Frozen.
    Paused,
    /// The init has ended; its status is kept until delete.
    Stopped,
}

/// A task as last known. Taken from memory: asking for it never waits for a shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// The container's id.
    pub id: String,
    /// Directory of its bundle.
    pub bundle: PathBuf,
    /// Host process id of the init.
    pub pid: u32,
    /// Where it is in its life.
    pub status: TaskStatus,
    /// The shim's I/O socket.
    pub io: PathBuf,
    /// How the init ended; `Some` exactly when stopped.
    pub exit: Option<Exit>,
    /// The ids of additional processes that were not deleted yet.
    pub execs: Vec<String>,
    /// What its probes came to; `None`: it is not probed.
    pub health: Option<Health>,
}

/// Something that happened to a task without being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The container's id.
    pub container: String,
    /// The exec's or probe's id; `None` is the init.
    pub exec: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

/// What an [`Event`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The process ended and all its output was delivered and logged. Sent exactly once per process and supervisor
    /// life; after a restart [`crate::Tasks::list`] shows what ended meanwhile.
    Exited(Exit),
    /// The kernel killed a process of the container for lack of memory; the init may still live.
    OutOfMemory,
    /// A probe of its health began.
    ProbeStarted,
    /// A probe ended with this status (`None`: nothing could run); [`TaskState::health`] knows of it already.
    ProbeEnded(Option<u32>),
}
