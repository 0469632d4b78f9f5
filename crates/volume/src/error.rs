//! What can go wrong with a volume. Texts follow Docker's where clients match on them.

use std::path::PathBuf;
use tierce_fault::{Fault, Kind, kind_of_io};

/// A volume operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No volume of that name.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// Containers use it.
    #[error("remove {name}: volume is in use - [{}]", holders.join(", "))]
    InUse {
        /// The volume.
        name: String,
        /// Ids of the containers.
        holders: Vec<String>,
    },
    /// The name cannot be a directory's, or could be confused with a path.
    #[error(
        "create {0}: {0:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
         allowed. If you intended to pass a host directory, use absolute path"
    )]
    InvalidName(String),
    /// A volume of that name exists with another driver.
    #[error("a volume named {name} already exists with the {existing} driver. Choose a different volume name")]
    OtherDriver {
        /// The name.
        name: String,
        /// Driver of the volume that exists.
        existing: String,
    },
    /// No driver of that name.
    #[error("error looking up volume plugin {0}: plugin {0:?} not found")]
    UnknownDriver(String),
    /// An option that the driver does not have, or that contradicts another.
    #[error("create {name}: {why}")]
    InvalidOption {
        /// The volume.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Its file system could not be mounted.
    #[error("failed to mount local volume: mount {device}:{}, flags: {flags}, data: {data}: {source}", target.display())]
    Mount {
        /// What was mounted.
        device: String,
        /// Where.
        target: PathBuf,
        /// Mount options.
        flags: String,
        /// Options of the file system.
        data: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A file operation failed.
    #[error("{verb} {}: {source}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file operation of the room below failed.
    #[error(transparent)]
    Below(#[from] tierce_fsops::Error),
    /// The database of labels failed.
    #[error(transparent)]
    Store(#[from] tierce_store::Error),
}

impl Error {
    pub(crate) fn file<E: Into<std::io::Error>>(
        verb: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::File {
            verb,
            path,
            source: source.into(),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) | Self::UnknownDriver(_) => Kind::NotFound,
            Self::InUse { .. } | Self::OtherDriver { .. } => Kind::Conflict,
            Self::InvalidName(_) | Self::InvalidOption { .. } => Kind::Invalid,
            Self::Mount { .. } => Kind::Internal,
            Self::File { source, .. } => kind_of_io(source),
            Self::Below(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }
}
