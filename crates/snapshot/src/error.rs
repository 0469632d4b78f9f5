//! What can go wrong with snapshots.

use std::io;
use std::path::{Path, PathBuf};
use tierce_fault::{Fault, Kind, kind_of_io};

/// A failure of a snapshot driver.
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
    /// The kernel gave no random bytes.
    #[error("cannot make a random name for a snapshot: {0}")]
    Random(String),
    /// A name that is not 64 hexadecimal characters (and perhaps `-init`).
    #[error("invalid snapshot name {0:?}: it must be 64 hexadecimal characters, optionally with -init")]
    InvalidId(String),
    /// No such snapshot.
    #[error("no snapshot {id} in {}", root.display())]
    NotFound {
        /// The name that was asked for.
        id: String,
        /// The driver's directory.
        root: PathBuf,
    },
    /// The snapshot is there already.
    #[error("snapshot {0} exists already")]
    Exists(String),
    /// The stack would be deeper than the kernel mounts.
    #[error("cannot put snapshot {id} on {depth} layers: overlay mounts at most {max}")]
    TooDeep {
        /// The new snapshot.
        id: String,
        /// Layers below it.
        depth: usize,
        /// The limit.
        max: usize,
    },
    /// A record on disk is not what a driver writes.
    #[error("damaged snapshot record {}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A driver of this name never existed.
    #[error("unknown storage driver {name:?}: choose one of {served}")]
    UnknownDriver {
        /// The name that was asked for.
        name: String,
        /// Names that work here.
        served: String,
    },
    /// A driver that is known, but is not served.
    #[error("storage driver {name} is not served: {reason}")]
    UnservedDriver {
        /// The driver.
        name: String,
        /// Why, and what to use instead.
        reason: &'static str,
    },
    /// More than one driver has left something, and none was asked for. The words are Docker's.
    #[error(
        "{} contains several valid graphdrivers: {names}; cleanup or explicitly choose storage driver (--storage-driver <DRIVER>)",
        root.display()
    )]
    SeveralDrivers {
        /// The data root.
        root: PathBuf,
        /// The drivers.
        names: String,
    },
    /// The driver cannot work on this machine or directory.
    #[error("storage driver {driver} cannot be used on {}: {missing}", root.display())]
    Unusable {
        /// The driver.
        driver: &'static str,
        /// The data root.
        root: PathBuf,
        /// Which check failed, and the command that mends it.
        missing: String,
    },
    /// A `--storage-opt` that the driver does not have or cannot read.
    #[error("invalid storage option {option:?} of driver {driver}: {reason}")]
    Option {
        /// The driver.
        driver: &'static str,
        /// The option as given.
        option: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A `--storage-opt` of a container that its driver does not have or cannot keep; in Docker's words.
    #[error("{0}")]
    StorageOption(String),
    /// Mount options that no form of the mount call can carry.
    #[error("cannot mount {}: its options take {length} bytes, more than one page", target.display())]
    OptionsTooLong {
        /// Where it should have been mounted.
        target: PathBuf,
        /// Their length.
        length: usize,
    },
}

impl Error {
    /// Wraps an operating-system error: `.map_err(Error::io("create the directory", &path))`.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => kind_of_io(source),
            // Docker answers so, too.
            Self::Random(_) | Self::StorageOption(_) => Kind::Internal,
            Self::InvalidId(_) | Self::UnknownDriver { .. } | Self::Option { .. } => Kind::Invalid,
            Self::TooDeep { .. } | Self::OptionsTooLong { .. } => Kind::Exhausted,
            Self::NotFound { .. } => Kind::NotFound,
            Self::Exists(_) | Self::SeveralDrivers { .. } => Kind::Conflict,
            Self::Corrupt { .. } => Kind::DataLoss,
            Self::UnservedDriver { .. } | Self::Unusable { .. } => Kind::NotImplemented,
        }
    }
}
