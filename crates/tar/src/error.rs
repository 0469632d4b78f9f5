//! What is wrong with an archive.

use tierce_fault::{Fault, Kind};

/// An archive that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no valid tar.
    #[error("invalid tar archive at byte {offset}: {reason}")]
    Invalid {
        /// Offset in the uncompressed archive.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// It ends in the middle.
    #[error("truncated archive: it ends after {offset} bytes, in the middle of {what}")]
    Truncated {
        /// Length of what came.
        offset: u64,
        /// What was being read.
        what: &'static str,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } => Kind::Invalid,
            Self::Truncated { .. } => Kind::DataLoss,
        }
    }
}
