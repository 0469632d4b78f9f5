//! Netlink: sockets, messages, attributes. One small codec for rtnetlink and nfnetlink (`netlink(7)`).
//!
//! Requests are collected in a [`Batch`] and leave in one `send`; [`Socket::exchange`] then reads until every request
//! that asked for an acknowledgement has one. Attributes are 4-byte aligned, integers in host order unless the method
//! says `be` (netfilter's are in network order).
//!
//! ```
//! use tierce_sys::netlink::{Attributes, Batch, flags};
//! let mut batch = Batch::default();
//! batch.message(18, flags::REQUEST, &[0; 16], |m| {
//!     m.text(3, "lo");
//! });
//! let message = batch.as_bytes();
//! let (kind, value) = Attributes::new(&message[32..]).next().unwrap();
//! assert_eq!((kind, value), (3, &b"lo\0"[..]));
//! ```

mod attributes;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use attributes::pad;
pub use attributes::{Attributed, Attributes};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink as family};

/// Length of `struct nlmsghdr`.
pub const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// Flags of a request (`nlmsg_flags`).
pub mod flags {
    /// Every request carries this.
    pub const REQUEST: u16 = 0x1;
    /// Ask for an acknowledgement even on success.
    pub const ACK: u16 = 0x4;
    /// Also send the notification of the change to the requester.
    pub const ECHO: u16 = 0x8;
    /// Replace an existing object.
    pub const REPLACE: u16 = 0x100;
    /// Fail when the object exists.
    pub const EXCL: u16 = 0x200;
    /// Create the object when it does not exist.
    pub const CREATE: u16 = 0x400;
    /// Add behind the existing ones (rules).
    pub const APPEND: u16 = 0x800;
    /// Return all objects.
    pub const DUMP: u16 = 0x300;
    /// The acknowledgement carries attributes (extended acknowledgement).
    pub const ACK_TLVS: u16 = 0x200;
    /// The acknowledgement does not quote the request.
    pub const CAPPED: u16 = 0x100;
}

/// The netlink families that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Links, addresses, routes (`rtnetlink(7)`).
    Route,
    /// nf_tables and conntrack.
    Netfilter,
}

/// Requests encoded one behind the other.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    bytes: Vec<u8>,
    requests: Vec<(u32, u16)>,
}

impl Batch {
    /// Appends a request: `kind`, `flags`, the family's fixed header, then what `attributes` writes.
    /// Returns its sequence number within the batch (from 1).
    pub fn message(
        &mut self,
        kind: u16,
        flags: u16,
        header: &[u8],
        attributes: impl FnOnce(&mut Attributed<'_>),
    ) -> u32 {
        let start = self.bytes.len();
        let sequence = self.requests.len() as u32 + 1;
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(header);
        pad(&mut self.bytes);
        attributes(&mut Attributed { bytes: &mut self.bytes });
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.requests.push((sequence, flags));
        sequence
    }

    /// The encoded requests.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The last sequence number that will be answered, if any.
    fn last_answered(&self) -> Option<u32> {
        let answered = |flags: u16| flags & flags::ACK != 0 || flags & flags::DUMP == flags::DUMP;
        self.requests
            .iter()
            .rev()
            .find(|(_, flags)| answered(*flags))
            .map(|(sequence, _)| *sequence)
    }
}

/// One answer of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `nlmsg_type`.
    pub kind: u16,
    /// Which request it answers (0: a notification).
    pub sequence: u32,
    /// What follows the header: the family's fixed header and attributes.
    pub payload: Vec<u8>,
}

/// What the kernel tells of a change that somebody made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// [`Socket::port_id`] of the socket through which it was made; 0: the kernel's own doing.
    pub origin: u32,
    /// What follows the header: the family's fixed header and attributes.
    pub payload: &'a [u8],
}

/// Why a request failed.
#[derive(Debug)]
pub struct Refusal {
    /// Sequence number of the refused request within its batch; 0 when the exchange itself failed.
    pub sequence: u32,
    /// The kernel's error.
    pub error: io::Error,
    /// The kernel's words about it (extended acknowledgement), often empty.
    pub detail: String,
}

