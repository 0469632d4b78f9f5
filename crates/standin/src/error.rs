//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line is not what our shim says.
    #[error("{0}")]
    Usage(String),
    /// A file or a program.
    #[error("cannot {verb} {}: {source}", path.display())]
    File {
        verb: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The kernel refused something else.
    #[error("cannot {0}: {1}")]
    Kernel(&'static str, io::Error),
    /// The other shim did not start, or did not answer.
    #[error("the shim {} {cause}", shim.display())]
    Shim { shim: PathBuf, cause: String },
    /// Its own words.
    #[error("{message}")]
    Refused { code: i32, message: String },
}

impl Error {
    /// The other shim does not know what it is asked about, or it has ended.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == tierce_task::status::Code::NotFound as i32)
    }
}

/// For `map_err`: `verb` on `path` failed.
pub(crate) fn file<E: Into<io::Error>>(verb: &'static str, path: &Path) -> impl FnOnce(E) -> Error {
    move |source| Error::File {
        verb,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// For `map_err`: the kernel refused to do that.
pub(crate) fn kernel<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::Kernel(action, source.into())
}
