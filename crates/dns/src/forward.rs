//! Questions for other servers.
//!
//! Servers are asked in their order. The next is asked when the one before fails, or has not answered for a while; the
//! first good answer of any of them counts. Each question goes from a socket of its own to one server, so that nobody
//! else can answer it without knowing its port and number.

use crate::message::{self, Code, Query};
use crate::namespace::Namespace;
use crate::protocol::Upstream;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// After this silence the next server is asked, too.
const IMPATIENCE: Duration = Duration::from_millis(1500);
/// So long an answer is waited for; resolvers of C libraries give up after five seconds.
const PATIENCE: Duration = Duration::from_secs(4);
/// Longest message by UDP that anybody sends.
const LONGEST_UDP: usize = 4096;

/// Where questions go.
#[derive(Debug)]
pub(crate) struct Upstreams {
    pub(crate) servers: Vec<Upstream>,
    pub(crate) sandbox: Arc<Namespace>,
    pub(crate) home: Arc<Namespace>,
}

/// How the client asked, and what it can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// At most this many bytes.
    Udp(usize),
    Tcp,
}

impl Upstreams {
    /// Asks, and gives the answer for the client.
    pub(crate) async fn ask(self: &Arc<Self>, query: &Query, message: &[u8], transport: Transport) -> Vec<u8> {
        let mut attempts = JoinSet::new();
        let mut failed = None;
        let mut servers = self.servers.iter().copied();
        loop {
            let next = servers.next();
            if let Some(server) = next {
                let (upstreams, message) = (Arc::clone(self), message.to_vec());
                attempts.spawn(async move { timeout(PATIENCE, upstreams.attempt(server, &message, transport)).await });
            } else if attempts.is_empty() {
                return failed.unwrap_or_else(|| query.failure(Code::ServerFailure));
            }
            // With nobody left to ask there is no reason to hurry.
            let wait = if next.is_some() { IMPATIENCE } else { PATIENCE };
            match timeout(wait, attempts.join_next()).await {
                Ok(Some(Ok(Ok(Ok(answer))))) if !answer.failed => return answer.message,
                Ok(Some(Ok(Ok(Ok(answer))))) => failed = failed.or(Some(answer.message)),
                _ => {}
            }
        }
    }

    async fn attempt(&self, server: Upstream, message: &[u8], transport: Transport) -> io::Result<Answered> {
        let mut question = message.to_vec();
        let mut number = [0; 2];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        question[..2].copy_from_slice(&number);
        let mut answer = match transport {
            Transport::Tcp => self.by_tcp(server, &question).await?,
            Transport::Udp(longest) => {
                let mut answer = self.by_udp(server, &question).await?;
                // Some clients never ask again by TCP; what is longer only by the server's opinion may fit.
                if message::judge(&question, &answer).is_some_and(|judged| judged.cut)
                    && let Ok(whole) = self.by_tcp(server, &question).await
                {
                    answer = whole;
                }
                if answer.len() > longest {
                    answer = message::cut(&question, &answer);
                }
                answer
            }
        };
        let judged = message::judge(&question, &answer).ok_or_else(no_answer)?;
        answer[..2].copy_from_slice(&message[..2]);
        Ok(Answered {
            message: answer,
            failed: judged.failed,
        })
    }

    fn place(&self, server: Upstream) -> &Namespace {
        if server.from_host { &self.home } else { &self.sandbox }
    }

    async fn by_udp(&self, server: Upstream, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = self.place(server).make(&self.home, || {
            let socket = std::net::UdpSocket::bind((any(server.address), 0))?;
            socket.connect(server.address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        let socket = UdpSocket::from_std(socket)?;
        socket.send(question).await?;
        let mut buffer = vec![0; LONGEST_UDP];
        loop {
            let length = socket.recv(&mut buffer).await?;
            // Others may guess the port, and not the number.
            if message::judge(question, &buffer[..length]).is_some() {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    }

    async fn by_tcp(&self, server: Upstream, question: &[u8]) -> io::Result<Vec<u8>> {
        let socket = self.place(server).make(&self.home, || match server.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        })?;
        let mut stream = socket.connect(server.address).await?;
        stream.write_all(&framed(question)).await?;
        let mut length = [0; 2];
        stream.read_exact(&mut length).await?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).await?;
        if message::judge(question, &answer).is_none() {
            return Err(no_answer());
        }
        Ok(answer)
    }
}

struct Answered {
    message: Vec<u8>,
    failed: bool,
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no answer to the question")
}

/// The unspecified address of the same family.
fn any(address: SocketAddr) -> IpAddr {
    match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A message as TCP carries it, its length first (RFC 1035, 4.2.2).
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(&message[..usize::from(length)]);
    framed
}
