//! A connection over TLS to a syslog server, made and used without waiting; only the first one, before the container
//! runs, is waited for.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tierce_tls::{Authorities, ClientConfig, ClientConnection, Identity, ServerName, Trust};

use super::transport::{PATIENCE, connecting, resolve};
use crate::forward::Transport;

/// Reads at one time: a server that talks without end shall not keep the shim.
const ROUNDS: usize = 16;

/// Who is trusted and who we are, by PEM files; what is not given is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// An authority that is trusted besides those of this machine.
    pub authority: PathBuf,
    /// Our certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Anybody is trusted.
    pub anybody: bool,
}

impl Files {
    fn config(&self) -> Result<ClientConfig, tierce_tls::Error> {
        let given = |path: &Path| !path.as_os_str().is_empty();
        let trust = if self.anybody {
            Trust::Anybody
        } else {
            let (mut authorities, _unread) = Authorities::of_this_machine();
            if given(&self.authority) {
                authorities.add(&self.authority)?;
            }
            Trust::In(authorities)
        };
        let identity = if given(&self.certificate) || given(&self.key) {
            Some(Identity::read(&self.certificate, &self.key)?)
        } else {
            None
        };
        tierce_tls::client(trust, identity)
    }
}

/// A server that is spoken to over TLS.
pub(super) struct Secured {
    peer: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    link: Option<Link>,
}

/// One connection to it.
struct Link {
    socket: TcpStream,
    session: ClientConnection,
    /// The message that waits is in the session already, in part or whole.
    taken: bool,
    made: Instant,
}

impl Secured {
    /// Connects, and waits until both sides are content with each other; at most [`PATIENCE`] for each of the two.
    pub(super) fn open(host: &str, files: &Files) -> io::Result<Self> {
        let config = Arc::new(files.config().map_err(io::Error::other)?);
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
        let peer = resolve(host)?;
        let socket = TcpStream::connect_timeout(&peer, PATIENCE)?;
        let mut link = Link::new(socket, &config, &name)?;
        link.shake_hands()?;
        link.socket.set_nonblocking(true)?;
        Ok(Self {
            peer,
            name,
            config,
            link: Some(link),
        })
    }
}

impl Transport for Secured {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let link = match &mut self.link {
            Some(link) => link,
            gone => {
                let socket = TcpStream::from(connecting(&self.peer)?);
                gone.insert(Link::new(socket, &self.config, &self.name)?)
            }
        };
        let sent = link.send(message);
        if let Err(error) = &sent
            && error.kind() != io::ErrorKind::WouldBlock
        {
            self.link = None;
        }
        sent
    }
}

impl Link {
    fn new(socket: TcpStream, config: &Arc<ClientConfig>, name: &ServerName<'static>) -> io::Result<Self> {
        let mut session = ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
        // There is one message in it at most, of whatever length.
        session.set_buffer_limit(None);
        Ok(Self {
            socket,
            session,
            taken: false,
            made: Instant::now(),
        })
    }

    /// How long the handshake may still take.
    ///
    /// # Errors
    /// `TimedOut`: a server that takes part in none is as good as gone, though TCP does not say so.
    fn time_left(&self) -> io::Result<Duration> {
        let left = PATIENCE.checked_sub(self.made.elapsed());
        left.filter(|left| !left.is_zero()).ok_or_else(|| {
            let text = format!("no TLS handshake within {} seconds", PATIENCE.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, text)
        })
    }

    /// Waits for the handshake.
    fn shake_hands(&mut self) -> io::Result<()> {
        while self.session.is_handshaking() {
            let left = self.time_left()?;
            self.socket.set_read_timeout(Some(left))?;
            self.socket.set_write_timeout(Some(left))?;
            let step = self.write_out().and_then(|()| self.take_in());
            match step {
                // The time is up, which the next round says.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                step => step?,
            }
        }
        self.write_out()
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if !self.taken {
            self.advance()?;
            self.session.writer().write_all(message)?;
            self.taken = true;
        }
        // What the server says is looked at before the next one: this one is told once.
        self.write_out()?;
        self.taken = false;
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.socket).map_err(not_yet)?;
        }
        Ok(())
    }

    /// Goes on with the handshake until it is over, and takes in what the server says; `WouldBlock`: it is not over, yet.
    fn advance(&mut self) -> io::Result<()> {
        for _ in 0..ROUNDS {
            self.write_out()?;
            match self.take_in() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                outcome => outcome?,
            }
        }
        if self.session.is_handshaking() {
            self.time_left()?;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }

    /// Reads once. A syslog server has nothing to say but what belongs to TLS; that it hangs up is seen here.
    fn take_in(&mut self) -> io::Result<()> {
        if self.session.read_tls(&mut self.socket).map_err(not_yet)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let state = self.session.process_new_packets().map_err(io::Error::other)?;
        if state.peer_has_closed() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut said = vec![0; state.plaintext_bytes_to_read()];
        self.session.reader().read_exact(&mut said)
    }
}

/// A connection that does not stand yet is one that would block.
fn not_yet(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotConnected {
        return io::ErrorKind::WouldBlock.into();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_server_that_takes_part_in_no_handshake_is_gone_after_a_while() {
        // The queue of the listener takes the connection, and nobody ever serves it.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let config = Arc::new(tierce_tls::client(Trust::Anybody, None).unwrap());
        let mut link = Link::new(socket, &config, &ServerName::try_from("127.0.0.1").unwrap()).unwrap();
        assert_eq!(link.send(b"x").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        link.made = Instant::now().checked_sub(PATIENCE).unwrap();
        assert_eq!(link.send(b"x").unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
