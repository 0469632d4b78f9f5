//! A process the shim looks after: the container's init, or an exec.
//!
//! ```text
//!  Added ──start──> Starting ──> Running ──exit──> Stopped ──delete──> (gone)
//!    └── the init is made by Create: Added means created; an exec is only noted
//! ```
//! Its exit is *known* when it was reaped, and *published* (events, answers to Wait, state) once its output was drained
//! and, if it ended while being started, after the start was answered.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime};

use tierce_fault::Kind;
use tierce_oci::runtime::Process as Document;
use tierce_sys::signals;
use tierce_task::messages::Status;

use crate::connection::Reply;
use crate::error::{Doing, Error, Result};
use crate::streams::Streams;
use crate::streams::ends::Ends;
use crate::streams::fifo::Names;

/// How long others that inherited its outputs may go on writing to attached clients after a process has ended.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit {
    /// As a shell shows it.
    pub(crate) status: u32,
    pub(crate) at: SystemTime,
    /// When others lose its outputs.
    pub(crate) linger: Instant,
}

impl Exit {
    pub(crate) fn now(status: u32) -> Self {
        Self {
            status,
            at: SystemTime::now(),
            linger: Instant::now() + LINGER,
        }
    }
}

/// Where it is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Made (the init) or noted (an exec).
    Added,
    /// A worker is starting it.
    Starting,
    /// Started.
    Running,
    /// A worker is deleting it.
    Deleting,
    /// Deleted; stays only until the last client has its output.
    Gone,
}

/// See the module's description.
pub(crate) struct Process {
    /// The exec's id; empty for the init.
    pub(crate) id: String,
    pub(crate) phase: Phase,
    /// 0 before there is one.
    pub(crate) pid: u32,
    /// The child of ours whose end is its end: itself, or one that stands in for it.
    pub(crate) child: u32,
    pidfd: Option<OwnedFd>,
    pub(crate) streams: Streams,
    /// Our ends of its pipes, from when they are made until the process is.
    pub(crate) ends: Option<Ends>,
    pub(crate) names: Names,
    /// Its streams go over the I/O socket, not to containerd's FIFOs.
    pub(crate) own_streams: bool,
    /// Keep a way for input.
    pub(crate) stdin: bool,
    /// What an exec will run.
    pub(crate) document: Option<Box<Document>>,
    pub(crate) exit: Option<Exit>,
    pub(crate) published: bool,
    pub(crate) waiters: Vec<Reply>,
}

impl Process {
    pub(crate) fn new(id: String, streams: Streams, names: Names, stdin: bool) -> Self {
        Self {
            id,
            phase: Phase::Added,
            pid: 0,
            child: 0,
            pidfd: None,
            streams,
            ends: None,
            names,
            own_streams: false,
            stdin,
            document: None,
            exit: None,
            published: false,
            waiters: Vec::new(),
        }
    }

    pub(crate) fn set_pid(&mut self, pid: u32, child: u32, pidfd: Option<OwnedFd>) {
        self.pid = pid;
        self.child = child;
        self.pidfd = pidfd;
    }

    /// Whether it exists as a process of the kernel.
    pub(crate) fn is_alive(&self) -> bool {
        self.pid != 0 && self.exit.is_none()
    }

    /// Its published exit.
    pub(crate) fn ended(&self) -> Option<Exit> {
        self.exit.filter(|_| self.published)
    }

    /// As the protocol calls it; `paused` is the container's.
    pub(crate) fn status(&self, paused: bool) -> Status {
        if self.ended().is_some() {
            return Status::Stopped;
        }
        match self.phase {
            Phase::Added => Status::Created,
            _ if paused => Status::Paused,
            _ => Status::Running,
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        let finished = || Error::refused(Kind::NotFound, "process already finished");
        let pidfd = self.pidfd.as_ref().filter(|_| self.is_alive()).ok_or_else(finished)?;
        match signals::send(pidfd.as_fd(), signal) {
            Err(rustix::io::Errno::SRCH) => Err(finished()),
            other => other.doing(|| format!("send signal {signal} to process {}", self.pid)),
        }
    }
}
