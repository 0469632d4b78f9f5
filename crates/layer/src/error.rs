//! What can go wrong with layers.

use std::io;
use std::path::{Path, PathBuf};
use tierce_fault::{Fault, Kind, kind_of_io};

/// A failure of packing, unpacking or keeping layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// Verb and object, e.g. "create the directory".
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An entry of a layer could not be unpacked.
    #[error("cannot unpack {name:?}: {action}: {source}")]
    Entry {
        /// Name of the entry as in the archive.
        name: String,
        /// What failed.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An entry of a layer is refused: it is hostile or makes no sense.
    #[error("refused to unpack {name:?}: {reason}")]
    Refused {
        /// Name of the entry as in the archive.
        name: String,
        /// Why.
        reason: String,
    },
    /// What is there would change from a directory to something else, or the other way round.
    #[error("cannot overwrite {there} {name:?} with {comes} {destination:?}")]
    InTheWay {
        /// What is there.
        there: &'static str,
        /// Name of the entry as in the archive.
        name: String,
        /// What the entry is.
        comes: &'static str,
        /// The directory that is unpacked into.
        destination: String,
    },
    /// The archive is no valid tar.
    #[error("invalid tar archive at byte {offset}: {reason}")]
    Tar {
        /// Offset in the uncompressed archive.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// The archive ends in the middle.
    #[error("truncated layer: the archive ends after {offset} bytes, in the middle of {what}")]
    Truncated {
        /// Length of what came.
        offset: u64,
        /// What was being read.
        what: &'static str,
    },
    /// The thread that unpacks could not be given a root of its own.
    #[error("cannot confine the unpacking of the layer to its directory: {0}")]
    Room(io::Error),
    /// The layer's stream failed while it was read.
    #[error("cannot read the layer: {0}")]
    Read(io::Error),
    /// The compressed stream is damaged.
    #[error("cannot decompress the layer ({format}): {source}")]
    Decompress {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// A compression that is not read here.
    #[error("the layer is compressed with {0}, which is not supported; use gzip, zstd or none")]
    Compression(&'static str),
    /// The layer is bigger than allowed.
    #[error("the layer exceeds the limit of {limit} {unit}: {subject}")]
    Limit {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
        /// What exceeded it.
        subject: String,
    },
    /// The storage driver failed.
    #[error(transparent)]
    Snapshot(#[from] tierce_snapshot::Error),
    /// A metadata file could not be written or read.
    #[error(transparent)]
    File(#[from] tierce_fsops::Error),
    /// No such layer.
    #[error("layer does not exist: {0}")]
    NotFound(String),
    /// No such container layer.
    #[error("no container layer {0}")]
    NoContainerLayer(String),
    /// A container layer of this name is there already.
    #[error("container layer {0} exists already")]
    Exists(String),
    /// A container's name that is not one safe path component.
    #[error("invalid container id {0:?}")]
    InvalidContainer(String),
    /// A record of the layer database is damaged.
    #[error("damaged layer record {}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The unpacked files no longer give the layer's archive.
    #[error("cannot rebuild the archive of layer {layer}: {reason}")]
    Rebuild {
        /// The layer (or its directory).
        layer: String,
        /// What does not match.
        reason: String,
    },
}

impl From<tierce_tar::Error> for Error {
    fn from(error: tierce_tar::Error) -> Self {
        match error {
            tierce_tar::Error::Invalid { offset, reason } => Self::Tar { offset, reason },
            tierce_tar::Error::Truncated { offset, what } => Self::Truncated { offset, what },
        }
    }
}

impl Error {
    /// Wraps an operating-system error: `.map_err(Error::io("open", &path))`.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Wraps an operating-system error that an entry met.
    pub(crate) fn entry<E: Into<io::Error>>(action: &'static str, name: &[u8]) -> impl FnOnce(E) -> Self {
        move |source| Self::Entry {
            name: printable(name),
            action,
            source: source.into(),
        }
    }

    /// Refuses an entry.
    pub(crate) fn refused(name: &[u8], reason: impl Into<String>) -> Self {
        Self::Refused {
            name: printable(name),
            reason: reason.into(),
        }
    }
}

/// A name from an archive as text of bounded length.
pub(crate) fn printable(name: &[u8]) -> String {
    const SHOWN: usize = 200;
    let text = String::from_utf8_lossy(&name[..name.len().min(SHOWN)]).into_owned();
    if name.len() > SHOWN { format!("{text}…") } else { text }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } | Self::Read(source) | Self::Room(source) => kind_of_io(source),
            Self::Entry { source, .. } => match kind_of_io(source) {
                kind @ (Kind::Exhausted | Kind::Forbidden) => kind,
                _ => Kind::Invalid,
            },
            Self::Refused { .. } | Self::Tar { .. } | Self::Compression(_) | Self::InvalidContainer(_) => Kind::Invalid,
            // As dockerd, whose clients read the text.
            Self::InTheWay { .. } => Kind::Internal,
            Self::Truncated { .. } | Self::Decompress { .. } | Self::Corrupt { .. } | Self::Rebuild { .. } => {
                Kind::DataLoss
            }
            Self::Limit { .. } => Kind::Exhausted,
            Self::Snapshot(error) => error.kind(),
            Self::File(error) => error.kind(),
            Self::NotFound(_) | Self::NoContainerLayer(_) => Kind::NotFound,
            Self::Exists(_) => Kind::Conflict,
        }
    }
}
