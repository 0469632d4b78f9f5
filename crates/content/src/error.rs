//! What can go wrong with a blob in flight.

use std::io;
use tierce_fault::{Fault, Kind, kind_of_io};
use tierce_oci::Digest;

/// Failure to take in a blob.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not those of the digest.
    #[error("filesystem layer verification failed for digest {expected}: what came has {actual}")]
    WrongDigest {
        /// The digest asked for.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
        /// Whether some of the bytes were from an earlier, broken transfer. Then another try from the start may do.
        resumed: bool,
    },
    /// There are fewer or more bytes than there should be.
    #[error("cannot verify blob {digest}: received {actual} bytes, expected {expected}")]
    WrongSize {
        /// The blob.
        digest: Digest,
        /// Bytes by its descriptor.
        expected: u64,
        /// Bytes that came, so far.
        actual: u64,
    },
    /// The digest is of an algorithm that is not computed here.
    #[error("cannot verify blob {0}: unsupported digest algorithm")]
    Unsupported(Digest),
    /// The source of the bytes failed.
    #[error("cannot read blob {digest}: {source}")]
    Source {
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// The staging directory cannot be used.
    #[error(transparent)]
    File(#[from] tierce_fsops::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::WrongDigest { .. } | Self::WrongSize { .. } => Kind::DataLoss,
            Self::Unsupported(_) => Kind::Invalid,
            Self::Source { source, .. } => kind_of_io(source),
            Self::File(error) => error.kind(),
        }
    }
}
