//! What can go wrong here.

use tierce_fault::{Fault, Kind, kind_of_io};
use tierce_sys::netlink::Refusal;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No netlink socket could be opened.
    #[error("open a netfilter netlink socket: {0}")]
    Open(std::io::Error),
    /// The kernel refused a transaction; nothing of it was applied.
    #[error("{verb} {object}: {cause}")]
    Refused {
        /// `add`, `delete`, …
        verb: &'static str,
        /// The object that was refused, as `nft` would write it.
        object: String,
        /// The kernel's words.
        cause: Refusal,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Open(cause) => kind_of_io(cause),
            Self::Refused { cause, .. } => match kind_of_io(&cause.error) {
                kind @ (Kind::Exhausted | Kind::Forbidden) => kind,
                _ => Kind::Internal,
            },
        }
    }
}
