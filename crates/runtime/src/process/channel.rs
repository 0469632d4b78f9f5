//! One end of the channel between parent and child.

use super::message::{LONGEST, Message};
use crate::error::{Doing, Error};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A datagram socket whose peer is the other half.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Two ends.
    pub(crate) fn pair() -> Result<(Self, Self), Error> {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .doing(|| "make the channel to the container process".into())?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// The number of this end's descriptor.
    pub(crate) fn number(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Sends a message by write(2). To a peer that is gone that is an error and, between sockets of packets, no signal.
    pub(crate) fn send(&self, message: &Message) -> Result<(), Error> {
        rustix::io::retry_on_intr(|| rustix::io::write(&self.socket, &message.encode()))
            .doing(|| format!("send {message:?}"))?;
        Ok(())
    }

    /// Sends a message with descriptors.
    pub(crate) fn send_with(&self, message: &Message, files: &[BorrowedFd<'_>]) -> Result<(), Error> {
        tierce_sys::passing::send(self.socket.as_fd(), &message.encode(), files)
            .doing(|| format!("send {message:?}"))?;
        Ok(())
    }

    /// Waits for the next message; `None` when the peer is gone.
    pub(crate) fn receive(&self) -> Result<Option<(Message, Vec<OwnedFd>)>, Error> {
        let mut buffer = [0u8; LONGEST];
        let mut received = tierce_sys::passing::receive(self.socket.as_fd(), &mut buffer);
        if matches!(received, Err(rustix::io::Errno::CONNRESET)) {
            // The peer ended with messages unread: the kernel says that first, once, and still has what the peer sent.
            received = tierce_sys::passing::receive(self.socket.as_fd(), &mut buffer);
        }
        let (length, files) = match received {
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            result => result.doing(|| "receive from the container process".into())?,
        };
        if length == 0 {
            return Ok(None);
        }
        let message = Message::decode(&buffer[..length])
            .ok_or_else(|| Error::Invalid("the container process sent an unknown message".into()))?;
        Ok(Some((message, files)))
    }

    /// Waits for one particular message, by read(2).
    pub(crate) fn await_plain(&self, wanted: &Message) -> Result<(), Error> {
        let mut buffer = [0u8; 8];
        let length = rustix::io::retry_on_intr(|| rustix::io::read(&self.socket, &mut buffer))
            .doing(|| format!("wait for {wanted:?}"))?;
        match Message::decode(&buffer[..length]) {
            Some(message) if message == *wanted => Ok(()),
            _ if length == 0 => Err(Error::Invalid(format!("expected {wanted:?} but the peer is gone"))),
            other => Err(Error::Invalid(format!("expected {wanted:?} but got {other:?}"))),
        }
    }

    /// Waits for one particular message; returns the descriptors that came with it.
    pub(crate) fn expect(&self, wanted: &Message) -> Result<Vec<OwnedFd>, Error> {
        match self.receive()? {
            Some((message, files)) if message == *wanted => Ok(files),
            Some((message, _)) => Err(Error::Invalid(format!("expected {wanted:?} but got {message:?}"))),
            None => Err(Error::Invalid(format!("expected {wanted:?} but the peer is gone"))),
        }
    }
}
