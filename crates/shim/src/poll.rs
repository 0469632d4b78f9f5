//! Waiting for many descriptors at once: epoll, and what each descriptor stands for.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll;
pub(crate) use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use crate::error::{Doing, Result};

/// What became ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// The listening task socket.
    TaskListener,
    /// The listening I/O socket.
    IoListener,
    /// A child has ended.
    Children,
    /// The kernel killed for lack of memory.
    OutOfMemory,
    /// The connection to containerd's event service.
    Publisher,
    /// A connection of the task protocol.
    Connection(u32),
    /// A client of the I/O socket that has not said yet what it wants.
    Newcomer(u32),
    /// A child that works for us has reported.
    Job(u32),
    /// An output of a process: 0 standard output or terminal, 1 standard error.
    Source(u32, u32),
    /// The standard input of a process can be written.
    Stdin(u32),
    /// Somebody who takes the output of a process, or gives its input.
    Peer(u32, u32),
    /// The output of a health probe.
    Probe,
}

impl Token {
    /// kind in the top 8 bits, the smaller number in the next 24, the process or only number below.
    fn pack(self) -> u64 {
        let (kind, number, item) = match self {
            Self::TaskListener => (0, 0, 0),
            Self::IoListener => (1, 0, 0),
            Self::Children => (2, 0, 0),
            Self::OutOfMemory => (3, 0, 0),
            Self::Publisher => (4, 0, 0),
            Self::Connection(number) => (5, number, 0),
            Self::Newcomer(number) => (6, number, 0),
            Self::Job(number) => (7, number, 0),
            Self::Source(process, stream) => (8, process, stream),
            Self::Stdin(process) => (9, process, 0),
            Self::Peer(process, peer) => (10, process, peer),
            Self::Probe => (11, 0, 0),
        };
        (kind << 56) | (u64::from(item & 0xff_ffff) << 32) | u64::from(number)
    }

    fn unpack(packed: u64) -> Option<Self> {
        let (number, item) = (packed as u32, (packed >> 32) as u32 & 0xff_ffff);
        Some(match packed >> 56 {
            0 => Self::TaskListener,
            1 => Self::IoListener,
            2 => Self::Children,
            3 => Self::OutOfMemory,
            4 => Self::Publisher,
            5 => Self::Connection(number),
            6 => Self::Newcomer(number),
            7 => Self::Job(number),
            8 => Self::Source(number, item),
            9 => Self::Stdin(number),
            10 => Self::Peer(number, item),
            11 => Self::Probe,
            _ => return None,
        })
    }
}

/// The set of descriptors that are watched.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).doing(|| "create an epoll instance".into())?;
        Ok(Self { epoll })
    }

    /// Begins to watch. Errors and hang-ups are always reported, whatever `flags` says.
    pub(crate) fn add(&self, fd: impl AsFd, token: Token, flags: EventFlags) -> Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token.pack()), flags).doing(|| format!("watch {token:?}"))
    }

    pub(crate) fn modify(&self, fd: impl AsFd, token: Token, flags: EventFlags) -> Result<()> {
        epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token.pack()), flags)
            .doing(|| format!("watch {token:?}"))
    }

    /// Stops watching; the descriptor may be one that is not watched.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// What is ready, after at most `limit` (`None`: as long as it takes).
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Result<Vec<(Token, EventFlags)>> {
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 32];
        let limit = limit.map(|limit| rustix::event::Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        match epoll::wait(&self.epoll, &mut events, limit.as_ref()) {
            Ok((ready, _)) => Ok(ready
                .iter()
                .filter_map(|event| Some((Token::unpack(event.data.u64())?, event.flags)))
                .collect()),
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error).doing(|| "wait for events".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_packing() {
        for token in [
            Token::TaskListener,
            Token::IoListener,
            Token::Children,
            Token::OutOfMemory,
            Token::Publisher,
            Token::Connection(u32::MAX),
            Token::Newcomer(7),
            Token::Job(3),
            Token::Source(9, 1),
            Token::Stdin(4),
            Token::Peer(u32::MAX, 0xff_ffff),
            Token::Probe,
        ] {
            assert_eq!(Token::unpack(token.pack()), Some(token));
        }
        assert_eq!(Token::unpack(u64::MAX), None);
    }
}
