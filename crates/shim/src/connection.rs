//! Connections of the task protocol.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use tierce_task::frame::{Decoder, Frame};

use crate::poll::{EventFlags, Poll, Token};

/// Who is to be answered: a call of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    connection: u32,
    stream: u32,
}

/// One connection.
#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    decoder: Decoder,
    out: Vec<u8>,
    watches_out: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: BTreeMap<u32, Connection>,
    last: u32,
}

impl Connections {
    /// Takes a socket that was accepted.
    pub(crate) fn add(&mut self, poll: &Poll, socket: OwnedFd) {
        self.last += 1;
        if poll.add(&socket, Token::Connection(self.last), EventFlags::IN).is_ok() {
            let connection = Connection {
                socket,
                decoder: Decoder::new(),
                out: Vec::new(),
                watches_out: false,
            };
            self.open.insert(self.last, connection);
        }
    }

    /// Reads and writes what can be; gives the frames that arrived with whom to answer. A connection that ends or does
    /// not follow the protocol is closed.
    pub(crate) fn on_ready(&mut self, poll: &Poll, number: u32, buffer: &mut [u8]) -> Vec<(Reply, Frame)> {
        let mut frames = Vec::new();
        let Some(connection) = self.open.get_mut(&number) else {
            return frames;
        };
        let mut over = !connection.flush(poll, number);
        while !over {
            match rustix::io::read(&connection.socket, &mut *buffer) {
                Ok(0) => over = true,
                Ok(count) => {
                    connection.decoder.push(&buffer[..count]);
                    over |= !connection.take_frames(number, &mut frames);
                    if count < buffer.len() {
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => over = true,
            }
        }
        if over {
            self.open.remove(&number);
        }
        frames
    }

    /// Sends a frame; the call may be of a connection that is gone.
    pub(crate) fn send(&mut self, poll: &Poll, reply: Reply, make: impl FnOnce(u32) -> Frame) -> bool {
        let Some(connection) = self.open.get_mut(&reply.connection) else {
            return false;
        };
        let frame = make(reply.stream);
        // An answer beyond the limit cannot be: the largest is a list of pids.
        let sent = frame.encode(&mut connection.out).is_ok() && connection.flush(poll, reply.connection);
        if !sent {
            self.open.remove(&reply.connection);
        }
        sent
    }

    /// Nobody is connected.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Something waits to be written.
    pub(crate) fn has_unsent(&self) -> bool {
        self.open.values().any(|connection| !connection.out.is_empty())
    }
}

impl Connection {
    fn take_frames(&mut self, number: u32, frames: &mut Vec<(Reply, Frame)>) -> bool {
        loop {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => frames.push((
                    Reply {
                        connection: number,
                        stream: frame.stream,
                    },
                    frame,
                )),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// `false` when the other side takes no more.
    fn flush(&mut self, poll: &Poll, number: u32) -> bool {
        let mut written = 0;
        while written < self.out.len() {
            match rustix::io::write(&self.socket, &self.out[written..]) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        self.out.drain(..written);
        if self.out.is_empty() {
            self.out = Vec::new();
        }
        let wanted = !self.out.is_empty();
        if wanted != self.watches_out {
            let flags = if wanted {
                EventFlags::IN | EventFlags::OUT
            } else {
                EventFlags::IN
            };
            self.watches_out = wanted;
            return poll.modify(&self.socket, Token::Connection(number), flags).is_ok();
        }
        true
    }
}
