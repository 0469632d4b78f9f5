//! The seam between the engine and whatever runs its containers.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::messages::Metrics;
use crate::options::CheckpointOptions;
use crate::{Create, Created, EventReceiver, Exec, Exit, ProcessId, Resources, Result, TaskState};

/// The life of tasks: create, start, watch, signal, forget.
///
/// # Contract
/// - A task is `Created → Running ⇄ Paused → Stopped`, then deleted. An exec is added, started, ends, is deleted.
/// - Every process that was created is deleted by the caller, also after it ended by itself: the shim keeps exit status
///   and resources until then. Deleting a live process is refused with kind `Conflict`; kill it first.
/// - One task that hangs never delays an operation on another; each operation has a deadline (kind `Timeout`).
/// - Dropping a future does not take back what was sent.
///
/// # Example
/// ```no_run
/// # use tierce_task::*;
/// # async fn run(tasks: &dyn Tasks, create: Create) -> Result<Exit> {
/// let mut events = tasks.subscribe();
/// let id = ProcessId::init(create.id.clone());
/// let created = tasks.create(create).await?;
/// println!("connect to {} for its output", created.io.display());
/// tasks.start(&id).await?;
/// tasks.wait(&id).await?;
/// # drop(events);
/// tasks.delete(&id).await
/// # }
/// ```
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Writes the bundle, launches a shim, mounts the root filesystem and creates the init; on failure nothing is left.
    async fn create(&self, create: Create) -> Result<Created>;

    /// Starts the user's program (of a task), or creates and starts the process (of an exec). Returns its host pid.
    async fn start(&self, process: &ProcessId) -> Result<u32>;

    /// Adds an additional process, not started yet. Returns the I/O socket, so that a client can attach first.
    async fn exec(&self, process: &ProcessId, exec: Exec) -> Result<PathBuf>;

    /// Sends a signal to a process, or with `all` to every process of the container. A process that has ended is
    /// `NotFound`.
    async fn kill(&self, process: &ProcessId, signal: i32, all: bool) -> Result<()>;

    /// Forgets an ended process and gives its exit status. For a task: kills what is left in its cgroup, unmounts the
    /// root filesystem, removes the bundle, ends the shim. A created but never started process may be deleted too.
    async fn delete(&self, process: &ProcessId) -> Result<Exit>;

    /// Waits until the process has ended and its output was delivered and logged. Has no deadline.
    async fn wait(&self, process: &ProcessId) -> Result<Exit>;

    /// The task of a container as last known.
    fn state(&self, container: &str) -> Result<TaskState>;

    /// All tasks as last known, in no particular order. Never waits for a shim.
    fn list(&self) -> Vec<TaskState>;

    /// Why tasks can only be asked about and not be changed just now; `None`: they can.
    fn absence(&self) -> Option<String> {
        None
    }

    /// All events from now on.
    fn subscribe(&self) -> EventReceiver;
}

/// What else can be done to a living task.
#[async_trait]
pub trait TaskControl: Send + Sync {
    /// Sets the terminal's size in character cells. Without a terminal: kind `Conflict`.
    async fn resize(&self, process: &ProcessId, rows: u16, columns: u16) -> Result<()>;

    /// Closes standard input once everything clients sent so far was handed over.
    async fn close_stdin(&self, process: &ProcessId) -> Result<()>;

    /// Freezes every process of the container.
    async fn pause(&self, container: &str) -> Result<()>;

    /// Thaws it again.
    async fn resume(&self, container: &str) -> Result<()>;

    /// Changes the limits of a container.
    async fn update(&self, container: &str, resources: Resources) -> Result<()>;

    /// A reading of the container's cgroup.
    async fn stats(&self, container: &str) -> Result<Metrics>;

    /// Writes the container's processes to files below `options.image_path`, which exists and is empty. Unless they are
    /// to exit, they run on; if it fails, too. [`Create::checkpoint`] is the way back.
    async fn checkpoint(&self, container: &str, options: CheckpointOptions) -> Result<()>;

    /// Host process ids of all processes in the container.
    async fn pids(&self, container: &str) -> Result<Vec<u32>>;
}
