//! A volume as a value.

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a new volume is to be.
#[derive(Debug, Clone, Default)]
pub struct Create {
    /// Its name; absent: a generated one, and the volume is anonymous.
    pub name: Option<String>,
    /// Its driver; absent or empty: `local`.
    pub driver: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Free-form labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name; 64 hex digits for an anonymous one.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Where its files are on the host.
    pub mountpoint: PathBuf,
    /// When it was made.
    pub created: Timestamp,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Free-form labels.
    pub labels: BTreeMap<String, String>,
}

impl Volume {
    /// Whether nobody named it.
    pub fn is_anonymous(&self) -> bool {
        self.labels.contains_key(crate::ANONYMOUS_LABEL)
    }
}
