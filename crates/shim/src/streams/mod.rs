//! The standard streams of one process: from its pipes or terminal to the log and to everybody attached, and back.
//!
//! ```text
//!  process ──pipe/terminal──> Source ──┬──> log driver
//!                                      └──> Peer (client, FIFO), Peer …      each with a queue
//!  process <──pipe/terminal── Stdin <───── Peer …
//! ```
//! A peer that does not take its output holds the sources up once [`CLIENT_BUFFER`] bytes wait for it; input that the
//! process does not take holds the peers up; a log driver that sends, and cannot, holds the sources up. After the process
//! has ended what its pipes still hold is taken at once: that is bounded, and its exit shall not wait for a slow client.

pub(crate) mod ends;
pub(crate) mod fifo;
mod peer;
mod stdin;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Instant, SystemTime};

use rustix::io::Errno;
use tierce_logs::{Compression, Driver};
use tierce_task::attach::{CLIENT_BUFFER, Stream};

use crate::poll::{EventFlags, Poll, Token};
use ends::Ends;
pub(crate) use peer::Role;
use peer::{Input, Peer};
use stdin::Stdin;

/// Bytes read at once.
pub(crate) const BUFFER: usize = 64 * 1024;
/// Reads of one source before the others have their turn.
const ROUNDS: usize = 16;
/// Reads of a source after the end of its process: a full pipe of the largest size, then others may hold it.
const LAST_ROUNDS: usize = 64;

/// An output of the process.
#[derive(Debug)]
struct Source {
    fd: OwnedFd,
    watched: bool,
}

/// See the module's description.
pub(crate) struct Streams {
    process: u32,
    terminal: bool,
    /// Input ends with the first peer that gave it.
    stdin_once: bool,
    stdin: Stdin,
    /// Input ends when everything that peers have sent was handed over.
    closing_stdin: bool,
    sources: [Option<Source>; 2],
    log: Option<Box<dyn Driver>>,
    peers: BTreeMap<u32, Peer>,
    next_peer: u32,
    /// The process had its streams.
    opened: bool,
    /// The process has ended.
    ended: bool,
    /// Nothing was left to read after it had ended.
    drained: bool,
}

impl Streams {
    pub(crate) fn new(process: u32, terminal: bool, stdin_once: bool, log: Option<Box<dyn Driver>>) -> Self {
        Self {
            process,
            terminal,
            stdin_once,
            stdin: Stdin::new(Token::Stdin(process)),
            closing_stdin: false,
            sources: [None, None],
            log,
            peers: BTreeMap::new(),
            next_peer: 0,
            opened: false,
            ended: false,
            drained: false,
        }
    }

    pub(crate) fn has_terminal(&self) -> bool {
        self.terminal
    }

    /// Descriptor of the terminal, to set its size.
    pub(crate) fn terminal(&self) -> Option<&OwnedFd> {
        self.sources[0]
            .as_ref()
            .filter(|_| self.terminal)
            .map(|source| &source.fd)
    }

    /// Adds somebody. Output from now on goes there too.
    pub(crate) fn add_peer(&mut self, poll: &Poll, fd: OwnedFd, role: Role) {
        self.next_peer += 1;
        let mut peer = Peer::new(fd, Token::Peer(self.process, self.next_peer), role);
        peer.watch(poll, self.stdin.accepts());
        self.peers.insert(self.next_peer, peer);
        self.tidy(poll);
    }

    /// The process has been made: these are our ends of its streams.
    pub(crate) fn open(&mut self, poll: &Poll, ends: Ends) {
        for (index, fd) in ends.outputs.into_iter().enumerate() {
            self.sources[index] = fd.map(|fd| {
                let watched = poll
                    .add(&fd, Token::Source(self.process, index as u32), EventFlags::IN)
                    .is_ok();
                Source { fd, watched }
            });
        }
        if let Some(fd) = ends.stdin {
            self.stdin.open(poll, fd);
        }
        if self.closing_stdin {
            self.finish_stdin(poll, &mut Vec::new());
        }
        self.opened = true;
        self.tidy(poll);
    }

