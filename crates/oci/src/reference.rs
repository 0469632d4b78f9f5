//! Image references in Docker's normalised form.
//!
//! Source: the grammar of `distribution/reference`: `[domain/]path[:tag][@digest]`. A first component is a domain when
//! it has a dot, a colon or an upper-case letter, or is `localhost`; otherwise the domain is Docker Hub's, and a path of
//! one component is put under `library/`.

use crate::{Digest, Error};
use std::fmt;
use std::str::FromStr;

/// The registry of names without a domain.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag of names without one.
pub const DEFAULT_TAG: &str = "latest";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;

/// A parsed, normalised reference.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses what a user typed.
    ///
    /// ```
    /// let reference = tierce_oci::Reference::parse("alpine")?.with_default_tag();
    /// assert_eq!(reference.to_string(), "docker.io/library/alpine:latest");
    /// assert_eq!(reference.familiar(), "alpine:latest");
    /// # Ok::<(), tierce_oci::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Reference`] and [`Error::Uppercase`], with Docker's texts.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Error::Reference(Some(
                "a repository name cannot be 64 hexadecimal characters",
            )));
        }
        let (domain, rest) = split_domain(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (
                rest,
                Some(digest.parse::<Digest>().map_err(|_| Error::Reference(None))?),
            ),
            None => (rest, None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let official = domain == DEFAULT_DOMAIN && !path.contains('/');
            return Err(Error::Uppercase(format!(
                "{}{path}",
                if official { OFFICIAL } else { "" }
            )));
        }
        if !path.split('/').all(is_path_component) || !is_domain(&domain) {
            return Err(Error::Reference(None));
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(Error::Reference(None));
        }
        let path = if domain == DEFAULT_DOMAIN && !path.contains('/') {
            format!("{OFFICIAL}{path}")
        } else {
            path.to_owned()
        };
        if domain.len() + 1 + path.len() > LONGEST_NAME {
            return Err(Error::Reference(Some(
                "repository name must not be more than 255 characters",
            )));
        }
        Ok(Self {
            domain,
            path,
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// The registry's host, with port where given.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository inside the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Domain and path: `docker.io/library/alpine`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The name as people write it: `alpine`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL) {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The whole reference as people write it: `alpine:3.20`.
    pub fn familiar(&self) -> String {
        self.suffixed(self.familiar_name())
    }

    /// The tag, where given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same, with the tag `latest` where there was neither tag nor digest.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The same repository with another tag and no digest.
    ///
    /// # Errors
    /// [`Error::Tag`] when it is none.
    pub fn with_tag(&self, tag: &str) -> Result<Self, Error> {
        if !is_tag(tag) {
            return Err(Error::Tag);
        }
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// The same repository by digest, without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_str());
        }
        name
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suffixed(self.name()))
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

fn split_domain(text: &str) -> (String, &str) {
    match text.split_once('/') {
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            let domain = if first == LEGACY_DEFAULT_DOMAIN {
                DEFAULT_DOMAIN
            } else {
                first
            };
            (domain.to_owned(), rest)
        }
        _ => (DEFAULT_DOMAIN.to_owned(), text),
    }
}

/// `host[:port]`, the host a DNS name, an IPv4 address, or an IPv6 address in brackets.
fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            if address.is_empty() || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
                return false;
            }
            ("ip6", port)
        }
        None => domain.find(':').map_or((domain, ""), |colon| domain.split_at(colon)),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    host.split('.').all(label) && port
}

/// Runs of `[a-z0-9]` joined by one of `.`, `_`, `__`, or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(|byte| alphanumeric(*byte)) || !bytes.last().is_some_and(|byte| alphanumeric(*byte)) {
        return false;
    }
    component
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(separator)
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn row_031_short_names_and_hosts_are_normalised() {
        for (typed, full, familiar) in [
            ("alpine", "docker.io/library/alpine", "alpine"),
            ("index.docker.io/alpine:3", "docker.io/library/alpine:3", "alpine:3"),
            ("user/app:v1", "docker.io/user/app:v1", "user/app:v1"),
            ("localhost/app", "localhost/app", "localhost/app"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            (
                "docker.elastic.co/elasticsearch/elasticsearch:8",
                "docker.elastic.co/elasticsearch/elasticsearch:8",
                "docker.elastic.co/elasticsearch/elasticsearch:8",
            ),
            ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
            ("library/alpine", "docker.io/library/alpine", "alpine"),
            ("a__b.c-d---e", "docker.io/library/a__b.c-d---e", "a__b.c-d---e"),
        ] {
            let reference = Reference::parse(typed).unwrap();
            assert_eq!(reference.to_string(), full);
            assert_eq!(reference.familiar(), familiar);
        }
    }

    #[test]
    fn refuses_what_is_no_reference() {
        let hex = "a".repeat(64);
        for text in [
            "",
            "/",
            "a//b",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "Alpine",
            "a:",
            "a:-b",
            "a@sha256:00",
            "a b",
            "a:b:c",
            "..",
            "../a",
            "ex.com/../a",
            "ex.com:port/a",
            "ex.com/",
            &hex,
            &"a".repeat(300),
            "[zz]/a",
            "a/b@",
            "ex_ample.com/a",
        ] {
            assert!(
                Reference::parse(text).is_err(),
                "{text:?} was taken as {:?}",
                Reference::parse(text)
            );
        }
    }

    proptest! {
        #[test]
        fn what_parses_round_trips(text in "([a-zA-Z0-9.:-]{1,12}/)?[a-z0-9._/-]{1,20}(:[a-zA-Z0-9_.-]{1,9})?") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(&Reference::parse(&reference.to_string()).unwrap(), &reference);
                prop_assert_eq!(&Reference::parse(&reference.familiar()).unwrap(), &reference);
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = Reference::parse(&text);
        }
    }
}
