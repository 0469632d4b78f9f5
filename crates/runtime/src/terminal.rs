//! The caller's own terminal while a container runs in the foreground: raw, and joined to the container's.

use crate::error::{Doing, Error};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, OutputModes, Termios};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The caller's terminal modes, put back when dropped.
#[derive(Debug)]
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> Option<Self> {
        let before = rustix::termios::tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        // The caller's terminal goes on adding its carriage returns, for the container's adds none.
        raw.output_modes.insert(OutputModes::OPOST);
        rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to put back.
        let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Gives the container's terminal the size of the caller's.
pub(crate) fn resize(master: &OwnedFd) {
    if let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdin()) {
        // A terminal whose other side is gone needs no size.
        let _ = rustix::termios::tcsetwinsize(master, size);
    }
}

/// Has the container's terminal pass line feeds as they are, as runc does: whoever joins it to a terminal of its own, or
/// to a pipe, gets what the program wrote.
fn keep_line_feeds(master: &OwnedFd) -> Result<(), Error> {
    let doing = || "clear ONLCR of the container's terminal".to_owned();
    let mut modes = rustix::termios::tcgetattr(master).doing(doing)?;
    modes.output_modes.remove(OutputModes::ONLCR);
    rustix::termios::tcsetattr(master, OptionalActions::Now, &modes).doing(doing)
}

/// Prepares the container's terminal before its program runs.
///
/// # Errors
/// [`Error::Kernel`] when it is no terminal.
pub(crate) fn prepare(master: &OwnedFd) -> Result<(), Error> {
    keep_line_feeds(master)?;
    resize(master);
    Ok(())
}

/// Carries bytes both ways until the container's side closes. `signals` is asked after every wait, with the descriptor
/// that tells of the process's end.
pub(crate) fn join(master: &OwnedFd, ended: BorrowedFd<'_>, mut signals: impl FnMut()) -> Result<(), Error> {
    let _raw = Raw::enter();
    let mut reading = true;
    loop {
        let quiet = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 200_000_000,
        };
        let stdin = rustix::stdio::stdin();
        let mut waiting = vec![
            PollFd::new(master, PollFlags::IN),
            PollFd::from_borrowed_fd(ended, PollFlags::IN),
        ];
        if reading {
            waiting.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
        }
        match rustix::event::poll(&mut waiting, Some(&quiet)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).doing(|| "wait for the terminal".into()),
        }
        let ready: Vec<bool> = waiting.iter().map(|one| !one.revents().is_empty()).collect();
        signals();
        if ready[0] {
            // EIO is how a terminal says that its last user has left.
            if !carry(master.as_fd(), rustix::stdio::stdout())? {
                return Ok(());
            }
        } else if ready[1] {
            return Ok(());
        }
        if ready.get(2).copied().unwrap_or(false) && !carry(stdin, master.as_fd())? {
            reading = false;
        }
    }
}

/// Moves what is there; false at the end.
fn carry(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<bool, Error> {
    let mut buffer = [0u8; 8 * 1024];
    let length = match rustix::io::read(from, &mut buffer) {
        Ok(0) | Err(Errno::IO) => return Ok(false),
        Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
        result => result.doing(|| "read from the terminal".into())?,
    };
    let mut rest = &buffer[..length];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(Errno::IO | Errno::PIPE) => return Ok(false),
            Err(error) => return Err(error).doing(|| "write to the terminal".into()),
        }
    }
    Ok(true)
}
