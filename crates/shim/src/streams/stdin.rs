//! The writing end of a process's standard input.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::poll::{EventFlags, Poll, Token};

/// Bytes that may wait for the process before its peers are not read any more.
const PENDING: usize = 64 * 1024;

/// Where input goes.
#[derive(Debug)]
pub(crate) struct Stdin {
    /// `None` before the process has its streams, and after the end.
    fd: Option<OwnedFd>,
    token: Token,
    /// Bytes the process has not taken yet.
    pending: Vec<u8>,
    watched: bool,
    /// Close once `pending` is written.
    closing: bool,
}

impl Stdin {
    pub(crate) fn new(token: Token) -> Self {
        Self {
            fd: None,
            token,
            pending: Vec::new(),
            watched: false,
            closing: false,
        }
    }

    /// The process has its streams now.
    pub(crate) fn open(&mut self, poll: &Poll, fd: OwnedFd) {
        self.fd = Some(fd);
        self.flush(poll);
    }

    /// Whether more bytes are welcome now.
    pub(crate) fn accepts(&self) -> bool {
        self.fd.is_some() && !self.closing && self.pending.len() < PENDING
    }

    /// Whether it will never take another byte. Input for it is then read and dropped.
    pub(crate) fn is_over(&self) -> bool {
        self.closing
    }

    pub(crate) fn put(&mut self, poll: &Poll, bytes: &[u8]) {
        if self.fd.is_some() && !self.closing {
            self.pending.extend_from_slice(bytes);
            self.flush(poll);
        }
    }

    /// Ends the input once everything was written.
    pub(crate) fn close(&mut self, poll: &Poll) {
        self.closing = true;
        self.flush(poll);
    }

    /// Ends it at once: the process is gone.
    pub(crate) fn abandon(&mut self, poll: &Poll) {
        self.closing = true;
        self.pending = Vec::new();
        self.flush(poll);
    }

    /// Writes what the process takes.
    pub(crate) fn flush(&mut self, poll: &Poll) {
        let Some(fd) = &self.fd else { return };
        let mut written = 0;
        while written < self.pending.len() {
            match rustix::io::write(fd, &self.pending[written..]) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    // Nobody reads it any more.
                    self.closing = true;
                    written = self.pending.len();
                }
            }
        }
        self.pending.drain(..written);
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        let wanted = !self.pending.is_empty();
        if wanted != self.watched {
            if wanted {
                self.watched = poll.add(fd, self.token, EventFlags::OUT).is_ok();
            } else {
                poll.remove(fd);
                self.watched = false;
            }
        }
        if self.closing && self.pending.is_empty() {
            self.fd = None;
        }
    }
}
