//! Stand-ins for registries: who is asked before a registry itself, and under which name.
//!
//! ```text
//! https://hub.example                      stands for Docker Hub, as dockerd's `registry-mirrors`
//! quay.io=https://cache.example/quay       quay.io/team/app       is asked for as cache.example/quay/team/app
//! quay.io/team=https://team.example        quay.io/team/app       is asked for as team.example/app
//! *=https://cache.example/all/v2/any       any registry's x/y     at https://cache.example/all/v2/any/x/y/
//! ```
//! The path of an address goes before the rest of the repository's name; where it has a component `v2`, that is the
//! place of the API, and only what follows is a part of the name. Of several prefixes that fit the longest decides; its
//! addresses are asked in the order in which they are given, and the registry itself after them.

use crate::{Error, Url};
use std::str::FromStr;
use tierce_oci::DEFAULT_DOMAIN;

/// One stand-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Domain of the registries that it stands for; any when absent.
    domain: Option<String>,
    /// Path that repositories must begin with; empty for all.
    beneath: String,
    /// Root of its API; `v2/` is under it.
    api: Url,
    /// What repositories' names begin with there; empty for nothing.
    path: String,
}

impl Mirror {
    /// Its address, where it stands for the whole of Docker Hub: what `info` shows.
    pub fn of_hub(&self) -> Option<String> {
        let is_hub = self.domain.as_deref() == Some(DEFAULT_DOMAIN) && self.beneath.is_empty();
        is_hub.then(|| self.api.under(&self.path).to_string())
    }

    /// How exactly it fits a repository; `None` when it does not.
    fn fit(&self, domain: &str, path: &str) -> Option<usize> {
        match &self.domain {
            None => Some(0),
            Some(own) if own == domain => rest_of(path, &self.beneath).map(|_| own.len() + self.beneath.len()),
            Some(_) => None,
        }
    }

    /// Root of the API and the repository's name there.
    fn place(&self, path: &str) -> Option<(Url, String)> {
        let rest = rest_of(path, &self.beneath)?;
        let parts: Vec<&str> = [self.path.as_str(), rest]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        Some((self.api.clone(), parts.join("/"))).filter(|(_, name)| !name.is_empty())
    }
}

/// Where the stand-ins of the repository `path` at `domain` have it, in the order in which they are asked.
pub(crate) fn places(mirrors: &[Mirror], domain: &str, path: &str) -> Vec<(Url, String)> {
    let fits = mirrors.iter().map(|mirror| mirror.fit(domain, path));
    let best = fits.clone().max().flatten();
    let chosen = mirrors
        .iter()
        .zip(fits)
        .filter(|(_, fit)| fit.is_some() && *fit == best);
    chosen.filter_map(|(mirror, _)| mirror.place(path)).collect()
}

/// What follows `beneath` and a '/' in a path; the whole beneath nothing.
fn rest_of<'a>(path: &'a str, beneath: &str) -> Option<&'a str> {
    if beneath.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix(beneath)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

impl FromStr for Mirror {
    type Err = Error;

    /// Parses `URL` or `PREFIX=URL`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |cause: &str| Error::BadConfig {
            what: "registry mirror",
            value: text.to_owned(),
            cause: cause.to_owned(),
        };
        let is_plain = text.starts_with("http://") || text.starts_with("https://");
        let (prefix, address) = match text.split_once('=') {
            Some((prefix, address)) if !is_plain => (prefix, address),
            _ => (DEFAULT_DOMAIN, text),
        };
        let (domain, beneath) = prefix.split_once('/').unwrap_or((prefix, ""));
        let is_host = domain.contains(['.', ':']) || domain == "localhost";
        let domain = match domain {
            "*" if beneath.is_empty() => None,
            "index.docker.io" => Some(DEFAULT_DOMAIN.to_owned()),
            _ if is_host => Some(domain.to_ascii_lowercase()),
            _ => return Err(bad("what is before the '=' must be host[:port][/path] or *")),
        };
        let url: Url = address
            .parse()
            .map_err(|error: Error| bad(&format!("{address:?} is no address: {error}")))?;
        if url.query().is_some() {
            return Err(bad("the address must not have a query"));
        }
        let components: Vec<&str> = url
            .path_and_query()
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        let api = components.iter().position(|component| *component == "v2");
        let (root, path) = match api {
            Some(at) => (components[..at].join("/"), components[at + 1..].join("/")),
            None => (String::new(), components.join("/")),
        };
        Ok(Self {
            domain,
            beneath: beneath.trim_end_matches('/').to_owned(),
            api: url.at_root(&root),
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(mirrors: &[&str], domain: &str, path: &str) -> Vec<String> {
        let mirrors: Vec<Mirror> = mirrors.iter().map(|text| text.parse().unwrap()).collect();
        let places = places(&mirrors, domain, path).into_iter();
        places
            .map(|(api, name)| api.under(&format!("v2/{name}")).to_string())
            .collect()
    }

    #[test]
    fn an_address_alone_stands_for_the_hub() {
        let mirrors = ["https://one.example", "http://two.example:5000/cache/"];
        assert_eq!(
            asked(&mirrors, "docker.io", "library/alpine"),
            [
                "https://one.example/v2/library/alpine",
                "http://two.example:5000/v2/cache/library/alpine"
            ]
        );
        assert_eq!(asked(&mirrors, "quay.io", "a/b"), [""; 0]);
        let shown = mirrors.map(|text| text.parse::<Mirror>().unwrap().of_hub().unwrap());
        assert_eq!(shown, ["https://one.example/", "http://two.example:5000/cache"]);
    }

    #[test]
    fn the_longest_prefix_decides_and_its_path_is_replaced() {
        let mirrors = [
            "*=https://any.example/proxy",
            "quay.io=https://quay.example/root/v2/deep",
            "quay.io/team=https://team.example",
            "quay.io/team=https://second.example/x",
            "localhost:5000=http://h:1",
        ];
        for (domain, path, places) in [
            (
                "quay.io",
                "team/app",
                &["https://team.example/v2/app", "https://second.example/v2/x/app"][..],
            ),
            ("quay.io", "teams/app", &["https://quay.example/root/v2/deep/teams/app"]),
            // The first has no name left to ask for.
            ("quay.io", "team", &["https://second.example/v2/x"]),
            ("ghcr.io", "a", &["https://any.example/v2/proxy/a"]),
            ("docker.io", "library/a", &["https://any.example/v2/proxy/library/a"]),
            ("localhost:5000", "a/b", &["http://h:1/v2/a/b"]),
        ] {
            assert_eq!(asked(&mirrors, domain, path), places, "{domain}/{path}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "quay.io",
            "quay=https://x.example",
            "ftp://x.example",
            "quay.io=x.example",
            "https://x/?q",
            "*/a=https://x.example",
            "https://u:p@x.example",
        ] {
            assert!(text.parse::<Mirror>().is_err(), "{text:?}");
        }
    }
}
