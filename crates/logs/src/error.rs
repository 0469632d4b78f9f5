//! What can go wrong with a log.

use std::io;
use std::path::{Path, PathBuf};

use tierce_fault::{Fault, Kind, kind_of_io};

/// Result of this crate's operations.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure to open, read or compress a log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("cannot {verb} log {}: {source}", path.display())]
    File {
        /// What was being done.
        verb: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// An option, or a driver, that there is not.
    #[error("{0}")]
    Option(String),
    /// There is no journal here.
    #[error("journald is not enabled on this host")]
    NoJournal,
    /// No syslog server listens on this machine.
    #[error("Unix syslog delivery error: no server listens on /dev/log (name one by the option syslog-address)")]
    NoSyslog,
    /// A syslog server cannot be reached.
    #[error("cannot reach the syslog server {address}: {source}")]
    Syslog {
        /// Where it should be.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// Waiting for more output failed.
    #[error("cannot wait for output: {0}")]
    Wait(#[source] io::Error),
}

impl Error {
    /// For `map_err`: `verb` on `path` failed.
    pub(crate) fn file<E: Into<io::Error>>(verb: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::File {
            verb,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::File { source, .. } | Self::Wait(source) => kind_of_io(source),
            Self::Option(_) => Kind::Invalid,
            Self::NoJournal | Self::NoSyslog | Self::Syslog { .. } => Kind::Internal,
        }
    }
}