    /// A source is readable, or its other end is closed. Gives whether a flood is under way.
    pub(crate) fn on_source(&mut self, poll: &Poll, index: u32, buffer: &mut Vec<u8>) -> bool {
        let flood = self.pump(poll, index as usize, buffer, ROUNDS);
        self.tidy(poll);
        flood
    }

    /// The process takes input again.
    pub(crate) fn on_stdin(&mut self, poll: &Poll) {
        self.stdin.flush(poll);
        if self.closing_stdin {
            self.finish_stdin(poll, &mut Vec::new());
        }
        self.tidy(poll);
    }

    /// A peer has input, takes output, or hangs up.
    pub(crate) fn on_peer(&mut self, poll: &Poll, number: u32, flags: EventFlags, buffer: &mut Vec<u8>) {
        buffer.resize(BUFFER, 0);
        let Some(peer) = self.peers.get_mut(&number) else {
            return;
        };
        if flags.contains(EventFlags::OUT) {
            peer.flush();
        }
        let hung_up = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        if flags.contains(EventFlags::IN) || hung_up {
            self.read_peer(poll, number, buffer);
            if self.closing_stdin {
                self.finish_stdin(poll, buffer);
            }
        }
        if let Some(peer) = self.peers.get_mut(&number)
            && hung_up
            && !peer.role().lasting
            && (peer.input_is_done() || flags.contains(EventFlags::ERR))
        {
            peer.hang_up();
        }
        self.tidy(poll);
    }

    /// Hands on what a peer gives, as far as the process takes it; gives whether there may be more.
    fn read_peer(&mut self, poll: &Poll, number: u32, buffer: &mut [u8]) -> bool {
        let Some(peer) = self.peers.get_mut(&number) else {
            return false;
        };
        for _ in 0..ROUNDS {
            if peer.role().stdin && !self.stdin.accepts() && !self.stdin.is_over() {
                return true;
            }
            match peer.read(buffer) {
                Input::Bytes(count) if peer.role().stdin => self.stdin.put(poll, &buffer[..count]),
                Input::Bytes(_) => {}
                Input::Nothing => return false,
                Input::End => {
                    if peer.role().stdin && self.stdin_once && !self.terminal {
                        self.stdin.close(poll);
                    }
                    return false;
                }
            }
        }
        true
    }

    /// Closes standard input after everything that peers have sent up to now.
    pub(crate) fn close_stdin(&mut self, poll: &Poll, buffer: &mut Vec<u8>) {
        self.closing_stdin = true;
        self.finish_stdin(poll, buffer);
        self.tidy(poll);
    }

    /// Closes it if nothing is left of what was sent; otherwise that is to be tried again when the process takes more.
    fn finish_stdin(&mut self, poll: &Poll, buffer: &mut Vec<u8>) {
        buffer.resize(BUFFER, 0);
        let givers = self.peers.iter().filter(|(_, peer)| peer.role().stdin);
        let numbers: Vec<u32> = givers.map(|(number, _)| *number).collect();
        let mut more = false;
        for number in numbers {
            more |= self.read_peer(poll, number, buffer);
        }
        if !more {
            self.closing_stdin = false;
            self.stdin.close(poll);
        }
    }

    /// The process has ended: takes what its pipes still hold.
    pub(crate) fn process_ended(&mut self, poll: &Poll, buffer: &mut Vec<u8>) {
        self.ended = true;
        self.stdin.abandon(poll);
        for index in 0..2 {
            self.pump(poll, index, buffer, LAST_ROUNDS);
        }
        self.drained = true;
        self.tidy(poll);
    }

    /// Nobody shall write any more: what others that inherited the outputs may write is not waited for.
    pub(crate) fn close_sources(&mut self, poll: &Poll) {
        for index in 0..2 {
            self.close_source(poll, index);
        }
        self.tidy(poll);
    }

    /// Everything the process wrote was logged and given to its peers.
    pub(crate) fn is_drained(&self) -> bool {
        self.drained || !self.opened
    }

    /// Its outputs are closed.
    pub(crate) fn is_finished(&self) -> bool {
        self.sources.iter().all(Option::is_none)
    }

