//! What can go wrong in the shim.

use std::io;
use std::path::Path;

use tierce_fault::{BoxFault, Fault, Kind};
use tierce_task::messages::StatusMessage;
use tierce_task::status;

/// Result of the shim's operations.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A failure; its text names verb, object and cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The kernel refused something.
    #[error("cannot {action}: {source}")]
    Kernel { action: String, source: io::Error },
    /// A request that does not fit, or the account of a runtime or of a child that worked for us.
    #[error("{message}")]
    Refused { kind: Kind, message: String },
}

impl Error {
    /// A refusal in our own words.
    pub(crate) fn refused(kind: Kind, message: impl Into<String>) -> Self {
        Self::Refused {
            kind,
            message: message.into(),
        }
    }

    /// The status that tells a caller of it.
    pub(crate) fn to_status(&self) -> StatusMessage {
        status::message(self.kind().into(), self.to_string())
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Kernel { source, .. } => tierce_fault::kind_of_io(source),
            Self::Refused { kind, .. } => *kind,
        }
    }
}

macro_rules! from_fault {
    ($($type:ty),*) => {
        $(impl From<$type> for Error {
            fn from(error: $type) -> Self {
                Self::Refused { kind: error.kind(), message: error.to_string() }
            }
        })*
    };
}

from_fault!(
    tierce_runtime::Error,
    tierce_cgroup::Error,
    tierce_task::Error,
    tierce_logs::Error,
    tierce_fsops::Error,
    BoxFault
);

/// Names what was being done when the kernel refused.
pub(crate) trait Doing<T> {
    /// `action` is verb and object, as in "cannot {action}: …".
    fn doing(self, action: impl FnOnce() -> String) -> Result<T>;

    /// `verb` on a path.
    fn on(self, verb: &str, path: &Path) -> Result<T>
    where
        Self: Sized,
    {
        self.doing(|| format!("{verb} {}", path.display()))
    }
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Kernel {
            action: action(),
            source: source.into(),
        })
    }
}
