//! What the supervisor must be told.

use std::path::PathBuf;
use std::time::Duration;

/// Configuration of a [`crate::Supervisor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Directory for everything that does not survive a reboot (ER). Keep it short: sockets are below it.
    pub exec_root: PathBuf,
    /// Program of the shim.
    pub shim: PathBuf,
    /// State directory of runtimes.
    pub runtime_root: PathBuf,
    /// Namespace by which shims know us; Docker's engine is `moby`.
    pub namespace: String,
    /// How many files a container may have open when nothing else is said (the soft limit); `None`: as many as this process.
    pub open_files: Option<u64>,
    /// Deadline of verbs that only talk to the kernel: kill, resize, state.
    pub short: Duration,
    /// How long a start of the supervisor waits for a shim of an earlier one.
    pub patience: Duration,
    /// Deadline of verbs that may run hooks, mount, or wait for a container to vanish: create, start, delete.
    pub long: Duration,
}

impl Config {
    /// The usual configuration below `exec_root` with the shim's program at `shim`.
    pub fn new(exec_root: impl Into<PathBuf>, shim: impl Into<PathBuf>) -> Self {
        let exec_root = exec_root.into();
        Self {
            runtime_root: exec_root.join("runtime"),
            exec_root,
            shim: shim.into(),
            namespace: "moby".to_owned(),
            open_files: None,
            short: Duration::from_secs(10),
            patience: Duration::from_secs(3),
            long: Duration::from_mins(2),
        }
    }

    /// Directory of all bundles.
    pub(crate) fn tasks(&self) -> PathBuf {
        self.exec_root.join("tasks")
    }

    /// Directory of the shims' sockets.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.exec_root.join("s")
    }
}
