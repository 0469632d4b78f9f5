//! What can go wrong with a copy.

use std::io;
use std::path::{Path, PathBuf};
use tierce_fault::{Fault, Kind, kind_of_io};

/// A copy that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory cannot take the place of something else. The words are Docker's.
    #[error("cannot copy directory")]
    DirectoryOverFile,
    /// The destination is to be a directory, is not there, and the source is none. The words are Docker's.
    #[error("no such directory")]
    NoDirectory,
    /// What stands above the destination is no directory. The words are Docker's.
    #[error("not a directory")]
    NotDirectory,
    /// There is nothing to copy, or nowhere to copy it to. The words are Docker's.
    #[error("{verb} {}: {what}", path.display())]
    Missing {
        /// The system call that Docker's client makes.
        verb: &'static str,
        /// Of what.
        path: PathBuf,
        /// Its answer.
        what: &'static str,
    },
    /// What cannot be copied to. The words are Docker's.
    #[error("invalid output path: {0}")]
    Output(String),
    /// Links lead to links without an end.
    #[error("too many symlinks in {}", .0.display())]
    Links(PathBuf),
    /// A file of this machine could not be worked on.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// Verb, e.g. "open".
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The archive could not be read or written.
    #[error("cannot {0} the archive: {1}")]
    Stream(&'static str, io::Error),
    /// The archive is damaged.
    #[error(transparent)]
    Archive(#[from] tierce_tar::Error),
    /// An entry is hostile, or stands where it must not.
    #[error("cannot unpack {name:?}: {reason}")]
    Refused {
        /// Its name in the archive.
        name: String,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// What a look at a path came to, in Go's words where it is no file or no directory.
    pub(crate) fn look(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            let what = match error.kind() {
                io::ErrorKind::NotFound => "no such file or directory",
                io::ErrorKind::NotADirectory => "not a directory",
                _ => return Self::io("look at", path)(error),
            };
            Self::Missing {
                verb,
                path: path.to_owned(),
                what,
            }
        }
    }

    /// Wraps an error of the kernel: `.map_err(Error::io("open", path))`.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Refuses an entry.
    pub(crate) fn refused(name: &[u8], reason: impl Into<String>) -> Self {
        Self::Refused {
            name: String::from_utf8_lossy(name).into_owned(),
            reason: reason.into(),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::DirectoryOverFile | Self::NotDirectory | Self::Links(_) | Self::Output(_) | Self::Refused { .. } => {
                Kind::Invalid
            }
            Self::NoDirectory | Self::Missing { .. } => Kind::NotFound,
            Self::Io { source, .. } | Self::Stream(_, source) => kind_of_io(source),
            Self::Archive(error) => error.kind(),
        }
    }
}
