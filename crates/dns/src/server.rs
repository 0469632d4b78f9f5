//! The sandboxes that are served: sockets in each, and what happens to a question.

use crate::ADDRESS;
use crate::forward::{Transport, Upstreams, framed};
use crate::message::{Query, Unreadable};
use crate::namespace::Namespace;
use crate::protocol::Join;
use crate::table::{Found, Table};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// Questions of one container that are being forwarded; more are not answered, as Docker does.
const MOST_QUESTIONS: usize = 1024;
/// Other servers that a question may go to; more are left out.
const MOST_UPSTREAMS: usize = 4;
/// What part of the descriptors all questions together may hold, and one container's. One that asks without end must
/// leave sockets for the others.
const PART_OF_ALL: usize = 2;
const PART_OF_ONE: usize = 8;
/// Connections of one container.
const MOST_CONNECTIONS: usize = 64;
/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// How many ports are tried until one is free for both UDP and TCP.
const TRIES: usize = 16;
/// Longest question by UDP.
const LONGEST_QUESTION: usize = 4096;

/// All that is served.
#[derive(Debug)]
pub(crate) struct Server {
    home: Arc<Namespace>,
    /// Descriptors that the program may have.
    descriptors: usize,
    /// Questions that are being forwarded.
    questions: Semaphore,
    table: Mutex<Table>,
    sandboxes: Mutex<HashMap<String, Sandbox>>,
}

/// A sandbox with its sockets. Dropped, they are closed.
#[derive(Debug)]
struct Sandbox {
    path: PathBuf,
    port: u16,
    counter: Arc<Counter>,
    tasks: [JoinHandle<()>; 2],
}

/// Where the questions of one container are answered.
#[derive(Debug)]
struct Counter {
    container: String,
    namespace: Arc<Namespace>,
    asks: Mutex<Asks>,
    questions: Semaphore,
    connections: Arc<Semaphore>,
}

/// What may change while it is served.
#[derive(Debug, Clone)]
struct Asks {
    upstreams: Arc<Upstreams>,
    only_dotted: bool,
}

