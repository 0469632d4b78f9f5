//! What is known about a container and its end.

use std::time::Duration;

use crate::kernel_log::KernelNews;
use crate::program::Examined;

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Made, never run.
    #[default]
    Created,
    /// Runs.
    Running,
    /// Frozen.
    Paused,
    /// Waits to be started again.
    Restarting,
    /// Ended.
    Exited,
    /// Half removed.
    Dead,
}

/// Everything that is known. What is not is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// The container's name.
    pub name: String,
    /// Where it is in its life.
    pub state: State,
    /// How it last ended.
    pub exit_code: i32,
    /// Why it could not be started.
    pub error: String,
    /// How long its last life was.
    pub ran: Option<Duration>,
    /// Seconds between the gentle signal of a stop and SIGKILL.
    pub stop_timeout: i64,
    /// Signals that the engine was asked to send in its last life, oldest first.
    pub sent: Vec<Sent>,
    /// What starts it again.
    pub restart: Restart,
    /// Memory.
    pub memory: Memory,
    /// Its health, where it is probed.
    pub health: Option<Health>,
    /// The program it runs.
    pub program: Program,
    /// What the kernel said of it.
    pub kernel: Vec<KernelNews>,
    /// Directories of the host that are to be mounted and are not there, with their places.
    pub missing_mounts: Vec<(String, String)>,
    /// The last lines of its log.
    pub log: Vec<String>,
}

/// What starts a container again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restart {
    /// Its policy; empty: none.
    pub policy: String,
    /// How often that has started it again.
    pub count: i64,
    /// A user stopped it.
    pub stopped_by_user: bool,
}

/// A signal that the engine sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub signal: i32,
    /// When, RFC 3339.
    pub at: String,
}

/// Memory of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Its limit; `None`: what the host has.
    pub limit: Option<u64>,
    /// The most it used.
    pub peak: Option<u64>,
    /// The kernel killed a process of it for lack of memory.
    pub oom_killed: bool,
}

/// Health of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: i64,
    /// What a probe runs.
    pub command: String,
    /// The last probes, oldest first.
    pub log: Vec<Probe>,
}

/// One probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// When it ended.
    pub end: String,
    /// Its exit code; −1: it could not run, or took too long.
    pub exit_code: i64,
    /// What it printed.
    pub output: String,
}

/// The program of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// As it was asked for.
    pub name: String,
    /// Where such programs are looked for.
    pub search_path: String,
    /// What was found when it was looked at; `None`: it could not be.
    pub examined: Option<Examined>,
    /// What the image is for (`arm64`).
    pub image_architecture: String,
    /// What this host is.
    pub host_architecture: String,
}
