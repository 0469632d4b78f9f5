//! Addresses of HTTP resources: just what a registry client needs.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// `http[s]://host[:port]/path[?query]`. User and password in an address are refused, fragments dropped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    /// Path and query; begins with '/'.
    path: String,
}

/// Where connections go: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Url {
    /// `https://host:port/`.
    pub fn https(host: &str, port: u16) -> Self {
        Self {
            secure: true,
            host: host.to_owned(),
            port,
            path: "/".to_owned(),
        }
    }

    /// The root of a registry named `host[:port]`.
    pub(crate) fn of_domain(domain: &str, secure: bool) -> Result<Self, Error> {
        format!("{}://{domain}/", if secure { "https" } else { "http" }).parse()
    }

    /// Whether TLS is used.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Host without port; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.path.split_once('?').map(|(_, query)| query)
    }

    /// Path and query.
    pub fn path_and_query(&self) -> &str {
        &self.path
    }

    /// `host[:port]` as it is written in an address and in the `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let usual = if self.secure { 443 } else { 80 };
        if self.port == usual {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin {
            secure: self.secure,
            host: self.host.clone(),
            port: self.port,
        }
    }

    /// The address of `path` (no leading '/') under this one, which counts as a directory.
    pub(crate) fn under(&self, path: &str) -> Self {
        let base = self.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        Self {
            path: format!("{base}/{path}"),
            ..self.clone()
        }
    }

    /// The address of `path` (no leading '/') at the same origin, without a query.
    pub(crate) fn at_root(&self, path: &str) -> Self {
        Self {
            path: format!("/{path}"),
            ..self.clone()
        }
    }

    /// The same address with one more query parameter.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> Self {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        Self {
            path: format!("{}{separator}{name}={}", self.path, escaped(value)),
            ..self.clone()
        }
    }

    /// The address that a `Location` or `Link` header means when it came in an answer from this address.
    pub(crate) fn join(&self, location: &str) -> Result<Self, Error> {
        let location = location.trim();
        if let Some(rest) = location.strip_prefix("//") {
            return format!("{}://{rest}", if self.secure { "https" } else { "http" }).parse();
        }
        if location.contains("://") {
            return location.parse();
        }
        let directory = self
            .path
            .split('?')
            .next()
            .unwrap_or_default()
            .rsplit_once('/')
            .map_or("", |(dir, _)| dir);
        let path = match location.as_bytes().first() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{}{location}", self.path.split('?').next().unwrap_or_default()),
            _ => format!("{directory}/{location}"),
        };
        let whole = format!(
            "{}://{}{path}",
            if self.secure { "https" } else { "http" },
            self.authority()
        );
        whole.parse()
    }
}

/// Percent-encoding of everything that is not unreserved (RFC 3986).
fn escaped(text: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |cause: &str| Error::BadConfig {
            what: "address",
            value: text.chars().take(200).collect(),
            cause: cause.to_owned(),
        };
        let uri: http::Uri = text
            .split('#')
            .next()
            .unwrap_or_default()
            .parse()
            .map_err(|error: http::uri::InvalidUri| bad(&error.to_string()))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("its scheme is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it has user and password in it"));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        if host.is_empty() {
            return Err(bad("it has no host"));
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            // The crate reports a port that is no number as no port.
            None if authority.as_str().len() > authority.host().len() => {
                return Err(bad("its port is no number up to 65535"));
            }
            None if secure => 443,
            None => 80,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Self {
            secure,
            host,
            port,
            path,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            if self.secure { "https" } else { "http" },
            self.authority(),
            self.path
        )
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Url {
    /// The address for an error text: signed query strings are secrets for a while, so the query is left out.
    pub(crate) fn shown(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!(
            "{}://{}{path}",
            if self.secure { "https" } else { "http" },
            self.authority()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_and_joins() {
        let url: Url = "http://127.0.0.1:5000/v2/a/blobs/x?y=1#z".parse().unwrap();
        assert_eq!(url.to_string(), "http://127.0.0.1:5000/v2/a/blobs/x?y=1");
        assert_eq!(url.shown(), "http://127.0.0.1:5000/v2/a/blobs/x");
        assert_eq!(url.join("/q").unwrap().to_string(), "http://127.0.0.1:5000/q");
        assert_eq!(
            url.join("q?r").unwrap().to_string(),
            "http://127.0.0.1:5000/v2/a/blobs/q?r"
        );
        assert_eq!(
            url.join("?n=2").unwrap().to_string(),
            "http://127.0.0.1:5000/v2/a/blobs/x?n=2"
        );
        assert_eq!(url.join("//other/q").unwrap().to_string(), "http://other/q");
        assert_eq!(url.join("https://o:444/").unwrap().to_string(), "https://o:444/");
        let root: Url = "https://m.example/prefix/".parse().unwrap();
        assert_eq!(root.under("v2/a").to_string(), "https://m.example/prefix/v2/a");
        assert_eq!(
            root.with_query("scope", "a:b,c").to_string(),
            "https://m.example/prefix/?scope=a%3Ab%2Cc"
        );
        assert_eq!(
            Url::of_domain("[::1]:5000", false).unwrap().to_string(),
            "http://[::1]:5000/"
        );
    }

    #[test]
    fn refuses_odd_addresses() {
        for text in [
            "",
            "ftp://x/",
            "http://",
            "http://u:p@h/",
            "file:///etc/passwd",
            "http://h:99999/",
            "h/p",
            "http://h:/",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn join_of_anything_is_an_address_or_an_error(location in "\\PC{0,60}") {
            let base: Url = "https://r.example/v2/a/manifests/b".parse().unwrap();
            if let Ok(url) = base.join(&location) {
                prop_assert_eq!(url.to_string().parse::<Url>().unwrap(), url);
            }
        }
    }
}
