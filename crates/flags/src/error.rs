//! A flag that makes no sense.

use tierce_fault::{Fault, Kind};

/// A command line that cannot be meant, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    /// What is wrong with it.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}
