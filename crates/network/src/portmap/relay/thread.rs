//! The relay's thread: waits for all sockets, moves what is there.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::stream::Stream;
use super::{Shared, WAKE};
use crate::request::Protocol;

/// A UDP session without traffic ends after this.
const SESSION_IDLE: Duration = Duration::from_secs(90);
/// How many sessions and connections together; beyond, new ones are refused.
const MOST: usize = 16 * 1024;
/// Datagrams taken from one socket before the others have their turn.
const BURST: usize = 64;

/// Replies to one client of a UDP port.
#[derive(Debug)]
struct Session {
    container: String,
    listener: u64,
    client: SocketAddr,
    socket: OwnedFd,
    used: Instant,
}

#[derive(Debug, Default)]
struct Served {
    streams: HashMap<u64, Stream>,
    /// The target's side of a stream has a token of its own.
    target_tokens: HashMap<u64, u64>,
    sessions: HashMap<u64, Session>,
    clients: HashMap<(u64, SocketAddr), u64>,
}

/// Runs until the relay is dropped.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut served = Served::default();
    let mut events: Vec<Event> = Vec::with_capacity(256);
    loop {
        events.clear();
        let patience = Timespec { tv_sec: 30, tv_nsec: 0 };
        match epoll::wait(&shared.epoll, spare_capacity(&mut events), Some(&patience)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "port relay cannot wait and ends");
                return;
            }
        }
        for event in &events {
            let data = event.data;
            match data.u64() {
                WAKE => {
                    if !served.heed(shared) {
                        return;
                    }
                }
                token => served.ready(shared, token),
            }
        }
        if events.is_empty() {
            served.forget_sessions(|session| session.used.elapsed() > SESSION_IDLE);
        }
    }
}

impl Served {
    /// Does what callers asked; `false`: stop.
    fn heed(&mut self, shared: &Shared) -> bool {
        let _ = rustix::io::read(&shared.wake, &mut [0u8; 8]);
        let mut state = shared.lock();
        let gone = std::mem::take(&mut state.gone);
        let go_on = !state.stop;
        drop(state);
        self.streams.retain(|_, stream| !gone.contains(&stream.container));
        let streams = &self.streams;
        self.target_tokens.retain(|_, stream| streams.contains_key(stream));
        self.forget_sessions(|session| gone.contains(&session.container));
        go_on
    }

    fn forget_sessions(&mut self, mut over: impl FnMut(&Session) -> bool) {
        self.sessions.retain(|_, session| !over(session));
        let sessions = &self.sessions;
        self.clients.retain(|_, session| sessions.contains_key(session));
    }

    fn ready(&mut self, shared: &Shared, token: u64) {
        let stream = self.target_tokens.get(&token).copied().unwrap_or(token);
        if self.streams.contains_key(&stream) {
            self.pump(shared, stream);
        } else if self.sessions.contains_key(&token) {
            self.answer(shared, token);
        } else {
            self.accept(shared, token);
        }
    }

    fn accept(&mut self, shared: &Shared, token: u64) {
        let state = shared.lock();
        let Some(listener) = state.listeners.get(&token) else {
            return;
        };
        let container = listener.container.clone();
        match listener.protocol {
            Protocol::Tcp => {
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                let Ok((client, Some(from))) = rustix::net::acceptfrom_with(&listener.socket, flags) else {
                    return;
                };
                // One that nothing leads to the container for is hung up on.
                let from = SocketAddr::try_from(from).ok();
                let Some(target) = from.and_then(|from| listener.target(from.ip())) else {
                    return;
                };
                drop(state);
                if let Err(error) = self.open_stream(shared, container, client, target) {
                    tracing::debug!(%error, %target, "port relay refuses a connection");
                }
            }
            Protocol::Udp => {
                let mut datagrams = Vec::new();
                let mut buffer = vec![0u8; 65_535];
                while datagrams.len() < BURST {
                    let received = rustix::net::recvfrom(&listener.socket, &mut buffer[..], RecvFlags::empty());
                    let Ok((length, _, Some(from))) = received else { break };
                    let Ok(from) = SocketAddr::try_from(from) else { continue };
                    if let Some(target) = listener.target(from.ip()) {
                        datagrams.push((from, target, buffer[..length].to_vec()));
                    }
                }
                drop(state);
                for (client, target, bytes) in datagrams {
                    if let Err(error) = self.send_on(shared, token, &container, client, target, &bytes) {
                        tracing::debug!(%error, %target, "port relay drops a datagram");
                    }
                }
            }
            Protocol::Sctp => {}
        }
    }

