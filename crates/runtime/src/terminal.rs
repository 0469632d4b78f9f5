//! The caller's own terminal while a container runs in the foreground: raw, and joined to the container's.

use crate::error::{Doing, Error};
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, OutputModes, Termios};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How much is carried at once: what a pipe that is ready surely takes (`PIPE_BUF`).
const PORTION: usize = 4096;

/// The caller's terminal: usually all three streams are it, but they may lead elsewhere.
fn own() -> Option<OwnedFd> {
    [2, 1, 0]
        .into_iter()
        .filter_map(|number| tierce_sys::descriptors::duplicate(number).ok())
        .chain(
            rustix::fs::open(
                "/dev/tty",
                OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .ok(),
        )
        .find(|file| rustix::termios::isatty(file))
}

/// The caller's terminal, raw; its modes are put back when this is dropped.
#[derive(Debug)]
struct Raw {
    terminal: OwnedFd,
    before: Termios,
}

impl Raw {
    fn enter() -> Option<Self> {
        let terminal = own()?;
        let before = rustix::termios::tcgetattr(&terminal).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        // The caller's terminal goes on adding its carriage returns, for the container's adds none.
        raw.output_modes.insert(OutputModes::OPOST);
        rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &raw).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to put back.
        let _ = rustix::termios::tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Gives the container's terminal the size of the caller's.
pub(crate) fn resize(master: &OwnedFd) {
    let size = own().and_then(|terminal| rustix::termios::tcgetwinsize(terminal).ok());
    if let Some(size) = size {
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

/// A descriptor of a relay that may be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The caller's input.
    Input,
    /// The caller's output.
    Output,
    /// The container's terminal.
    Master,
}

/// Bytes on their way between the caller's streams and the container's terminal. Neither direction waits for the other:
/// a program that does not read still has its output carried.
#[derive(Debug)]
pub(crate) struct Relay<'a> {
    master: &'a OwnedFd,
    /// The container's terminal has a user left.
    master_open: bool,
    input: Vec<u8>,
    input_open: bool,
    output: Vec<u8>,
    output_open: bool,
    _raw: Option<Raw>,
}

impl<'a> Relay<'a> {
    /// Joins the container's terminal to the caller's streams.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the descriptor is of no use.
    pub(crate) fn begin(master: &'a OwnedFd) -> Result<Self, Error> {
        rustix::io::ioctl_fionbio(master, true).doing(|| "prepare the terminal's descriptor".into())?;
        let raw = Raw::enter();
        resize(master);
        Ok(Self {
            master,
            master_open: true,
            input: Vec::new(),
            input_open: true,
            output: Vec::new(),
            output_open: true,
            _raw: raw,
        })
    }

    /// What is to be waited for now.
    pub(crate) fn interests(&self) -> Vec<(End, BorrowedFd<'_>, PollFlags)> {
        let mut interests = Vec::with_capacity(3);
        let mut master = PollFlags::empty();
        if self.output.is_empty() {
            master |= PollFlags::IN;
        } else {
            interests.push((End::Output, rustix::stdio::stdout(), PollFlags::OUT));
        }
        if !self.input.is_empty() {
            master |= PollFlags::OUT;
        } else if self.input_open && self.master_open {
            interests.push((End::Input, rustix::stdio::stdin(), PollFlags::IN));
        }
        if self.master_open && !master.is_empty() {
            interests.push((End::Master, self.master.as_fd(), master));
        }
        interests
    }

    /// Carries what can be carried now that this end is ready.
    pub(crate) fn carry(&mut self, ready: End) {
        match ready {
            End::Input => self.read_input(),
            End::Output => self.write_output(PORTION),
            End::Master => {
                self.write_input();
                self.read_output();
            }
        }
    }

    fn read_input(&mut self) {
        match read(rustix::stdio::stdin()) {
            Read::Some(bytes) => self.input = bytes,
            Read::Nothing => {}
            // Who reads in the container is not told: its terminal stays open, as under runc.
            Read::End => self.input_open = false,
        }
    }

    fn write_input(&mut self) {
        match rustix::io::write(self.master, &self.input) {
            Ok(written) => drop(self.input.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.input.clear(),
        }
    }

    fn read_output(&mut self) {
        if !self.output.is_empty() {
            return;
        }
        match read(self.master.as_fd()) {
            // Where nobody takes it any more, the program still must not wait for somebody.
            Read::Some(bytes) if self.output_open => self.output = bytes,
            Read::Some(_) | Read::Nothing => {}
            Read::End => {
                self.master_open = false;
                self.input.clear();
            }
        }
    }

    fn write_output(&mut self, most: usize) {
        let portion = &self.output[..self.output.len().min(most)];
        match rustix::io::write(rustix::stdio::stdout(), portion) {
            Ok(written) => drop(self.output.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                self.output_open = false;
                self.output.clear();
            }
        }
    }

    /// Carries to the caller what the program left in its terminal when it ended.
    pub(crate) fn finish(mut self) {
        loop {
            while !self.output.is_empty() {
                self.write_output(usize::MAX);
            }
            self.read_output();
            if self.output.is_empty() {
                return;
            }
        }
    }
}

enum Read {
    Some(Vec<u8>),
    Nothing,
    End,
}

fn read(from: BorrowedFd<'_>) -> Read {
    let mut buffer = vec![0u8; PORTION];
    match rustix::io::read(from, &mut buffer) {
        Ok(length) if length > 0 => {
            buffer.truncate(length);
            Read::Some(buffer)
        }
        Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
        // EIO is how a terminal says that its last user has left, or that this process is not to read from it.
        _ => Read::End,
    }
}
