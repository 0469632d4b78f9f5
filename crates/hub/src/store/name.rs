//! Names of repositories and tags, which strangers choose and which become names of files here.

use std::fmt;

use tierce_oci::{Digest, Reference};

/// A domain to put before a repository, so that the grammar of references checks it.
const ANY_DOMAIN: &str = "localhost";

/// A repository: components of `[a-z0-9]+` with separators inside, joined by `/`. No component begins with `_` or `.`,
/// so that it can be a directory beside the hub's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    /// Checks a name; `None` when it is none, or longer than Docker takes with a host before it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let reference = Reference::parse(&format!("{ANY_DOMAIN}/{text}")).ok()?;
        (reference.path() == text && reference.tag().is_none() && reference.digest().is_none())
            .then(|| Self(text.to_owned()))
    }

    /// The name as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag: at most 128 of letters, digits, `_`, `.` and `-`, neither of the last two in front.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tag(String);

impl Tag {
    /// Checks a tag.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let reference = Reference::parse(ANY_DOMAIN).ok()?;
        reference.with_tag(text).ok().map(|_| Self(text.to_owned()))
    }

    /// The tag as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a request names a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// By what it is called now.
    Tag(Tag),
    /// By what it is.
    Digest(Digest),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_directory_are_none() {
        for name in ["app", "a/b/c", "lib__x/y.z-w", "uploads", "blobs/manifests"] {
            assert_eq!(Name::parse(name).unwrap().as_str(), name);
        }
        let long = "a".repeat(300);
        for name in [
            "",
            ".",
            "..",
            "a/../b",
            "/a",
            "a/",
            "a//b",
            "_tags",
            "a/_blobs",
            ".hidden",
            "A",
            "a:b",
            "a b",
            "a\0b",
            "a%2fb",
            &format!("a@sha256:{}", "0".repeat(64)),
            &long,
        ] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
        let long = "t".repeat(129);
        for tag in ["", ".", "..", ".tmp", "-a", "a/b", "a:b", "a b", "ä", &long] {
            assert_eq!(Tag::parse(tag), None, "{tag}");
        }
        assert!(Tag::parse("_1.2-3").is_some());
    }
}
