//! API versions: `major.minor`, compared by number.

use std::fmt;
use std::str::FromStr;

/// A version of the Engine API, such as `1.51`.
///
/// ```
/// use tierce_api_types::ApiVersion;
/// assert!("1.9".parse::<ApiVersion>().unwrap() < ApiVersion::MIN);
/// assert_eq!(ApiVersion::MAX.to_string(), "1.51");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// The newest version that is served and asked for.
    pub const MAX: Self = Self::new(1, 51);
    /// The oldest version that is served.
    pub const MIN: Self = Self::new(1, 24);

    /// The version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text that is not `number.number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseVersionError(String);

impl fmt::Display for ParseVersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "read API version {:?}: expected two numbers with a dot between them, such as 1.51",
            self.0
        )
    }
}

impl std::error::Error for ParseVersionError {}

impl FromStr for ApiVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |part: &str| {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| part.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(digits(major)?, digits(minor)?)))
            .ok_or_else(|| ParseVersionError(text.chars().take(32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_087_versions_compare_by_number() {
        let parse = |text: &str| text.parse::<ApiVersion>().unwrap();
        assert!(parse("1.9") < parse("1.24"));
        assert!(parse("1.51") < parse("2.0"));
        for bad in ["", "1", "1.", ".1", "1.x", "1.+5", "1.2.3", "99999.1"] {
            assert!(bad.parse::<ApiVersion>().is_err(), "{bad}");
        }
    }
}
