//! Clients of the I/O socket that have not said yet what they want.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tierce_task::attach::{Attach, MAX_REQUEST};

use crate::poll::{EventFlags, Poll, Token};

/// Clients that may be undecided at once; more are turned away.
const LIMIT: usize = 64;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    waiting: BTreeMap<u32, OwnedFd>,
    last: u32,
}

impl Newcomers {
    /// Takes a socket that was accepted.
    pub(crate) fn add(&mut self, poll: &Poll, socket: OwnedFd) {
        self.last += 1;
        if self.waiting.len() < LIMIT && poll.add(&socket, Token::Newcomer(self.last), EventFlags::IN).is_ok() {
            self.waiting.insert(self.last, socket);
        }
    }

    /// A client has said something: its request, once complete, and its socket, with everything after the request line
    /// still unread. One that talks nonsense is told so and let go.
    pub(crate) fn on_ready(&mut self, poll: &Poll, number: u32) -> Option<(OwnedFd, Attach)> {
        let socket = self.waiting.get(&number)?;
        let mut line = [0; MAX_REQUEST];
        let refusal = match recv(socket, &mut line, RecvFlags::PEEK) {
            Err(Errno::AGAIN | Errno::INTR) => return None,
            Err(_) | Ok((_, 0)) => None,
            Ok((_, length)) => match line[..length].iter().position(|&byte| byte == b'\n') {
                None if length < MAX_REQUEST => return None,
                None => Some("request line too long".to_owned()),
                Some(end) => match Attach::parse(&line[..end]) {
                    Err(error) => Some(error.to_string()),
                    Ok(attach) => {
                        let _ = recv(socket, &mut line[..=end], RecvFlags::empty());
                        poll.remove(socket);
                        return self.waiting.remove(&number).map(|socket| (socket, attach));
                    }
                },
            },
        };
        let socket = self.waiting.remove(&number)?;
        if let Some(refusal) = refusal {
            refuse(&socket, &refusal);
        }
        None
    }

    /// Closes descriptors: in a forked child.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
    }
}

/// Tells a client why it gets nothing.
pub(crate) fn refuse(socket: &OwnedFd, why: &str) {
    let line = format!("error: {}\n", why.replace('\n', " "));
    let _ = rustix::io::write(socket, line.as_bytes());
}
