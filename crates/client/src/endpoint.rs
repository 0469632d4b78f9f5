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
        /// Its port; 2375 when none is given.
        port: u16,
    },
}

/// Docker's port for unencrypted TCP.
const DEFAULT_TCP_PORT: u16 = 2375;

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why| Error::InvalidEndpoint {
            endpoint: text.to_owned(),
            why,
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            if text.starts_with('/') {
                return Ok(Self::Unix(PathBuf::from(text)));
            }
            return Err(invalid("expected unix://PATH or tcp://HOST:PORT"));
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
                    None => DEFAULT_TCP_PORT,
                };
                let host = if host.is_empty() { "127.0.0.1" } else { host };
                Ok(Self::Tcp {
                    host: host.to_owned(),
                    port,
                })
            }
            _ => Err(invalid("its scheme is none of unix, tcp")),
        }
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
        }
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
        for bad in ["", "host:1", "unix://", "tcp://h:99999", "ftp://x"] {
            assert!(show(bad).is_err(), "{bad}");
        }
    }
}
