//! The only place that knows all log drivers.

pub mod json_file;

use crate::{Driver, Result};

/// A driver with its parsed options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Target {
    /// Docker's `none`: output is seen by attached clients only.
    #[default]
    None,
    /// Docker's `json-file`.
    JsonFile(json_file::Options),
}

/// Opens the log for writing; `None` where nothing is logged.
pub fn open(target: &Target) -> Result<Option<Box<dyn Driver>>> {
    match target {
        Target::None => Ok(None),
        Target::JsonFile(options) => Ok(Some(Box::new(json_file::Writer::open(options.clone())?))),
    }
}