    fn open_stream(
        &mut self,
        shared: &Shared,
        container: String,
        client: OwnedFd,
        to: SocketAddr,
    ) -> rustix::io::Result<()> {
        if self.streams.len() + self.sessions.len() >= MOST {
            return Err(Errno::MFILE);
        }
        let target = connect(SocketType::STREAM, to)?;
        let (token, target_token) = (next_token(shared), next_token(shared));
        epoll::add(&shared.epoll, &client, EventData::new_u64(token), EventFlags::IN)?;
        epoll::add(&shared.epoll, &target, EventData::new_u64(target_token), EventFlags::IN)?;
        self.streams
            .insert(token, Stream::new(container, client, target, target_token));
        self.target_tokens.insert(target_token, token);
        self.pump(shared, token);
        Ok(())
    }

    fn pump(&mut self, shared: &Shared, token: u64) {
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        let target_token = stream.target_token;
        let alive = stream.pump()
            && stream
                .interest()
                .into_iter()
                .zip([token, target_token])
                .all(|((socket, flags), token)| {
                    epoll::modify(&shared.epoll, socket, EventData::new_u64(token), flags).is_ok()
                });
        if !alive {
            self.streams.remove(&token);
            self.target_tokens.remove(&target_token);
        }
    }

    fn send_on(
        &mut self,
        shared: &Shared,
        listener: u64,
        container: &str,
        client: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> rustix::io::Result<()> {
        let token = match self.clients.get(&(listener, client)) {
            Some(token) => *token,
            None if self.streams.len() + self.sessions.len() >= MOST => return Err(Errno::MFILE),
            None => {
                let socket = connect(SocketType::DGRAM, to)?;
                let token = next_token(shared);
                epoll::add(&shared.epoll, &socket, EventData::new_u64(token), EventFlags::IN)?;
                let container = container.to_owned();
                self.sessions.insert(
                    token,
                    Session {
                        container,
                        listener,
                        client,
                        socket,
                        used: Instant::now(),
                    },
                );
                self.clients.insert((listener, client), token);
                token
            }
        };
        if let Some(session) = self.sessions.get_mut(&token) {
            session.used = Instant::now();
            rustix::net::send(&session.socket, bytes, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }

    /// Datagrams of the container go back to the client, from the published address.
    fn answer(&mut self, shared: &Shared, token: u64) {
        let Some(session) = self.sessions.get_mut(&token) else {
            return;
        };
        session.used = Instant::now();
        let mut buffer = vec![0u8; 65_535];
        let state = shared.lock();
        let Some(listener) = state.listeners.get(&session.listener) else {
            return;
        };
        for _ in 0..BURST {
            // An error here is the container's refusal (ICMP); reading it clears it.
            let Ok((length, _)) = rustix::net::recv(&session.socket, &mut buffer[..], RecvFlags::empty()) else {
                break;
            };
            let _ = rustix::net::sendto(
                listener.socket.as_fd(),
                &buffer[..length],
                SendFlags::NOSIGNAL,
                &session.client,
            );
        }
    }
}

fn connect(kind: SocketType, to: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if to.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

fn next_token(shared: &Shared) -> u64 {
    let mut state = shared.lock();
    state.next_token += 1;
    state.next_token
}
