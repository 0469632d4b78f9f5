//! A probe under way: its process, its time, what it prints.

use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tierce_task::health::MAX_OUTPUT;

use crate::error::{Doing, Result};
use crate::job::Report;
use crate::poll::Poll;
use crate::streams::ends;

/// Reads at one time; a probe that writes without end shall not keep the shim.
const ROUNDS: usize = 16;

/// Why a probe ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// By itself.
    Natural,
    /// It took too long.
    Overdue,
    /// Its outcome is of no use any more.
    Cancelled,
}

/// See the module's description.
pub(super) struct Probe {
    /// 64 hex digits.
    pub(super) id: String,
    began: (SystemTime, Instant),
    /// 0 before there is one.
    pub(super) pid: u32,
    /// That one stands in for the process of another shim.
    stands_in: bool,
    pub(super) fate: Fate,
    deadline: Instant,
    pub(super) output: Output,
}

impl Probe {
    /// A probe whose process is to be made within `limit`, and the process's ends of its streams.
    pub(super) fn new(limit: Duration) -> Result<(Self, ends::OneOutput)> {
        let (output, theirs) = ends::one_output()?;
        let now = Instant::now();
        let probe = Self {
            id: new_id()?,
            began: (SystemTime::now(), now),
            pid: 0,
            stands_in: false,
            fate: Fate::Natural,
            deadline: now + limit,
            output: Output::new(output),
        };
        Ok((probe, theirs))
    }

    /// When it began, by both clocks.
    pub(super) fn began(&self) -> (SystemTime, Instant) {
        self.began
    }

    /// Its process runs, and may do so for `limit`. What was decided about it meanwhile is done now.
    pub(super) fn run(&mut self, report: &Report, limit: Duration) {
        self.pid = report.child();
        self.stands_in = report.stand_in != 0;
        self.deadline = Instant::now() + limit;
        if self.fate != Fate::Natural {
            self.kill();
        }
    }

    /// When it has taken too long; `None` when it is about to end anyway.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.fate == Fate::Natural).then_some(self.deadline)
    }

    /// Ends it. It stays until it has ended in truth, so that hanging probes do not pile up.
    pub(super) fn abort(&mut self, fate: Fate) {
        let first = self.fate == Fate::Natural;
        if first || fate == Fate::Cancelled {
            self.fate = fate;
        }
        if first {
            self.kill();
        }
    }

    /// Kills the process and those that it started and left in its group. It is our child and not reaped yet, so the
    /// number is its own.
    fn kill(&self) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        if self.stands_in {
            // What it stands for is another's child, which it has killed; with that it ends.
            let _ = rustix::process::kill_process(pid, Signal::USR1);
        } else if kill_process_group(pid, Signal::KILL).is_err() {
            // It has not made its group yet.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}

/// 64 random hex digits.
fn new_id() -> Result<String> {
    let mut id = String::with_capacity(64);
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(std::io::Error::from)
        .doing(|| "make an id for a probe".into())?;
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}

/// What a probe prints to both of its outputs, cut off at [`MAX_OUTPUT`].
pub(super) struct Output {
    source: Option<OwnedFd>,
    kept: Vec<u8>,
    truncated: bool,
}

impl Output {
    fn new(source: OwnedFd) -> Self {
        Self {
            source: Some(source),
            kept: Vec::new(),
            truncated: false,
        }
    }

    /// Where it comes from; `None`: nothing comes any more.
    pub(super) fn descriptor(&self) -> Option<&OwnedFd> {
        self.source.as_ref()
    }

    /// Takes what is there.
    pub(super) fn take(&mut self, poll: &Poll, buffer: &mut [u8]) {
        for _ in 0..ROUNDS {
            let Some(source) = &self.source else { return };
            match rustix::io::read(source, &mut *buffer) {
                Ok(count) if count > 0 => {
                    let room = MAX_OUTPUT - self.kept.len();
                    self.kept.extend_from_slice(&buffer[..count.min(room)]);
                    self.truncated |= count > room;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Ok(_) | Err(_) => {
                    poll.remove(source);
                    self.source = None;
                }
            }
        }
    }

    /// As Docker keeps it: what is no text is replaced, what was cut off is told.
    pub(super) fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.kept).into_owned();
        if self.truncated {
            text.push_str("...");
        }
        text
    }
}