    /// Somebody still has output to take.
    pub(crate) fn has_undelivered(&self) -> bool {
        self.peers
            .values()
            .any(|peer| peer.queued() > 0 && !peer.role().lasting)
    }

    /// Sends on what waits in the log; gives its output to the log again if that held it up.
    pub(crate) fn flush_log(&mut self, poll: &Poll, now: Instant) {
        if let Some(log) = self.log.as_mut().filter(|log| log.retry_at().is_some()) {
            log.flush(now);
            self.tidy(poll);
        }
    }

    /// When that is to be done.
    pub(crate) fn log_retry_at(&self) -> Option<Instant> {
        self.log.as_ref()?.retry_at()
    }

    /// Work that a log rotation has left behind.
    pub(crate) fn take_compression(&mut self) -> Option<Compression> {
        self.log.as_mut()?.take_compression()
    }

    /// Closes all descriptors: in a forked child, which must not keep the streams of others open.
    pub(crate) fn forget(&mut self) {
        self.peers.clear();
        self.sources = [None, None];
        self.stdin = Stdin::new(Token::Stdin(self.process));
        self.log = None;
    }

    /// Takes what a source has; gives whether it once filled the whole buffer.
    fn pump(&mut self, poll: &Poll, index: usize, buffer: &mut Vec<u8>, rounds: usize) -> bool {
        buffer.resize(BUFFER, 0);
        let mut flood = false;
        let stream = if index == 0 { Stream::Stdout } else { Stream::Stderr };
        for _ in 0..rounds {
            if self.is_held_up() {
                break;
            }
            let Some(source) = &self.sources[index] else { break };
            match rustix::io::read(&source.fd, &mut buffer[..]) {
                Ok(0) => {
                    self.close_source(poll, index);
                    break;
                }
                Ok(count) => {
                    flood |= count == BUFFER;
                    self.deliver(stream, &buffer[..count]);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                // EIO: the last holder of the terminal has closed it.
                Err(_) => {
                    self.close_source(poll, index);
                    break;
                }
            }
        }
        flood
    }

    fn deliver(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(log) = &mut self.log {
            let name = match stream {
                Stream::Stdout => tierce_logs::Stream::Stdout,
                Stream::Stderr => tierce_logs::Stream::Stderr,
            };
            log.write(name, bytes, SystemTime::now());
        }
        for peer in self.peers.values_mut() {
            peer.send(stream, bytes);
        }
    }

    fn close_source(&mut self, poll: &Poll, index: usize) {
        let Some(source) = self.sources[index].take() else {
            return;
        };
        poll.remove(&source.fd);
        if let Some(log) = &mut self.log {
            let stream = [tierce_logs::Stream::Stdout, tierce_logs::Stream::Stderr][index];
            log.finish(stream, SystemTime::now());
        }
    }

    fn is_held_up(&self) -> bool {
        let limit = if self.ended {
            CLIENT_BUFFER + LAST_ROUNDS * BUFFER
        } else {
            CLIENT_BUFFER
        };
        let full = !self.ended && self.log.as_ref().is_some_and(|log| log.is_full());
        full || self.peers.values().any(|peer| peer.queued() >= limit)
    }

    /// Brings what is watched in line with what can be done, and lets go of peers that are done.
    fn tidy(&mut self, poll: &Poll) {
        let over = self.ended && self.is_finished();
        self.peers.retain(|_, peer| {
            let done = peer.is_gone() || (over && peer.queued() == 0);
            if done {
                peer.hang_up();
                peer.watch(poll, false);
            }
            !done
        });
        let held_up = self.is_held_up();
        for (index, source) in self.sources.iter_mut().enumerate() {
            let Some(source) = source else { continue };
            if source.watched && held_up {
                // Removed, not modified: a closed pipe would be reported all the time.
                poll.remove(&source.fd);
                source.watched = false;
            } else if !source.watched && !held_up {
                source.watched = poll
                    .add(&source.fd, Token::Source(self.process, index as u32), EventFlags::IN)
                    .is_ok();
            }
        }
        let accepting = self.stdin.accepts() || self.stdin.is_over();
        for peer in self.peers.values_mut() {
            peer.watch(poll, accepting);
        }
    }
}
