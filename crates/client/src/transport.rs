//! How a connection comes about: a socket, TLS over one, or a command on another machine.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tierce_tls::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::endpoint::Ssh;
use crate::{Endpoint, Tls};

/// Bytes to and from a daemon.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Opens a connection.
pub(crate) async fn connect(endpoint: &Endpoint, tls: Option<&Tls>) -> io::Result<Box<dyn Stream>> {
    match endpoint {
        Endpoint::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Endpoint::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            // Keystrokes of an attached terminal must not wait for more.
            stream.set_nodelay(true)?;
            let Some(tls) = tls else {
                return Ok(Box::new(stream));
            };
            let name = ServerName::try_from(host.clone())
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?} is no host name")))?;
            Ok(Box::new(tls.connector().connect(name, stream).await?))
        }
        Endpoint::Ssh(remote) => Ok(Box::new(Remote::start(remote)?)),
    }
}

/// What is run over there: Docker's command line where it is installed, otherwise ours. Either joins its standard streams
/// with a connection to the daemon.
fn remote_command(socket: Option<&str>) -> String {
    let host = socket.map_or_else(String::new, |path| {
        format!(" --host {}", quoted(&format!("unix://{path}")))
    });
    format!(
        "if command -v docker >/dev/null 2>&1; then exec docker{host} system dial-stdio; \
         else exec tierce{host} system dial-stdio; fi"
    )
}

/// A word as a shell takes it literally.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The arguments of ssh for a machine.
fn ssh_arguments(remote: &Ssh) -> Vec<String> {
    let mut words: Vec<String> = ["-o", "ConnectTimeout=30", "-T"].map(str::to_owned).into();
    if let Some(user) = &remote.user {
        words.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(port) = remote.port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    // What follows is no flag, whatever the machine is called.
    words.extend([
        "--".to_owned(),
        remote.host.clone(),
        remote_command(remote.socket.as_deref()),
    ]);
    words
}

/// A connection through `ssh`, which ends with it. What ssh has to say (a question for a password, why it failed) it says
/// on our standard error and terminal.
struct Remote {
    output: ChildStdout,
    input: Option<ChildStdin>,
    _process: Child,
}

impl Remote {
    fn start(remote: &Ssh) -> io::Result<Self> {
        let mut process = Command::new("ssh")
            .args(ssh_arguments(remote))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("run ssh: {error}")))?;
        match (process.stdout.take(), process.stdin.take()) {
            (Some(output), Some(input)) => Ok(Self {
                output,
                input: Some(input),
                _process: process,
            }),
            // Both were asked for above.
            _ => Err(io::Error::other("ssh has no standard streams")),
        }
    }
}

impl AsyncRead for Remote {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(context, buffer)
    }
}

impl AsyncWrite for Remote {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closing the pipe is the only way to tell the other side that no more comes.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(input) = &mut self.input {
            std::task::ready!(Pin::new(input).poll_flush(context))?;
        }
        self.input = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_085_ssh_is_called_so_that_no_name_is_taken_for_a_flag() {
        let Endpoint::Ssh(remote) = "ssh://me@-oProxyCommand=x:2222/run/it's.sock".parse().unwrap() else {
            panic!("no ssh endpoint")
        };
        let words = ssh_arguments(&remote);
        let end = words.iter().position(|word| word == "--").unwrap();
        assert_eq!(words[3..end], ["-l", "me", "-p", "2222"]);
        assert_eq!(words[end + 1], "-oProxyCommand=x");
        assert!(words[end + 2].contains(r"--host 'unix:///run/it'\''s.sock' system dial-stdio"));
    }
}