impl Refusal {
    fn local(error: impl Into<io::Error>) -> Self {
        Self {
            sequence: 0,
            error: error.into(),
            detail: String::new(),
        }
    }

    /// Whether the kernel said exactly this error number.
    pub fn is(&self, errno: rustix::io::Errno) -> bool {
        self.error.raw_os_error() == Some(errno.raw_os_error())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.error)?;
        if self.detail.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.detail)
        }
    }
}

impl std::error::Error for Refusal {}

/// A netlink socket; it belongs for good to the network namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// Opens one in the calling thread's network namespace, with extended acknowledgements.
    pub fn open(protocol: Family) -> io::Result<Self> {
        let protocol = match protocol {
            Family::Route => None,
            Family::Netfilter => Some(family::NETFILTER),
        };
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            set_option(fd.as_fd(), libc::SOL_NETLINK, option, 1)?;
        }
        // The kernel gives an address at the first request, too; one that only listens needs it before.
        rustix::net::bind(&fd, &family::SocketAddrNetlink::new(0, 0))?;
        Ok(Self { fd })
    }

    /// Also receive the notifications of multicast group `group`.
    pub fn join(&self, group: u32) -> io::Result<()> {
        set_option(
            self.fd.as_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_ADD_MEMBERSHIP,
            group as libc::c_int,
        )
    }

    /// Sends the batch in one piece and reads the answers of all its requests.
    ///
    /// Returns the data replies in order. The first refusal wins; the kernel goes on with the requests behind it
    /// (rtnetlink) or undoes the whole transaction (nfnetlink).
    pub fn exchange(&self, batch: &Batch) -> Result<Vec<Reply>, Refusal> {
        let Some(last) = batch.last_answered() else {
            return Ok(Vec::new());
        };
        self.send(batch.as_bytes()).map_err(Refusal::local)?;
        let mut replies = Vec::new();
        let mut refusal = None;
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            let length = self.receive(&mut buffer).map_err(Refusal::local)?;
            for reply in Messages::new(&buffer[..length]) {
                let done = match reply.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        let error = i32::from_ne_bytes(
                            reply
                                .payload
                                .get(..4)
                                .and_then(|b| b.try_into().ok())
                                .unwrap_or_default(),
                        );
                        if error < 0 && refusal.is_none() {
                            refusal = Some(refused(&reply, error));
                        }
                        // A transaction that could not be committed is answered at its first message only.
                        reply.sequence == last || (error < 0 && reply.sequence == 1 && batch.is_transaction())
                    }
                    _ => {
                        replies.push(Reply {
                            kind: reply.kind,
                            sequence: reply.sequence,
                            payload: reply.payload.to_vec(),
                        });
                        false
                    }
                };
                if done {
                    return refusal.map_or(Ok(replies), Err);
                }
            }
        }
    }

    /// Throws away the answers that are still queued after a refusal, so that the next exchange does not take them for
    /// its own.
    pub fn discard_answers(&self) -> io::Result<()> {
        let mut buffer = [0u8; 1];
        loop {
            // Short reads are fine: the rest of a datagram goes with it.
            match rustix::net::recv(&self.fd, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The address that the kernel gave this socket; notifications name it as the origin of what it changed.
    pub fn port_id(&self) -> io::Result<u32> {
        let address = rustix::net::getsockname(&self.fd)?;
        let address = rustix::net::netlink::SocketAddrNetlink::try_from(address)?;
        Ok(address.pid())
    }

    /// Waits for the next datagram of notifications and hands each message to `each`. An error of kind
    /// [`rustix::io::Errno::NOBUFS`] says that some were lost because nobody read them in time.
    pub fn listen(&self, mut each: impl FnMut(Notification<'_>)) -> io::Result<()> {
        let mut buffer = vec![0u8; 64 * 1024];
        let length = self.receive(&mut buffer)?;
        for message in Messages::new(&buffer[..length]) {
            each(Notification {
                kind: message.kind,
                origin: message.origin,
                payload: message.payload,
            });
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        // The default send buffer (208 KiB) bounds one datagram; large transactions need more, which root may take.
        if bytes.len() > 100 * 1024 {
            set_option(
                self.fd.as_fd(),
                libc::SOL_SOCKET,
                libc::SO_SNDBUFFORCE,
                bytes.len() as libc::c_int * 2,
            )?;
        }
        let sent = rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, bytes, SendFlags::empty()))?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::WriteZero))
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (_, length) = rustix::io::retry_on_intr(|| rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::TRUNC))?;
        if length > buffer.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "netlink datagram longer than 64 KiB",
            ));
        }
        Ok(length)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Batch {
    /// Whether this is an nfnetlink transaction (its first message is `NFNL_MSG_BATCH_BEGIN`).
    fn is_transaction(&self) -> bool {
        self.bytes.get(4..6) == Some(&16u16.to_ne_bytes())
    }
}

