//! The engine's side: starts the program where it does not run, and speaks to it.

use crate::Error;
use crate::protocol::{Join, Reply, Request, Served};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So long the program may take to begin, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of names for the containers of one engine.
#[derive(Debug)]
pub struct Client {
    program: PathBuf,
    socket: PathBuf,
    connection: Mutex<Option<BufReader<UnixStream>>>,
}

/// How the server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It runs, and was spoken to before by this client.
    Known,
    /// It runs since an engine before this one, or was started now: it must be told [`Client::everything`].
    New,
}

impl Client {
    /// One for the server at `socket`, of this program. Nothing is started yet.
    #[must_use]
    pub fn new(socket: &Path, program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            socket: socket.to_owned(),
            connection: Mutex::default(),
        }
    }

    /// Sees to it that the server runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn reach(&self) -> Result<Found, Error> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // A server that has died is noticed by its end of the connection.
        if let Some(open) = connection.as_ref()
            && !hung_up(open.get_ref())
        {
            return Ok(Found::Known);
        }
        if let Some(gone) = connection.take() {
            close(&gone);
        }
        let stream = match UnixStream::connect(&self.socket) {
            Ok(stream) => stream,
            Err(_) => self.start()?,
        };
        stream
            .set_read_timeout(Some(PATIENCE))
            .map_err(|cause| self.talk(cause))?;
        *connection = Some(BufReader::new(stream));
        Ok(Found::New)
    }

    /// Serves this container, too, or serves it as it is now.
    ///
    /// # Errors
    /// When the server has gone ([`Client::reach`] helps), or cannot do it.
    pub fn join(&self, join: &Join) -> Result<Option<u16>, Error> {
        let served = self.ask(&Request::Join(join.clone()))?;
        Ok(served.first().map(|served| served.port))
    }

    /// Serves these containers and no others; those that cannot be served are not in the answer.
    ///
    /// # Errors
    /// As for [`Client::join`].
    pub fn everything(&self, joins: Vec<Join>) -> Result<Vec<Served>, Error> {
        self.ask(&Request::Everything(joins))
    }

    /// Serves the container no more. Where no server runs there is nothing to do.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn leave(&self, container: &str) -> Result<(), Error> {
        if self.connection.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(());
        }
        self.ask(&Request::Leave(container.to_owned())).map(drop)
    }

    /// Tells a server that an engine before this one left that it serves nobody any more: it ends soon. Where none runs
    /// there is nothing to do.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn dismiss(&self) -> Result<(), Error> {
        let Ok(stream) = UnixStream::connect(&self.socket) else {
            return Ok(());
        };
        let told = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| exchange(&mut BufReader::new(stream), &Request::Everything(Vec::new())));
        told.map(drop).map_err(|cause| self.talk(cause))
    }

    /// The end of the server that was reached, to be waited for.
    pub fn end(&self) -> Option<End> {
        let open = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().and_then(|open| open.get_ref().try_clone().ok()).map(End)
    }

    fn ask(&self, request: &Request) -> Result<Vec<Served>, Error> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = || io::Error::from(io::ErrorKind::NotConnected);
        let open = connection.as_mut().ok_or_else(|| self.talk(lost()))?;
        match exchange(open, request) {
            Ok(Reply::Done(served)) => Ok(served),
            Ok(Reply::Failed(why)) => Err(Error::Refused(why)),
            Err(cause) => {
                // Whatever is in it now belongs to another question.
                close(open);
                *connection = None;
                Err(self.talk(cause))
            }
        }
    }

    /// Starts the program, which goes into the background when it listens, and outlives the engine.
    fn start(&self) -> Result<UnixStream, Error> {
        let fail = |cause| Error::Start {
            program: self.program.clone(),
            cause,
        };
        let output = Command::new(&self.program)
            .arg(&self.socket)
            .stdin(Stdio::null())
            .output()
            .map_err(fail)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(fail(io::Error::other(said.trim().to_owned())));
        }
        UnixStream::connect(&self.socket).map_err(fail)
    }

    fn talk(&self, cause: io::Error) -> Error {
        Error::Talk {
            socket: self.socket.clone(),
            cause,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let open = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.take() {
            close(&open);
        }
    }
}

/// The end of a server's connection: that of the server, or of its [`Client`].
#[derive(Debug)]
pub struct End(UnixStream);

impl End {
    /// Waits for it.
    pub fn wait(&self) {
        // Interrupted or not: whoever waits looks for themselves.
        let _ = poll(&mut [PollFd::new(&self.0, PollFlags::RDHUP)], None);
    }
}

/// Ends a connection for whoever waits for its end, too.
fn close(open: &BufReader<UnixStream>) {
    // The other side may have been first.
    let _ = open.get_ref().shutdown(Shutdown::Both);
}

fn exchange(open: &mut BufReader<UnixStream>, request: &Request) -> io::Result<Reply> {
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    open.get_mut().write_all(&text)?;
    let mut line = String::new();
    if open.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}

/// Whether the other end has gone.
fn hung_up(stream: &UnixStream) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(stream, PollFlags::RDHUP)], Some(&now)).is_ok_and(|count| count > 0)
}
