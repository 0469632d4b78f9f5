//! Where a daemon listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// Address of a daemon, as in `DOCKER_HOST` and `-H`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `unix:///run/docker.sock`
    Unix(PathBuf),
    /// `tcp://host:port`; unencrypted.
    Tcp {
        /// Name or address of the host; IPv6 without brackets.
        host: String,
        /// Its port; 2375 when none is given, 2376 with TLS.
        port: u16,
    },
    /// `ssh://[user@]host[:port][/path/of/the/socket]`
    Ssh(Ssh),
}

/// A daemon behind ssh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Who logs in; `None`: ssh decides.
    pub user: Option<String>,
    /// Where.
    pub host: String,
    /// At which port; `None`: ssh decides.
    pub port: Option<u16>,
    /// Which socket; `None`: the one that the command line over there uses.
    pub socket: Option<String>,
}

/// Docker's port for unencrypted TCP.
const DEFAULT_TCP_PORT: u16 = 2375;
/// Docker's port for TLS.
const DEFAULT_TLS_PORT: u16 = 2376;

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, false)
    }
}

impl Endpoint {
    /// Reads an address; whether TLS will be spoken says which port is meant where none is given.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`].
    pub fn parse(text: &str, tls: bool) -> Result<Self, Error> {
        let invalid = |why| Error::InvalidEndpoint {
            endpoint: text.to_owned(),
            why,
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            if text.starts_with('/') {
                return Ok(Self::Unix(PathBuf::from(text)));
            }
            return Err(invalid("expected unix://PATH, tcp://HOST:PORT or ssh://USER@HOST"));
        };
        match scheme {
            "unix" if rest.is_empty() => Err(invalid("the path of the socket is missing")),
            "unix" => Ok(Self::Unix(PathBuf::from(rest))),
            "tcp" | "http" => {
                let (host, port) = split_host(rest.trim_end_matches('/'));
                let port = match port {
                    Some(port) => port
                        .parse()
                        .map_err(|_| invalid("the port is not a number below 65536"))?,
                    None if tls => DEFAULT_TLS_PORT,
                    None => DEFAULT_TCP_PORT,
                };
                let host = if host.is_empty() { "127.0.0.1" } else { host };
                Ok(Self::Tcp {
                    host: host.to_owned(),
                    port,
                })
            }
            "ssh" => Ssh::parse(rest).map(Self::Ssh).map_err(invalid),
            _ => Err(invalid("its scheme is none of unix, tcp, ssh")),
        }
    }
}

impl Ssh {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (authority, socket) = match text.find('/') {
            Some(slash) => (&text[..slash], Some(&text[slash..]).filter(|path| *path != "/")),
            None => (text, None),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err("a password in it is not used; ssh asks for it"),
            Some((user, host)) => (Some(user.to_owned()).filter(|user| !user.is_empty()), host),
            None => (None, authority),
        };
        let (host, port) = split_host(host);
        if host.is_empty() {
            return Err("the host is missing");
        }
        let port = port.map(|port| port.parse().map_err(|_| "the port is not a number below 65536"));
        Ok(Self {
            user,
            host: host.to_owned(),
            port: port.transpose()?,
            socket: socket.map(str::to_owned),
        })
    }
}

/// Splits `host:port`, `[v6]:port`, `host`.
fn split_host(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Ssh(ssh) => write!(f, "ssh://{ssh}"),
        }
    }
}

impl fmt::Display for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(self.socket.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_090_endpoints_replace_the_historic_ports() {
        let show = |text: &str| text.parse::<Endpoint>().map(|endpoint| endpoint.to_string());
        assert_eq!(show("unix:///a/b").unwrap(), "unix:///a/b");
        assert_eq!(show("/a/b").unwrap(), "unix:///a/b");
        assert_eq!(show("tcp://host").unwrap(), "tcp://host:2375");
        assert_eq!(show("tcp://:80").unwrap(), "tcp://127.0.0.1:80");
        assert_eq!(show("tcp://[::1]:80").unwrap(), "tcp://[::1]:80");
        for text in [
            "ssh://host",
            "ssh://me@host:22",
            "ssh://host/run/x.sock",
            "ssh://me@[::1]:22/x",
        ] {
            assert_eq!(show(text).unwrap(), text);
        }
        let with_tls = |text| Endpoint::parse(text, true).unwrap().to_string();
        assert_eq!(with_tls("tcp://host"), "tcp://host:2376");
        for bad in ["ssh://", "ssh://me:secret@host", "ssh://host:x"] {
            assert!(show(bad).is_err(), "{bad}");
        }
        for bad in ["", "host:1", "unix://", "tcp://h:99999", "ftp://x"] {
            assert!(show(bad).is_err(), "{bad}");
        }
    }
}
