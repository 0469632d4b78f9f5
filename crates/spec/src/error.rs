//! Why a container cannot be what it is asked to be, in dockerd's words.

use std::path::PathBuf;
use tierce_fault::{BoxFault, Fault, Kind, kind_of_io};

/// Result of a check or of a section.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A request that is refused, or a look at the host that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request can never succeed as it is.
    #[error("{0}")]
    Invalid(String),
    /// A file of the host could not be looked at.
    #[error("{verb} {path}: {source}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A room below failed; the text is its own.
    #[error(transparent)]
    Below(BoxFault),
    /// The host is not as it must be for this.
    #[error("{0}")]
    Host(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::File { source, .. } => kind_of_io(source),
            Self::Below(source) => source.kind(),
            Self::Host(_) => Kind::Internal,
        }
    }
}

impl Error {
    /// Passes a lower room's failure up as it is.
    pub(crate) fn below(source: impl Into<BoxFault>) -> Self {
        Self::Below(source.into())
    }

    /// A failed look at a file.
    pub(crate) fn file(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { verb, path, source }
    }
}
