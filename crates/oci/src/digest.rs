//! Content digests and the identifiers made of them.
//!
//! Source: OCI image-spec `descriptor.md#digests`, `config.md#layer-chainid`. SHA-256 and SHA-512 are computed; SHA-384
//! digests are parsed, so that a refusal can name them. Images are known by SHA-256 alone, as at Docker's.

use crate::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;
use std::fmt;
use std::str::FromStr;

/// `algorithm:hex`, lower case, of the right length for the algorithm.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Box<str>);

impl Digest {
    /// The SHA-256 digest of some bytes.
    ///
    /// ```
    /// let empty = tierce_oci::Digest::sha256_of(b"");
    /// assert_eq!(&empty.hex()[..8], "e3b0c442");
    /// ```
    pub fn sha256_of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest with this SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// When it is not 64 lower-case hexadecimal characters.
    pub fn from_sha256_hex(hex: &str) -> Result<Self, Error> {
        format!("sha256:{hex}").parse()
    }

    /// The part before the colon.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The part after the colon.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The first twelve characters of [`Self::hex`], as shown to people.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is of the algorithm that images are known by.
    pub fn is_sha256(&self) -> bool {
        self.algorithm() == "sha256"
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = |why| Err(Error::Digest(text.chars().take(160).collect(), why));
        let Some((algorithm, hex)) = text.split_once(':') else {
            return fail("it has no colon");
        };
        let length = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => return fail("unsupported digest algorithm"),
        };
        if hex.len() != length {
            return fail("invalid checksum digest length");
        }
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return fail("it is not lower-case hexadecimal");
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A running digest; SHA-256 by default.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// One of an algorithm by its name in a digest; `None` where it cannot be computed.
    ///
    /// ```
    /// let mut hasher = tierce_oci::Hasher::of("sha512").expect("a known algorithm");
    /// hasher.update(b"");
    /// assert!(hasher.finish().as_str().starts_with("sha512:cf83e1357eefb8bd"));
    /// assert!(tierce_oci::Hasher::of("md5").is_none());
    /// ```
    pub fn of(algorithm: &str) -> Option<Self> {
        match algorithm {
            "sha256" => Some(Self(State::Sha256(sha2::Sha256::default()))),
            "sha512" => Some(Self(State::Sha512(sha2::Sha512::default()))),
            _ => None,
        }
    }

    /// The algorithm's name in a digest.
    pub fn algorithm(&self) -> &'static str {
        match self.0 {
            State::Sha256(_) => "sha256",
            State::Sha512(_) => "sha512",
        }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        let algorithm = self.algorithm();
        match self.0 {
            State::Sha256(state) => digest(algorithm, &state.finalize()),
            State::Sha512(state) => digest(algorithm, &state.finalize()),
        }
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self(State::Sha256(sha2::Sha256::default()))
    }
}

fn digest(algorithm: &str, hash: &[u8]) -> Digest {
    use fmt::Write as _;
    let mut text = String::with_capacity(algorithm.len() + 1 + 2 * hash.len());
    text.push_str(algorithm);
    text.push(':');
    for byte in hash {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Digest(text.into())
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Digest);

        impl $name {
            /// Hexadecimal part.
            pub fn hex(&self) -> &str {
                self.0.hex()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                text.parse().map(Self)
            }
        }
    };
}

identifier! {
    /// Digest of a layer's uncompressed tar.
    DiffId
}
identifier! {
    /// Identifier of a stack of layers.
    ChainId
}
identifier! {
    /// Digest of an image's configuration document.
    ImageId
}

impl ChainId {
    /// The chain that arises when the layer `diff` is put on `parent` (or on nothing).
    pub fn of(parent: Option<&Self>, diff: &DiffId) -> Self {
        match parent {
            None => Self(diff.0.clone()),
            Some(parent) => Self(Digest::sha256_of(format!("{parent} {diff}").as_bytes())),
        }
    }

    /// The chains of a stack of layers, bottom first: one for each layer.
    pub fn stack<'a>(diffs: impl IntoIterator<Item = &'a DiffId>) -> Vec<Self> {
        let mut chains: Vec<Self> = Vec::new();
        for diff in diffs {
            chains.push(Self::of(chains.last(), diff));
        }
        chains
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn row_011_chain_id_is_the_digest_of_parent_and_diff() {
        let a = DiffId(Digest::sha256_of(b"a"));
        let b = DiffId(Digest::sha256_of(b"b"));
        let stack = ChainId::stack([&a, &b]);
        assert_eq!(stack[0].0, a.0);
        assert_eq!(stack[1].0, Digest::sha256_of(format!("{} {}", a.0, b.0).as_bytes()));
    }

    #[test]
    fn refuses_what_is_no_digest() {
        let long = "f".repeat(64);
        for text in [
            "",
            "sha256",
            "sha256:",
            "md5:00",
            "sha256:zz",
            &format!("sha256:{}", long.to_uppercase()),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        assert!(format!("sha256:{long}").parse::<Digest>().is_ok());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_round_trips(text in "\\PC*") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
                prop_assert_eq!(digest.short().len(), 12);
            }
        }
    }
}
