//! The one relay of the daemon: carries to a container what the packet filter cannot, that is connections to a
//! published IPv6 address of a container that has only IPv4, and everything while the packet filter is off.
//!
//! One thread, one epoll. The sockets stay in a table that callers share with the thread, so that withdrawing a port
//! closes its socket before the call returns. TCP connections and UDP sessions belong to the thread alone.

mod stream;
mod thread;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use super::Held;
use super::nat::Targets;
use crate::Error;
use crate::request::Protocol;

/// Token of the eventfd that wakes the thread; listeners and connections count up from 1.
const WAKE: u64 = 0;

/// Handle of the relay.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    shared: OnceLock<Arc<Shared>>,
    /// Ports that are held without being served.
    starting: Mutex<()>,
}

/// What callers and the thread share.
#[derive(Debug)]
struct Shared {
    epoll: OwnedFd,
    wake: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_token: u64,
    listeners: HashMap<u64, Listener>,
    /// Those of each container.
    tokens: HashMap<String, Vec<u64>>,
    /// Containers whose connections the thread shall drop.
    gone: Vec<String>,
    stop: bool,
}

#[derive(Debug)]
struct Listener {
    container: String,
    host: IpAddr,
    socket: OwnedFd,
    protocol: Protocol,
    targets: Targets,
    /// The port inside.
    port: u16,
}

impl Listener {
    /// Where a client is led. A socket of both families has clients of both; each goes to the container's address of its
    /// own family, where there is one.
    fn target(&self, client: IpAddr) -> Option<SocketAddr> {
        let host = match client.to_canonical() {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => self.host,
        };
        Some(SocketAddr::new(self.targets.for_relay(host)?, self.port))
    }
}

impl Relay {
    /// Serves (and thereby holds) a container's sockets. The thread starts with the first of them.
    pub(crate) fn serve(&self, container: &str, targets: Targets, sockets: Vec<Held>) -> Result<(), Error> {
        if sockets.is_empty() {
            return Ok(());
        }
        let shared = self.start()?;
        let mut state = shared.lock();
        for held in sockets {
            if targets.for_relay(held.published.address).is_none() {
                continue;
            }
            let listener = Listener {
                container: container.to_owned(),
                host: held.published.address,
                socket: held.socket,
                protocol: held.published.port.protocol,
                targets,
                port: held.published.port.number,
            };
            state.next_token += 1;
            let token = state.next_token;
            // SCTP is held, not relayed: streams cannot carry its messages.
            if listener.protocol != Protocol::Sctp {
                epoll::add(
                    &shared.epoll,
                    &listener.socket,
                    EventData::new_u64(token),
                    EventFlags::IN,
                )
                .map_err(|cause| Error::file("watch", "relay socket", cause))?;
            }
            state.listeners.insert(token, listener);
            state.tokens.entry(container.to_owned()).or_default().push(token);
        }
        Ok(())
    }

    /// The container has other addresses. Its sockets stay; connections to the old ones end.
    pub(crate) fn retarget(&self, container: &str, targets: Targets) {
        let Some(shared) = self.shared.get() else { return };
        let mut state = shared.lock();
        let State { listeners, tokens, .. } = &mut *state;
        for token in tokens.get(container).into_iter().flatten() {
            if let Some(listener) = listeners.get_mut(token) {
                listener.targets = targets;
            }
        }
        state.gone.push(container.to_owned());
        shared.wake();
    }

    /// Closes a container's sockets at once, and its connections soon.
    pub(crate) fn withdraw(&self, container: &str) {
        let Some(shared) = self.shared.get() else { return };
        let mut state = shared.lock();
        let Some(tokens) = state.tokens.remove(container) else {
            return;
        };
        for token in tokens {
            state.listeners.remove(&token);
        }
        state.gone.push(container.to_owned());
        shared.wake();
    }

    fn start(&self) -> Result<&Arc<Shared>, Error> {
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = self.shared.get() {
            return Ok(shared);
        }
        let failed = |cause: rustix::io::Errno| Error::file("start", "port relay", cause);
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(failed)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN).map_err(failed)?;
        let shared = Arc::new(Shared {
            epoll,
            wake,
            state: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("port-relay".to_owned())
            .spawn(move || thread::run(&theirs))
            .map_err(|cause| Error::file("start", "port relay", cause))?;
        Ok(self.shared.get_or_init(|| shared))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.get() {
            let mut state = shared.lock();
            state.stop = true;
            state.listeners.clear();
            shared.wake();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // A full counter means that the thread is woken already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}