impl Server {
    /// One that serves nobody yet, and may have so many descriptors.
    pub(crate) fn new(descriptors: usize) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            home: Arc::new(Namespace::own()?),
            descriptors,
            questions: Semaphore::new(descriptors / MOST_UPSTREAMS / PART_OF_ALL),
            table: Mutex::default(),
            sandboxes: Mutex::default(),
        }))
    }

    /// Serves a container, or serves it as it is now. Gives its port, if it has a namespace.
    pub(crate) fn join(self: &Arc<Self>, join: &Join) -> io::Result<Option<u16>> {
        let port = match &join.namespace {
            Some(path) => Some(self.serve(join, path)?),
            None => None,
        };
        lock(&self.table).enter(join);
        Ok(port)
    }

    /// Serves a container no more.
    pub(crate) fn leave(&self, container: &str) {
        lock(&self.table).leave(container);
        lock(&self.sandboxes).remove(container);
    }

    /// Serves none but these.
    pub(crate) fn keep_only(&self, joins: &[Join]) {
        let known: Vec<String> = lock(&self.sandboxes).keys().cloned().collect();
        for container in known {
            if !joins.iter().any(|join| join.container == container) {
                self.leave(&container);
            }
        }
        *lock(&self.table) = Table::default();
    }

    /// Whether nobody is served.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.sandboxes).is_empty()
    }

    fn serve(self: &Arc<Self>, join: &Join, path: &PathBuf) -> io::Result<u16> {
        let mut sandboxes = lock(&self.sandboxes);
        if let Some(sandbox) = sandboxes.get(&join.container)
            && sandbox.path == *path
        {
            let asks = self.asks(join, &sandbox.counter.namespace);
            *lock(&sandbox.counter.asks) = asks;
            return Ok(sandbox.port);
        }
        let namespace = Arc::new(Namespace::open(path)?);
        let (udp, tcp) = namespace.make(&self.home, || bind(join.port))?;
        let port = udp.local_addr()?.port();
        let (udp, tcp) = (Arc::new(UdpSocket::from_std(udp)?), TcpListener::from_std(tcp)?);
        let counter = Arc::new(Counter {
            container: join.container.clone(),
            asks: Mutex::new(self.asks(join, &namespace)),
            namespace,
            questions: Semaphore::new((self.descriptors / MOST_UPSTREAMS / PART_OF_ONE).min(MOST_QUESTIONS)),
            connections: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
        });
        let tasks = [
            tokio::spawn(by_udp(Arc::clone(self), Arc::clone(&counter), udp)),
            tokio::spawn(by_tcp(Arc::clone(self), Arc::clone(&counter), tcp)),
        ];
        let sandbox = Sandbox {
            path: path.clone(),
            port,
            counter,
            tasks,
        };
        sandboxes.insert(join.container.clone(), sandbox);
        Ok(port)
    }

    fn asks(&self, join: &Join, sandbox: &Arc<Namespace>) -> Asks {
        Asks {
            upstreams: Arc::new(Upstreams {
                servers: join.upstreams.iter().copied().take(MOST_UPSTREAMS).collect(),
                sandbox: Arc::clone(sandbox),
                home: Arc::clone(&self.home),
            }),
            only_dotted: join.only_dotted,
        }
    }

    /// The answer to a message; nothing to what deserves none.
    async fn answer(&self, counter: &Counter, message: &[u8], by_tcp: bool) -> Option<Vec<u8>> {
        let query = match Query::parse(message) {
            Ok(query) => query,
            Err(Unreadable::Silent) => return None,
            Err(Unreadable::Answer(head, code)) => return Some(head.answer(code)),
        };
        let longest = if by_tcp { usize::from(u16::MAX) } else { query.udp_size };
        let found = lock(&self.table).find(&counter.container, &query.name, query.kind);
        match found {
            Found::Addresses(mut addresses) => {
                rotate(&mut addresses);
                Some(query.addresses(&addresses, longest))
            }
            Found::Name(name) => Some(query.pointer(&name, longest)),
            Found::Nothing => Some(query.nothing()),
            Found::Elsewhere => {
                let asks = lock(&counter.asks).clone();
                if asks.only_dotted && !query.name.contains('.') {
                    return Some(query.nothing());
                }
                let _own = counter.questions.try_acquire().ok()?;
                let _of_all = self.questions.try_acquire().ok()?;
                let transport = if by_tcp {
                    Transport::Tcp
                } else {
                    Transport::Udp(longest)
                };
                Some(asks.upstreams.ask(&query, message, transport).await)
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Sockets at this port, or at one that is free for both; in the namespace of the calling thread.
fn bind(port: Option<u16>) -> io::Result<(StdUdpSocket, StdTcpListener)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let udp = StdUdpSocket::bind((ADDRESS, port.unwrap_or(0)))?;
        match StdTcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port.is_none() && tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

async fn by_udp(server: Arc<Server>, counter: Arc<Counter>, socket: Arc<UdpSocket>) {
    let mut buffer = vec![0; LONGEST_QUESTION];
    // Answers that are under way end with the sandbox.
    let mut answers = JoinSet::new();
    loop {
        // Errors are those of clients that did not wait for their answers.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        while answers.try_join_next().is_some() {}
        let message = buffer[..length].to_vec();
        let (server, counter, socket) = (Arc::clone(&server), Arc::clone(&counter), Arc::clone(&socket));
        answers.spawn(async move { reply(&server, &counter, &socket, client, &message).await });
    }
}

async fn reply(server: &Server, counter: &Counter, socket: &UdpSocket, client: SocketAddr, message: &[u8]) {
    if let Some(answer) = server.answer(counter, message, false).await {
        // Whoever has gone wants no answer.
        let _ = socket.send_to(&answer, client).await;
    }
}

async fn by_tcp(server: Arc<Server>, counter: Arc<Counter>, listener: TcpListener) {
    let mut conversations = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: others must be closed first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while conversations.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&counter.connections).try_acquire_owned() else {
            continue;
        };
        let (server, counter) = (Arc::clone(&server), Arc::clone(&counter));
        conversations.spawn(async move {
            // A broken connection concerns its client only.
            let _ = converse(&server, &counter, stream).await;
            drop(permit);
        });
    }
}

/// One question after the other, until the client has no more.
async fn converse(server: &Server, counter: &Counter, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let mut length = [0; 2];
        timeout(IDLE, stream.read_exact(&mut length)).await??;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        timeout(IDLE, stream.read_exact(&mut message)).await??;
        let Some(answer) = server.answer(counter, &message, true).await else {
            return Ok(());
        };
        timeout(IDLE, stream.write_all(&framed(&answer))).await??;
    }
}

/// Begins at another address each time, so that clients that take the first are spread over all.
fn rotate(addresses: &mut [IpAddr]) {
    if addresses.len() < 2 {
        return;
    }
    let mut random = [0; 4];
    // Without randomness the order stays.
    if getrandom::fill(&mut random).is_ok() {
        addresses.rotate_left(u32::from_ne_bytes(random) as usize % addresses.len());
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
