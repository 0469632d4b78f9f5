//! What can go wrong with a record.

use std::path::PathBuf;
use tierce_fault::{Fault, Kind};

/// Failure of a record store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of a record cannot be the name of a file.
    #[error(
        "cannot name a record {name:?}: only letters, digits, '_', '-' and inner '.' are allowed, 1 to 200 of them"
    )]
    BadName {
        /// The refused name.
        name: String,
    },
    /// The record does not exist.
    #[error("cannot read record {name}: no such record in {directory}")]
    NotFound {
        /// Name of the record.
        name: String,
        /// Directory of the collection.
        directory: PathBuf,
    },
    /// The bytes of the record are not the document they should be.
    #[error("cannot read record {path}: {source}")]
    Damaged {
        /// File of the record.
        path: PathBuf,
        /// Why it does not parse.
        source: serde_json::Error,
    },
    /// A bolt database cannot be understood.
    #[error("cannot read the database {path}: {what}")]
    BoltDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another process has a database open.
    #[error(
        "cannot open the database {path}: another process has it open; stop the dockerd or tierced that uses this data \
         root"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A value cannot be written as JSON.
    #[error("cannot encode record {name}: {source}")]
    Encode {
        /// Name of the record.
        name: String,
        /// Why it does not encode.
        source: serde_json::Error,
    },
    /// The file system said no.
    #[error(transparent)]
    File(#[from] tierce_fsops::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::BadName { .. } => Kind::Invalid,
            Self::NotFound { .. } => Kind::NotFound,
            Self::Damaged { .. } | Self::BoltDamaged { .. } => Kind::DataLoss,
            Self::Locked { .. } => Kind::Conflict,
            Self::Encode { .. } => Kind::Internal,
            Self::File(error) => error.kind(),
        }
    }
}
