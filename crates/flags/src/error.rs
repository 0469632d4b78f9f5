//! A flag that makes no sense.

use std::path::Path;
use tierce_fault::{Fault, Kind};

/// A command line that cannot be meant, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A flag that nobody knows.
    #[error("{0}")]
    Unknown(String),
    /// Flags or values that make no sense.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// What is wrong with it.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// A file that cannot be read, in Go's words.
    pub(crate) fn opening(path: &Path, error: &std::io::Error) -> Self {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
            _ => error.to_string(),
        };
        Self::Usage(format!("open {}: {why}", path.display()))
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}
