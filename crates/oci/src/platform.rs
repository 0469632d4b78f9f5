//! What an image is built for. Source: OCI image-spec `image-index.md`, containerd's `platforms` package.

use crate::container::nullable;
use crate::{Error, Extra, is_default};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Operating system, architecture, and variant of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64` and its like.
    #[serde(default, deserialize_with = "nullable")]
    pub architecture: String,
    /// `linux` and its like.
    #[serde(default, deserialize_with = "nullable")]
    pub os: String,
    /// `os.version`, `os.features` and whatever else there is.
    #[serde(flatten)]
    pub extra: Extra,
    /// `v7`, `v8` and their like.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub variant: String,
}

impl Platform {
    /// The platform of this machine.
    pub fn host() -> Self {
        let (architecture, variant) = normalise(std::env::consts::ARCH, "");
        Self {
            os: "linux".to_owned(),
            architecture,
            variant,
            extra: Extra::new(),
        }
    }

    /// How well an image made for `self` runs where `wanted` is asked for: `None` not at all, else smaller is better.
    pub fn distance(&self, wanted: &Self) -> Option<u32> {
        let (have_arch, have) = normalise(&self.architecture, &self.variant);
        let (want_arch, want) = normalise(&wanted.architecture, &wanted.variant);
        if self.os != wanted.os {
            return None;
        }
        if have_arch == want_arch {
            let level = |variant: &str| variant.trim_start_matches('v').parse::<u32>().unwrap_or(1);
            return if have == want {
                Some(0)
            } else {
                level(&want).checked_sub(level(&have)).filter(|d| *d > 0)
            };
        }
        // A 64-bit ARM machine runs 32-bit programs as well; so does x86, but Docker does not offer that by itself.
        (want_arch == "arm64" && have_arch == "arm").then_some(100)
    }
}

/// Canonical architecture and variant of the names in use.
fn normalise(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = match (architecture.to_ascii_lowercase().as_str(), variant) {
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64".to_owned(), ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64".to_owned(), variant),
        ("i386" | "x86", _) => ("386".to_owned(), ""),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64".to_owned(), ""),
        ("aarch64" | "arm64", variant) => ("arm64".to_owned(), variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm".to_owned(), "v7"),
        ("armel", _) => ("arm".to_owned(), "v6"),
        ("powerpc64" | "ppc64el", variant) => ("ppc64le".to_owned(), variant),
        (other, variant) => (other.to_owned(), variant),
    };
    (architecture, variant.to_owned())
}

impl FromStr for Platform {
    type Err = Error;

    /// Parses `os`, `os/arch`, `os/arch/variant`, or an architecture alone.
    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() > 3 || !parts.iter().all(valid) {
            return Err(Error::Platform(text.to_owned()));
        }
        let host = Self::host();
        let known_os = |os: &str| matches!(os, "linux" | "windows" | "darwin" | "freebsd");
        let (os, architecture, variant) = match parts.as_slice() {
            [os] if known_os(os) => ((*os).to_owned(), host.architecture, host.variant),
            [architecture] => ("linux".to_owned(), (*architecture).to_owned(), String::new()),
            [os, architecture] => (os.to_ascii_lowercase(), (*architecture).to_owned(), String::new()),
            [os, architecture, variant] => (
                os.to_ascii_lowercase(),
                (*architecture).to_owned(),
                (*variant).to_owned(),
            ),
            _ => return Err(Error::Platform(text.to_owned())),
        };
        let (architecture, variant) = normalise(&architecture, &variant);
        Ok(Self {
            architecture,
            os,
            variant,
            extra: Extra::new(),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(have: &str, want: &str) -> Option<u32> {
        have.parse::<Platform>().unwrap().distance(&want.parse().unwrap())
    }

    #[test]
    fn nearest_variant_wins() {
        assert_eq!(distance("linux/amd64", "linux/amd64"), Some(0));
        assert_eq!(distance("linux/arm64/v8", "linux/arm64"), Some(0));
        assert_eq!(distance("linux/arm/v6", "linux/arm/v7"), Some(1));
        assert_eq!(distance("linux/arm/v7", "linux/arm/v6"), None);
        assert_eq!(distance("linux/386", "linux/amd64"), None);
        assert_eq!(distance("windows/amd64", "linux/amd64"), None);
        assert_eq!(distance("linux/arm/v7", "linux/arm64"), Some(100));
    }

    #[test]
    fn odd_platforms_are_refused() {
        for text in ["", "/", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }
}
