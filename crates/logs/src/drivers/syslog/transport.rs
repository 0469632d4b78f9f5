//! Sockets to syslog servers.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

use super::secured::{Files, Secured};
use crate::error::{Error, Result};
use crate::forward::Transport;

/// How long a server may take to accept, when the container starts.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Where servers of this machine listen.
const LOCAL: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// Where a server listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// Wherever servers of this machine do.
    #[default]
    Local,
    /// Host and port.
    Udp(String),
    /// Host and port.
    Tcp(String),
    /// Host and port, spoken to over TLS.
    Tls(String, Files),
    /// A socket of the stream kind.
    Unix(PathBuf),
    /// A socket of the datagram kind.
    UnixDatagram(PathBuf),
}

/// Connects to the server; whoever starts a container hears if that fails.
pub(super) fn connect(address: &Address) -> Result<Box<dyn Transport>> {
    let failed = |what: String| move |source: io::Error| Error::Syslog { address: what, source };
    Ok(match address {
        Address::Local => return local(),
        Address::Unix(path) => {
            let failed = failed(format!("unix://{}", path.display()));
            Box::new(Stream::open(Peer::Unix(path.clone())).map_err(failed)?)
        }
        Address::UnixDatagram(path) => {
            let failed = failed(format!("unixgram://{}", path.display()));
            Box::new(Datagram::open(path).map_err(failed)?)
        }
        Address::Udp(host) => {
            let open = || {
                let peer = resolve(host)?;
                let local: SocketAddr = if peer.is_ipv4() {
                    ([0; 4], 0).into()
                } else {
                    ([0_u16; 8], 0).into()
                };
                let socket = UdpSocket::bind(local)?;
                socket.set_nonblocking(true)?;
                socket.connect(peer)?;
                Ok(Udp { socket })
            };
            Box::new(open().map_err(failed(format!("udp://{host}")))?)
        }
        Address::Tcp(host) => {
            let open = || {
                let peer = resolve(host)?;
                // Whether anybody listens is worth to be known before the container runs.
                let stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
                stream.set_nonblocking(true)?;
                Ok(Stream::of(Peer::Tcp(peer), stream.into()))
            };
            Box::new(open().map_err(failed(format!("tcp://{host}")))?)
        }
        Address::Tls(host, files) => {
            let failed = failed(format!("tcp+tls://{host}"));
            Box::new(Secured::open(host, files).map_err(failed)?)
        }
    })
}

/// A socket that is being connected. Until it stands, writing to it says that it would block.
pub(super) fn connecting(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn resolve(host: &str) -> io::Result<SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    host.to_socket_addrs()?.next().ok_or_else(none)
}

fn local() -> Result<Box<dyn Transport>> {
    for path in LOCAL.map(Path::new) {
        if let Ok(datagram) = Datagram::open(path) {
            return Ok(Box::new(datagram));
        }
        if let Ok(stream) = Stream::open(Peer::Unix(path.to_owned())) {
            return Ok(Box::new(stream));
        }
    }
    Err(Error::NoSyslog)
}

/// A datagram that does not fit is cut to what does by nobody: it is given up.
fn of_datagram(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) {
        return io::ErrorKind::InvalidInput.into();
    }
    error
}

struct Udp {
    socket: UdpSocket,
}

impl Transport for Udp {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self.socket.send(message) {
            // The answer to an earlier one, which is lost as datagrams may be.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => self.socket.send(message).map(drop),
            other => other.map(drop),
        }
        .map_err(of_datagram)
    }
}

struct Datagram {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Datagram {
    fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(path)?;
        Ok(Self {
            path: path.to_owned(),
            socket: Some(socket),
        })
    }
}

impl Transport for Datagram {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if self.socket.is_none() {
            *self = Self::open(&self.path)?;
        }
        let Some(socket) = &self.socket else { return Ok(()) };
        let sent = socket.send(message).map(drop).map_err(of_datagram);
        if let Err(error) = &sent
            && !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput)
        {
            self.socket = None;
        }
        sent
    }
}

#[derive(Debug)]
enum Peer {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// A connection on which messages follow one another.
struct Stream {
    peer: Peer,
    connection: Option<std::fs::File>,
    /// The rest of a message that was not taken whole.
    rest: Vec<u8>,
}

impl Stream {
    fn of(peer: Peer, socket: OwnedFd) -> Self {
        Self {
            peer,
            connection: Some(socket.into()),
            rest: Vec::new(),
        }
    }

    fn open(peer: Peer) -> io::Result<Self> {
        let socket: OwnedFd = match &peer {
            Peer::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                stream.into()
            }
            Peer::Tcp(address) => connecting(address)?,
        };
        Ok(Self::of(peer, socket))
    }

    /// Writes the rest of an earlier message; `WouldBlock` while there is one.
    fn write_rest(&mut self) -> io::Result<()> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        while !self.rest.is_empty() {
            let count = connection.write(&self.rest)?;
            self.rest.drain(..count);
        }
        Ok(())
    }
}

impl Transport for Stream {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if self.connection.is_none() {
            let peer = match &self.peer {
                Peer::Unix(path) => Peer::Unix(path.clone()),
                Peer::Tcp(address) => Peer::Tcp(*address),
            };
            *self = Self::open(peer)?;
        }
        let sent = self.write_rest().and_then(|()| {
            let Some(connection) = &mut self.connection else {
                return Ok(());
            };
            let count = connection.write(message)?;
            self.rest.extend_from_slice(&message[count..]);
            Ok(())
        });
        match sent {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Err(error) => {
                // What was cut off is told anew on the next connection only as far as it is whole.
                self.connection = None;
                self.rest.clear();
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }
}
