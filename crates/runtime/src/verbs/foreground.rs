//! Staying with a process until it ends: signals are passed on, a terminal is joined, the exit code is taken.

use crate::error::{Doing, Error};
use crate::options::Created;
use crate::terminal;
use rustix::process::{WaitId, WaitIdOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tierce_sys::signals::{self, Mask};

const SIGCHLD: i32 = 17;
const SIGURG: i32 = 23;
const SIGWINCH: i32 = 28;

/// All signals are held back from here on, so that none is lost before the process exists.
#[derive(Debug)]
pub(crate) struct Foreground {
    before: Mask,
}

impl Foreground {
    /// Holds signals back.
    pub(crate) fn enter() -> Self {
        Self {
            before: signals::block_all(),
        }
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        signals::restore(&self.before);
    }
}

/// Waits for the process; returns its exit code, 128 and the signal's number for one that a signal ended.
pub(crate) fn wait(_held: &Foreground, process: &Created) -> Result<u8, Error> {
    if let Some(master) = &process.terminal {
        let pass = || {
            while let Ok(Some(number)) = signals::wait(Some(Duration::ZERO)) {
                if number == SIGWINCH {
                    terminal::resize(master);
                } else {
                    pass_on(&process.pidfd, number);
                }
            }
        };
        terminal::join(master, process.pidfd.as_fd(), pass)?;
    }
    loop {
        if let Some(code) = ended(&process.pidfd)? {
            return Ok(code);
        }
        if let Some(number) = signals::wait(None).doing(|| "wait for a signal".into())? {
            pass_on(&process.pidfd, number);
        }
    }
}

fn pass_on(pidfd: &OwnedFd, number: i32) {
    // SIGCHLD is about our own child; SIGURG is what Go programs wake themselves with.
    if number != SIGCHLD && number != SIGURG {
        // The process may have ended meanwhile; then nobody needs the signal.
        let _ = signals::send(pidfd.as_fd(), number);
    }
}

fn ended(pidfd: &OwnedFd) -> Result<Option<u8>, Error> {
    let status = rustix::process::waitid(
        WaitId::PidFd(pidfd.as_fd()),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    )
    .doing(|| "wait for the container process".into())?;
    Ok(
        status.map(|status| match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => code as u8,
            (None, Some(signal)) => 128 + signal as u8,
            (None, None) => 255,
        }),
    )
}