fn refused(reply: &Message<'_>, error: i32) -> Refusal {
    // Behind the error number stands the refused request's header (NETLINK_CAP_ACK: only that), then attributes.
    let quoted = if reply.flags & flags::CAPPED != 0 {
        HEADER
    } else {
        let length = reply
            .payload
            .get(4..8)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u32::from_ne_bytes);
        (length as usize).next_multiple_of(4)
    };
    let detail = if reply.kind == NLMSG_ERROR && reply.flags & flags::ACK_TLVS != 0 {
        let text = reply
            .payload
            .get(4 + quoted..)
            .and_then(|rest| Attributes::find(rest, NLMSGERR_ATTR_MSG));
        text.map(|text| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned())
            .unwrap_or_default()
    } else {
        String::new()
    };
    Refusal {
        sequence: reply.sequence,
        error: io::Error::from_raw_os_error(-error),
        detail,
    }
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    origin: u32,
    payload: &'a [u8],
}

struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = self.rest.get(..HEADER)?;
        let length = u32::from_ne_bytes(header[..4].try_into().ok()?) as usize;
        let message = Message {
            kind: u16::from_ne_bytes(header[4..6].try_into().ok()?),
            flags: u16::from_ne_bytes(header[6..8].try_into().ok()?),
            sequence: u32::from_ne_bytes(header[8..12].try_into().ok()?),
            origin: u32::from_ne_bytes(header[12..].try_into().ok()?),
            payload: self.rest.get(HEADER..length)?,
        };
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

fn set_option(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: `value` lives across the call and its length is passed; the kernel only reads it.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_attributes_carry_their_length() {
        let mut batch = Batch::default();
        batch.message(16, flags::REQUEST, &[0; 16], |m| {
            m.nest(18, |m| {
                m.text(1, "veth");
            });
            m.u32(4, 1500);
        });
        let attributes: Vec<_> = Attributes::new(&batch.as_bytes()[32..]).collect();
        assert_eq!(attributes.len(), 2);
        assert_eq!(Attributes::find(attributes[0].1, 1), Some(&b"veth\0"[..]));
        assert_eq!(attributes[1], (4, &1500u32.to_ne_bytes()[..]));
    }

    #[test]
    fn malformed_attributes_end_the_iteration() {
        assert_eq!(Attributes::new(&[2, 0, 1, 0]).count(), 0);
        assert_eq!(Attributes::new(&[200, 0, 1, 0, 5]).count(), 0);
        assert_eq!(Attributes::new(&[5, 0, 1, 0, 5]).count(), 1);
    }

    #[test]
    fn a_refused_request_tells_which_one_and_why() {
        let socket = Socket::open(Family::Route).unwrap();
        let mut batch = Batch::default();
        let mut header = [0u8; 16];
        header[4..8].copy_from_slice(&0x7fff_fff0_u32.to_ne_bytes());
        batch.message(18, flags::REQUEST | flags::ACK, &header, |_| {});
        let refusal = socket.exchange(&batch).unwrap_err();
        assert_eq!(refusal.sequence, 1);
        assert!(refusal.is(rustix::io::Errno::NODEV));
    }
}
