//! Settings of the client.

use crate::{Error, Mirror, Url};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a [`crate::Client`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Registries that may be spoken to without verified TLS, or without TLS.
    pub insecure: Vec<Insecure>,
    /// Stand-ins for registries, asked before them. They are never given credentials.
    pub mirrors: Vec<Mirror>,
    /// Directories of `<host[:port]>/{*.crt,*.cert,*.key}`; Docker's is `/etc/docker/certs.d`.
    pub certificate_directories: Vec<PathBuf>,
    /// Time limits.
    pub timeouts: Timeouts,
    /// How often a request is made before its failure is reported; Docker's `max-download-attempts`.
    pub attempts: u32,
    /// Where Docker Hub's registry is. Not for users; tests put a stand-in here.
    pub hub: Url,
    /// Where Docker Hub's search is: the address above `v1/`. Not for users; tests put a stand-in here.
    pub index: Url,
    /// Value of the header `User-Agent`.
    pub user_agent: String,
    /// Proxies to use.
    pub proxies: crate::transport::Proxies,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            mirrors: Vec::new(),
            certificate_directories: vec![PathBuf::from("/etc/docker/certs.d")],
            timeouts: Timeouts::default(),
            attempts: 5,
            hub: Url::https("registry-1.docker.io", 443),
            index: Url::https("index.docker.io", 443),
            user_agent: concat!("tierce/", env!("CARGO_PKG_VERSION"), " (linux)").to_owned(),
            proxies: crate::transport::Proxies::default(),
        }
    }
}

/// Time limits. None bounds a whole transfer; each bounds silence.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection to stand, TLS included.
    pub connect: Duration,
    /// For the head of an answer, and for each further piece of its body.
    pub stall: Duration,
    /// First pause before another attempt; doubled each time.
    pub pause: Duration,
    /// Longest pause, also when `Retry-After` asks for more.
    pub longest_pause: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            stall: Duration::from_mins(1),
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// A registry (`host[:port]`) or a range of addresses for which unverified TLS or plain HTTP is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insecure {
    /// By name, with the port where it is not the usual one.
    Host(String),
    /// Every registry that is named by an address in this range, or whose name leads there.
    Network(IpNet),
}

impl std::str::FromStr for Insecure {
    type Err = Error;

    /// Parses an entry of Docker's `insecure-registries`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |cause: &str| Error::BadConfig {
            what: "insecure registry",
            value: text.to_owned(),
            cause: cause.to_owned(),
        };
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        let host = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))
            .unwrap_or(text);
        if host.is_empty() || host.contains(['/', ' ', '@', '?', '#']) {
            return Err(bad("it must be host, host:port or an address range"));
        }
        Ok(Self::Host(host.to_ascii_lowercase()))
    }
}

impl Config {
    /// Whether `domain` (`host[:port]`) may be spoken to without verified TLS, as far as that is known without asking the
    /// name service ([`crate::trust::Trust`]). Loopback addresses always are, as for Docker.
    pub(crate) fn is_insecure(&self, domain: &str) -> bool {
        let domain = domain.to_ascii_lowercase();
        let host = host_of(&domain);
        if host == "localhost" {
            return true;
        }
        let by_name = |entry: &Insecure| matches!(entry, Insecure::Host(name) if *name == domain);
        let address = host.parse::<IpAddr>().ok();
        address.is_some_and(|address| address.is_loopback() || self.is_insecure_address(address))
            || self.insecure.iter().any(by_name)
    }

    /// Whether an address is in one of the ranges.
    pub(crate) fn is_insecure_address(&self, address: IpAddr) -> bool {
        self.insecure
            .iter()
            .any(|entry| matches!(entry, Insecure::Network(network) if network.contains(&address)))
    }

    pub(crate) fn has_insecure_ranges(&self) -> bool {
        self.insecure.iter().any(|entry| matches!(entry, Insecure::Network(_)))
    }
}

/// The host of `host[:port]`, without the brackets of an IPv6 address.
pub(crate) fn host_of(domain: &str) -> &str {
    if let Some(rest) = domain.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    domain.split(':').next().unwrap_or(domain)
}

/// Whether `host` is this machine by its name or address.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_insecure_by_itself_and_others_by_setting() {
        let config = Config {
            insecure: vec!["10.1.0.0/16".parse().unwrap(), "reg.local:5000".parse().unwrap()],
            ..Config::default()
        };
        for domain in [
            "127.0.0.1:5000",
            "127.9.9.9",
            "localhost",
            "localhost:80",
            "[::1]:5000",
            "10.1.2.3:5000",
            "reg.local:5000",
            "REG.local:5000",
        ] {
            assert!(config.is_insecure(domain), "{domain}");
        }
        for domain in [
            "10.2.0.1",
            "reg.local",
            "docker.io",
            "localhost.example.org",
            "127.0.0.1.nip.io",
        ] {
            assert!(!config.is_insecure(domain), "{domain}");
        }
        for bad in ["", "a b", "user@host", "host/path"] {
            assert!(bad.parse::<Insecure>().is_err(), "{bad}");
        }
    }
}
