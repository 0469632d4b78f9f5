//! Sockets that clients connect to.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tierce_fault::{Fault, Kind, kind_of_io};
use tokio::net::{TcpListener, UnixListener};

use crate::server::Socket;
use crate::tls;

/// Longest path that fits into `sockaddr_un`, without its ending zero (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// A socket that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process answers there.
    #[error("listen on {}: another daemon is already listening there", path.display())]
    InUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// Something that is not a socket is in the way.
    #[error("listen on {}: a file that is not a socket is in the way", path.display())]
    NotSocket {
        /// Its path.
        path: PathBuf,
    },
    /// The path does not fit into a socket address.
    #[error("listen on {}: the path is longer than {MAX_SOCKET_PATH} bytes", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("listen on {address}: {source}")]
    Io {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl Fault for ListenError {
    fn kind(&self) -> Kind {
        match self {
            Self::InUse { .. } | Self::NotSocket { .. } => Kind::Conflict,
            Self::TooLong { .. } => Kind::Invalid,
            Self::Io { source, .. } => kind_of_io(source),
        }
    }
}

/// A socket that clients connect to.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket.
    Unix(UnixListener),
    /// A TCP port, unencrypted.
    Tcp(TcpListener),
    /// A TCP port behind TLS.
    Tls(TcpListener, Arc<rustls::ServerConfig>),
}

impl Listener {
    /// Opens a unix socket with mode 0660 and, where given, a group. A socket file that nobody listens on is replaced.
    ///
    /// Must be called inside a tokio runtime.
    pub fn bind_unix(path: &Path, group: Option<u32>) -> Result<Self, ListenError> {
        let io = |source| ListenError::Io {
            address: path.display().to_string(),
            source,
        };
        if path.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(ListenError::TooLong { path: path.to_owned() });
        }
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(io)?;
        }
        clear_stale(path)?;
        // Bound under another name until its mode is right, so that nobody can connect who may not.
        let mut staging = path.as_os_str().to_owned();
        staging.push("~");
        let staging = PathBuf::from(staging);
        let bound_at = if staging.as_os_str().len() > MAX_SOCKET_PATH {
            path
        } else {
            &staging
        };
        if bound_at == staging {
            clear_stale(&staging)?;
        }
        let listener = UnixListener::bind(bound_at).map_err(io)?;
        std::fs::set_permissions(bound_at, std::fs::Permissions::from_mode(0o660)).map_err(io)?;
        if group.is_some() {
            std::os::unix::fs::chown(bound_at, None, group).map_err(io)?;
        }
        if bound_at == staging {
            std::fs::rename(&staging, path).map_err(io)?;
        }
        Ok(Self::Unix(listener))
    }

    /// Opens a TCP port. Whoever reaches it is root on this host; the caller warns.
    pub async fn bind_tcp(host: &str, port: u16) -> Result<Self, ListenError> {
        let io = |source| ListenError::Io {
            address: format!("tcp://{host}:{port}"),
            source,
        };
        TcpListener::bind((host, port)).await.map(Self::Tcp).map_err(io)
    }

    /// Takes over a socket that the service manager has opened; unix or TCP.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, ListenError> {
        let io = |source| ListenError::Io {
            address: "fd://".to_owned(),
            source,
        };
        let unix = std::os::unix::net::UnixListener::from(fd.try_clone().map_err(io)?);
        // A local address of another family fails to parse as a path.
        if unix.local_addr().is_ok() {
            unix.set_nonblocking(true).map_err(io)?;
            return UnixListener::from_std(unix).map(Self::Unix).map_err(io);
        }
        let tcp = std::net::TcpListener::from(fd);
        tcp.set_nonblocking(true).map_err(io)?;
        TcpListener::from_std(tcp).map(Self::Tcp).map_err(io)
    }

    /// The same behind TLS; a unix socket needs none.
    #[must_use]
    pub fn with_tls(self, config: &Arc<rustls::ServerConfig>) -> Self {
        match self {
            Self::Tcp(listener) => Self::Tls(listener, Arc::clone(config)),
            other => other,
        }
    }

    /// The address of a TCP port.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(listener) | Self::Tls(listener, _) => listener.local_addr().ok(),
        }
    }

    /// The next client.
    pub(crate) async fn accept(&self) -> std::io::Result<Socket> {
        match self {
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Socket::Unix(stream)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            Self::Tls(listener, config) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tls::accept(stream, Arc::clone(config)).map(Socket::Unix)
            }
        }
    }
}

/// Removes a socket file that nobody listens on.
fn clear_stale(path: &Path) -> Result<(), ListenError> {
    let io = |source| ListenError::Io {
        address: path.display().to_string(),
        source,
    };
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotSocket { path: path.to_owned() });
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse { path: path.to_owned() }),
        Err(_) => std::fs::remove_file(path).map_err(io),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_085_sockets_are_private_and_stale_ones_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/docker.sock");
        let first = Listener::bind_unix(&path, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(
            Listener::bind_unix(&path, None),
            Err(ListenError::InUse { .. })
        ));
        drop(first);
        assert!(path.exists(), "a crash leaves the file");
        Listener::bind_unix(&path, None).unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(
            Listener::bind_unix(&file, None),
            Err(ListenError::NotSocket { .. })
        ));
        let long = directory.path().join("x".repeat(120));
        assert!(matches!(
            Listener::bind_unix(&long, None),
            Err(ListenError::TooLong { .. })
        ));
    }

    #[tokio::test]
    async fn row_095_sockets_of_the_service_manager_are_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let unix = std::os::unix::net::UnixListener::bind(directory.path().join("s")).unwrap();
        assert!(matches!(Listener::from_fd(unix.into()).unwrap(), Listener::Unix(_)));
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(Listener::from_fd(tcp.into()).unwrap().tcp_address().is_some());
    }
}
