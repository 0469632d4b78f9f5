//! What can go wrong with the user's files.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use tierce_fault::{Fault, Kind, kind_of_io};

/// A failure with the user's files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file makes no sense.
    #[error("cannot read {}: {why}", path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// What is wrong with it; never its content.
        why: String,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// Verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A helper program failed. The words are Docker's.
    #[error("error getting credentials - docker-credential-{name} {verb}: {text}")]
    Helper {
        /// Its name without the prefix.
        name: String,
        /// What it was asked for.
        verb: String,
        /// What it said.
        text: String,
    },
    /// There is no such context. The words are Docker's.
    #[error("context {name:?}: context not found: open {}: no such file or directory", path.display())]
    NoContext {
        /// Its name.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// A name that no context can have. The words are Docker's.
    #[error("{0}")]
    ContextName(String),
    /// An archive of a context that is none.
    #[error("cannot import the context: {0}")]
    Archive(String),
}

impl Error {
    /// Wraps an error of the kernel.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// A file makes no sense.
    pub(crate) fn invalid(path: &Path, why: &dyn Display) -> Self {
        Self::Invalid {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } | Self::ContextName(_) | Self::Archive(_) => Kind::Invalid,
            Self::Io { source, .. } => kind_of_io(source),
            Self::Helper { .. } => Kind::Unavailable,
            Self::NoContext { .. } => Kind::NotFound,
        }
    }
}

impl From<tierce_tar::Error> for Error {
    fn from(error: tierce_tar::Error) -> Self {
        Self::Archive(error.to_string())
    }
}
