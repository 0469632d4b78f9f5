//! Whoever takes a process's output or gives its input: a client of the I/O socket, or one of containerd's FIFOs.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use tierce_task::attach::{self, Stream};

use crate::poll::{EventFlags, Poll, Token};

/// What a peer is for, and how it wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Role {
    /// It gives standard input.
    pub(crate) stdin: bool,
    /// It takes standard output or the terminal.
    pub(crate) stdout: bool,
    /// It takes standard error.
    pub(crate) stderr: bool,
    /// Each piece has Docker's header of 8 bytes before it.
    pub(crate) framed: bool,
    /// It is a file or FIFO that stays, not a connection that may hang up.
    pub(crate) lasting: bool,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Peer {
    fd: OwnedFd,
    token: Token,
    role: Role,
    /// Output it has not taken yet.
    queue: VecDeque<u8>,
    /// It gives no more input.
    input_done: bool,
    /// What is being watched; `None`: nothing.
    watched: Option<EventFlags>,
    /// It hung up or refused output.
    gone: bool,
}

/// What became of an attempt to read a peer's input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// None now.
    Nothing,
    /// There will be no more.
    End,
}

impl Peer {
    pub(crate) fn new(fd: OwnedFd, token: Token, role: Role) -> Self {
        Self {
            fd,
            token,
            role,
            queue: VecDeque::new(),
            input_done: !role.stdin && role.lasting,
            watched: None,
            gone: false,
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Bytes that wait for it.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Gives it a piece of output of a stream it wants.
    pub(crate) fn send(&mut self, stream: Stream, bytes: &[u8]) {
        let wanted = match stream {
            Stream::Stdout => self.role.stdout,
            Stream::Stderr => self.role.stderr,
        };
        if !wanted || self.gone {
            return;
        }
        if self.role.framed {
            self.put(&attach::header(stream, bytes.len() as u32));
        }
        self.put(bytes);
    }

    /// Writes what the kernel takes at once, queues the rest.
    fn put(&mut self, bytes: &[u8]) {
        let written = if self.queue.is_empty() { self.write(bytes) } else { 0 };
        if !self.gone {
            self.queue.extend(&bytes[written..]);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let (written, refused) = write_some(&self.fd, bytes);
        self.gone |= refused;
        written
    }

    /// Writes what is queued, as far as it goes.
    pub(crate) fn flush(&mut self) {
        while !self.queue.is_empty() && !self.gone {
            let (front, _) = self.queue.as_slices();
            let length = front.len();
            let (written, refused) = write_some(&self.fd, front);
            self.gone |= refused;
            self.queue.drain(..written);
            if written < length {
                break;
            }
        }
        if self.queue.is_empty() || self.gone {
            self.queue = VecDeque::new();
        }
    }

    /// It gives no more input.
    pub(crate) fn input_is_done(&self) -> bool {
        self.input_done
    }

    /// Reads input, or just notices that the peer hangs up.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Input {
        if self.input_done {
            return Input::Nothing;
        }
        loop {
            match rustix::io::read(&self.fd, &mut *buffer) {
                Ok(0) => {
                    self.input_done = true;
                    return Input::End;
                }
                Ok(count) => return Input::Bytes(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Input::Nothing,
                Err(_) => {
                    self.input_done = true;
                    self.gone = true;
                    return Input::End;
                }
            }
        }
    }

    /// The connection is over in both directions.
    pub(crate) fn hang_up(&mut self) {
        self.gone = true;
    }

    /// Watches for what matters now. `accepting`: its input can be handed on.
    pub(crate) fn watch(&mut self, poll: &Poll, accepting: bool) {
        let mut flags = EventFlags::empty();
        let reads = !self.input_done && (accepting || !self.role.stdin);
        if reads {
            flags |= EventFlags::IN;
        }
        if !self.queue.is_empty() {
            flags |= EventFlags::OUT;
        }
        // A hang-up is always reported: with input that cannot be handed on yet it must not be asked for, or it would
        // be reported again and again. A lasting peer does not hang up, and a regular file cannot be watched.
        let unwatched = flags.is_empty() && (self.role.lasting || !self.input_done);
        let wanted = (!unwatched && !self.gone).then_some(flags);
        if wanted == self.watched {
            return;
        }
        let done = match (self.watched, wanted) {
            (None, Some(flags)) => poll.add(&self.fd, self.token, flags).is_ok(),
            (Some(_), Some(flags)) => poll.modify(&self.fd, self.token, flags).is_ok(),
            _ => {
                poll.remove(&self.fd);
                true
            }
        };
        if done {
            self.watched = wanted;
        }
    }
}

/// How many bytes the kernel took, and whether it will take no more.
fn write_some(fd: &OwnedFd, bytes: &[u8]) -> (usize, bool) {
    let mut written = 0;
    while written < bytes.len() {
        match rustix::io::write(fd, &bytes[written..]) {
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(_) => return (written, true),
        }
    }
    (written, false)
}
