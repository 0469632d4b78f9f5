//! The name of a snapshot: 64 hexadecimal characters, optionally `-init`.

use crate::Error;
use std::fmt;
use std::str::FromStr;

const INIT_SUFFIX: &str = "-init";

/// Name of a snapshot's directory: Docker's `cache-id` of a layer, `mount-id` or `init-id` of a container.
///
/// 64 lower-case hexadecimal characters, with `-init` behind for the layer between image and container. Such a name
/// is one safe path component, so it may be joined to a directory without a further check.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheId(Box<str>);

impl CacheId {
    /// A fresh random name.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        use fmt::Write as _;
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
        let mut text = String::with_capacity(64);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text.into()))
    }

    /// The name of the init layer below this container layer.
    #[must_use]
    pub fn init(&self) -> Self {
        if self.is_init() {
            self.clone()
        } else {
            Self(format!("{}{INIT_SUFFIX}", self.0).into())
        }
    }

    /// Whether this names an init layer.
    pub fn is_init(&self) -> bool {
        self.0.ends_with(INIT_SUFFIX)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CacheId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let hex = text.strip_suffix(INIT_SUFFIX).unwrap_or(text);
        if hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.into()))
        } else {
            Err(Error::InvalidId(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for CacheId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CacheId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::CacheId;

    #[test]
    fn row_012_cache_ids_are_random_64_hex() {
        let (a, b) = (CacheId::random().unwrap(), CacheId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 64);
        assert_eq!(a.as_str().parse::<CacheId>().unwrap(), a);
        assert_eq!(a.init().as_str(), format!("{a}-init"));
        assert!(a.init().is_init() && a.init().as_str().parse::<CacheId>().is_ok());
    }

    #[test]
    fn names_that_are_not_one_safe_component_are_refused() {
        for bad in [
            "",
            "..",
            "l",
            "../../etc",
            &"A".repeat(64),
            &"0".repeat(63),
            &format!("{}-x", "0".repeat(64)),
        ] {
            assert!(bad.parse::<CacheId>().is_err(), "{bad}");
        }
    }
}
