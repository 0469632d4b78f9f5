//! One relayed TCP connection: two sockets, a buffer each way.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

const BUFFER: usize = 64 * 1024;

/// Bytes on their way from one socket to the other.
#[derive(Debug, Default)]
struct Pipe {
    buffer: Vec<u8>,
    sent: usize,
    /// The source has no more.
    ended: bool,
    /// The destination knows.
    told: bool,
}

impl Pipe {
    fn pending(&self) -> bool {
        self.sent < self.buffer.len()
    }

    /// Moves what can be moved without waiting.
    fn pump(&mut self, from: &OwnedFd, to: &OwnedFd) -> rustix::io::Result<()> {
        loop {
            while self.pending() {
                match rustix::net::send(to, &self.buffer[self.sent..], SendFlags::NOSIGNAL) {
                    Ok(length) => self.sent += length,
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            if self.ended {
                if !self.told {
                    self.told = true;
                    rustix::net::shutdown(to, Shutdown::Write)?;
                }
                return Ok(());
            }
            self.sent = 0;
            self.buffer.resize(BUFFER, 0);
            let read = rustix::io::retry_on_intr(|| rustix::io::read(from, &mut self.buffer[..]));
            self.buffer.truncate(*read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(Errno::AGAIN) => {
                    // An idle connection keeps no buffer.
                    self.buffer = Vec::new();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// A relayed connection.
#[derive(Debug)]
pub(super) struct Stream {
    /// Whose port it came by.
    pub(super) container: String,
    /// Towards the client.
    pub(super) client: OwnedFd,
    /// Towards the container.
    pub(super) target: OwnedFd,
    /// Token of the target's socket in the epoll set (the client's is the stream's own).
    pub(super) target_token: u64,
    up: Pipe,
    down: Pipe,
}

impl Stream {
    pub(super) fn new(container: String, client: OwnedFd, target: OwnedFd, target_token: u64) -> Self {
        Self {
            container,
            client,
            target,
            target_token,
            up: Pipe::default(),
            down: Pipe::default(),
        }
    }

    /// Moves bytes both ways; `false` when the connection is over.
    pub(super) fn pump(&mut self) -> bool {
        let up = self.up.pump(&self.client, &self.target);
        let down = self.down.pump(&self.target, &self.client);
        up.is_ok() && down.is_ok() && !(self.up.told && self.down.told)
    }

    /// What to wait for on the client's and on the target's socket.
    pub(super) fn interest(&self) -> [(std::os::fd::BorrowedFd<'_>, EventFlags); 2] {
        let wants = |incoming: &Pipe, outgoing: &Pipe| {
            let mut flags = EventFlags::empty();
            flags.set(EventFlags::IN, !incoming.pending() && !incoming.ended);
            flags.set(EventFlags::OUT, outgoing.pending());
            flags
        };
        [
            (self.client.as_fd(), wants(&self.up, &self.down)),
            (self.target.as_fd(), wants(&self.down, &self.up)),
        ]
    }
}
