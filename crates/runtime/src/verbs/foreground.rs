//! Staying with a process until it ends: signals are passed on, a terminal is joined, a supervisor is notified, the exit
//! code is taken.

use crate::error::{Doing, Error};
use crate::notify::Proxy;
use crate::options::Created;
use crate::terminal::{self, End, Relay};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{WaitId, WaitIdOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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

/// What a wait was ended by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Signal,
    End,
    Notified,
    Relay(End),
}

/// Waits for the process; returns its exit code, 128 and the signal's number for one that a signal ended. A supervisor
/// is told when the container says that it is ready; the process to watch is then this one.
pub(crate) fn wait(_held: &Foreground, process: &Created, mut notify: Option<Proxy>) -> Result<u8, Error> {
    let signals = signals::watch().doing(|| "watch for signals".into())?;
    let mut relay = process.terminal.as_ref().map(Relay::begin).transpose()?;
    loop {
        for news in await_news(signals.as_fd(), process, notify.as_ref(), relay.as_ref())? {
            match news {
                News::Signal => take_signals(process),
                News::Notified => {
                    if let Some(proxy) = notify.take_if(|proxy| proxy.is_ready()) {
                        proxy.pass_on(rustix::process::getpid().as_raw_nonzero().get());
                    }
                }
                News::Relay(end) => {
                    if let Some(relay) = &mut relay {
                        relay.carry(end);
                    }
                }
                News::End => {
                    if let Some(code) = ended(&process.pidfd)? {
                        if let Some(relay) = relay {
                            relay.finish();
                        }
                        return Ok(code);
                    }
                }
            }
        }
    }
}

/// Waits for something to happen; the end of the process comes last.
fn await_news(
    signals: BorrowedFd<'_>,
    process: &Created,
    notify: Option<&Proxy>,
    relay: Option<&Relay<'_>>,
) -> Result<Vec<News>, Error> {
    let mut subjects = vec![(News::Signal, signals, PollFlags::IN)];
    subjects.extend(notify.map(|proxy| (News::Notified, proxy.descriptor(), PollFlags::IN)));
    let interests = relay.map(Relay::interests).unwrap_or_default();
    subjects.extend(
        interests
            .into_iter()
            .map(|(end, file, flags)| (News::Relay(end), file, flags)),
    );
    subjects.push((News::End, process.pidfd.as_fd(), PollFlags::IN));
    let mut waiting: Vec<PollFd<'_>> = subjects
        .iter()
        .map(|(_, file, flags)| PollFd::from_borrowed_fd(*file, *flags))
        .collect();
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut waiting, None)).doing(|| "wait for the container".into())?;
    Ok(subjects
        .iter()
        .zip(&waiting)
        .filter(|(_, one)| !one.revents().is_empty())
        .map(|((news, ..), _)| *news)
        .collect())
}

fn take_signals(process: &Created) {
    while let Ok(Some(number)) = signals::wait(Some(Duration::ZERO)) {
        match (&process.terminal, number) {
            (Some(master), SIGWINCH) => terminal::resize(master),
            _ => pass_on(&process.pidfd, number),
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
