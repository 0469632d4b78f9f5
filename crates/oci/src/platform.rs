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

/// What a part after the first may be, as the refusal names it.
const COMPONENT: &str = "^[A-Za-z0-9_.-]+$";
/// What the first part may be: an operating system and, in parentheses, its version.
const SYSTEM: &str = r"^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$";

/// Operating systems that may stand alone.
const SYSTEMS: [&str; 17] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];
/// Architectures that may stand alone.
const ARCHITECTURES: [&str; 24] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// Operating system and version of `windows(10.0.1)`; `None` if it is no such thing.
fn system(text: &str) -> Option<(&str, &str)> {
    let (name, version) = match text.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')')?),
        None => (text, ""),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let versions = version.split('+').enumerate().all(|(at, part)| {
        (at == 0 || !part.is_empty()) && part.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'%'))
    });
    (!name.is_empty() && name.bytes().all(plain) && versions).then_some((name, version))
}

impl FromStr for Platform {
    type Err = Error;

    /// Parses `os`, `os(version)/arch`, `os/arch/variant`, or an architecture alone.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |why: String| Err(Error::Platform(why));
        if text.contains('*') {
            return refused(format!("{text:?}: wildcards not yet supported"));
        }
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let Some((os, version)) = system(parts[0]) else {
            let part = parts[0];
            // The pattern is quoted as Go quotes it, which doubles its backslashes.
            return refused(format!(
                "{part:?} is an invalid OS component of {text:?}: OSAndVersion specifier component must match {SYSTEM:?}"
            ));
        };
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if let Some(part) = parts[1..]
            .iter()
            .find(|part| part.is_empty() || !part.bytes().all(valid))
        {
            return refused(format!(
                "{part:?} is an invalid component of {text:?}: platform specifier component must match {COMPONENT:?}"
            ));
        }
        let host = Self::host();
        let lower = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let (os, (architecture, variant)) = match parts[1..] {
            [] if SYSTEMS.contains(&lower.as_str()) => (lower, (host.architecture, host.variant)),
            [] => {
                let named = normalise(os, "");
                if !ARCHITECTURES.contains(&named.0.as_str()) {
                    return refused(format!("{text:?}: unknown operating system or architecture"));
                }
                (host.os, named)
            }
            [architecture] => (lower, normalise(architecture, "")),
            [architecture, variant] => (lower, normalise(architecture, variant)),
            _ => return refused(format!("{text:?}: cannot parse platform specifier")),
        };
        let mut extra = Extra::new();
        if !version.is_empty() {
            extra.insert("os.version".to_owned(), version.into());
        }
        Ok(Self {
            architecture,
            os,
            extra,
            variant,
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if let Some(version) = self.extra.get("os.version").and_then(|version| version.as_str()) {
            write!(f, "({version})")?;
        }
        write!(f, "/{}", self.architecture)?;
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
    fn odd_platforms_are_refused_in_the_words_of_dockerd() {
        let of = |text: &str| text.parse::<Platform>().unwrap_err().to_string();
        for (text, cause) in [
            ("nope", r#""nope": unknown operating system or architecture"#),
            ("a/b/c/d", r#""a/b/c/d": cannot parse platform specifier"#),
            ("linux/*", r#""linux/*": wildcards not yet supported"#),
            (
                "linux/",
                r#""" is an invalid component of "linux/": platform specifier component must match "^[A-Za-z0-9_.-]+$""#,
            ),
            (
                "linux/am d",
                r#""am d" is an invalid component of "linux/am d": platform specifier component must match "^[A-Za-z0-9_.-]+$""#,
            ),
            (
                "@",
                r#""@" is an invalid OS component of "@": OSAndVersion specifier component must match "^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.%-]*)((?:\\+[A-Za-z0-9_.%-]+)*)\\))?$""#,
            ),
        ] {
            assert_eq!(of(text), format!("{cause}: invalid argument"));
        }
        for text in ["", "/", "windows(", "windows(1)x", "windows(1+)", "a/b/c/d/e"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn platforms_are_shown_as_they_are_known() {
        for (text, shown) in [
            ("LINUX/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("macos/arm64", "darwin/arm64"),
            ("nope/amd64", "nope/amd64"),
            ("aarch64", "linux/arm64"),
            ("windows(10.0.1)/amd64", "windows(10.0.1)/amd64"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), shown);
        }
    }
}
