//! Proxies from the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, also in lower case, read as Go reads them.

use crate::config::is_loopback;
use crate::{Error, Url};
use base64::Engine as _;
use http::HeaderValue;
use ipnet::IpNet;
use std::net::IpAddr;

/// Which proxy for which address. The default is none at all.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// One HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Value of `Proxy-Authorization`; marked sensitive.
    pub(crate) authorization: Option<HeaderValue>,
}

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    Everything,
    Network(IpNet),
    /// The name itself (unless only below it) and all names below it, on one port or all.
    Name {
        name: String,
        only_below: bool,
        port: Option<u16>,
    },
}

impl Proxies {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`Error::BadConfig`] when a proxy's address cannot be used.
    pub fn from_environment() -> Result<Self, Error> {
        let get = |upper: &str| {
            std::env::var(upper)
                .or_else(|_| std::env::var(upper.to_ascii_lowercase()))
                .unwrap_or_default()
        };
        Self::new(&get("HTTP_PROXY"), &get("HTTPS_PROXY"), &get("NO_PROXY"))
    }

    /// Reads the values of the three settings; empty ones are not set.
    ///
    /// # Errors
    /// [`Error::BadConfig`] when a proxy's address cannot be used.
    pub fn new(http: &str, https: &str, exceptions: &str) -> Result<Self, Error> {
        Ok(Self {
            http: Proxy::parse(http)?,
            https: Proxy::parse(https)?,
            exceptions: exceptions
                .split(',')
                .filter_map(|entry| Exception::parse(entry.trim()))
                .collect(),
        })
    }

    pub(crate) fn choose(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.is_secure() { &self.https } else { &self.http }.as_ref()?;
        let (host, port) = (url.host(), url.origin().port);
        let excepted = is_loopback(host) || self.exceptions.iter().any(|exception| exception.matches(host, port));
        (!excepted).then_some(proxy)
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Option<Self>, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        // The value may hold a password; it is never repeated.
        let bad = |cause: &str| Error::BadConfig {
            what: "proxy",
            value: text.rsplit('@').next().unwrap_or_default().to_owned(),
            cause: cause.to_owned(),
        };
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(bad("only http:// proxies are supported")),
            None => text,
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (user, address) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(user, rest)| (Some(user), rest));
        let url = Url::of_domain(address, false).map_err(|_| bad("it is no host[:port]"))?;
        let authorization = match user {
            None => None,
            Some(user) => {
                let pair = percent_decoded(user).ok_or_else(|| bad("its user is badly escaped"))?;
                let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
                let mut value = HeaderValue::from_str(&value).map_err(|_| bad("its user cannot be sent"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Some(Self {
            host: url.host().to_owned(),
            port: url.origin().port,
            authorization,
        }))
    }
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    Some(out)
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Ok(network) = entry.parse::<IpNet>() {
            return Some(Self::Network(network));
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return Some(Self::Network(IpNet::from(address)));
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let name = name.trim_start_matches('*');
        let only_below = name.starts_with('.');
        Some(Self::Name {
            name: name.trim_start_matches('.').to_ascii_lowercase(),
            only_below,
            port,
        })
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Everything => true,
            Self::Network(network) => host.parse::<IpAddr>().is_ok_and(|address| network.contains(&address)),
            Self::Name {
                name,
                only_below,
                port: only_port,
            } => {
                if only_port.is_some_and(|only| only != port) {
                    return false;
                }
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                below || (!only_below && host == name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn chooses_by_scheme_and_exceptions() {
        let proxies = Proxies::new(
            "plain:3128",
            "http://us%40er:pw@tls:8080/",
            ".in.example,reg.example:5000,10.0.0.0/8, 192.0.2.1",
        )
        .unwrap();
        assert_eq!(proxies.choose(&url("http://a.example/")).unwrap().host, "plain");
        let tls = proxies.choose(&url("https://a.example/")).unwrap();
        assert_eq!((tls.host.as_str(), tls.port), ("tls", 8080));
        assert_eq!(tls.authorization.as_ref().unwrap(), "Basic dXNAZXI6cHc=");
        assert!(!format!("{proxies:?}").contains("dXNAZXI6cHc="));
        assert!(proxies.choose(&url("https://in.example/")).is_some());
        assert!(proxies.choose(&url("https://reg.example/")).is_some());
        for direct in [
            "https://x.in.example/",
            "https://reg.example:5000/",
            "https://10.1.1.1/",
            "https://192.0.2.1/",
            "https://localhost/",
            "https://127.0.0.1:5000/",
            "http://[::1]/",
        ] {
            assert!(proxies.choose(&url(direct)).is_none(), "{direct}");
        }
        assert!(
            Proxies::new("", "a:1", "*")
                .unwrap()
                .choose(&url("https://x/"))
                .is_none()
        );
        assert!(Proxies::default().choose(&url("https://x/")).is_none());
    }

    #[test]
    fn a_bad_proxy_is_named_without_its_password() {
        let error = Proxies::new("socks5://u:secret@h:1", "", "").unwrap_err().to_string();
        assert!(error.contains("h:1") && !error.contains("secret"), "{error}");
    }
}
