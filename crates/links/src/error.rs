//! What can go wrong here.

use rustix::io::Errno;
use tierce_fault::{Fault, Kind, kind_of_io};
use tierce_sys::netlink::Refusal;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket cannot be had, or cannot listen.
    #[error("{0} rtnetlink: {1}")]
    Socket(&'static str, std::io::Error),
    /// The kernel refused a request.
    #[error("{verb} {object}: {cause}")]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// On what.
        object: String,
        /// The kernel's words.
        cause: Refusal,
    },
}

impl Error {
    /// Whether the kernel refused with this error number.
    pub fn is(&self, errno: Errno) -> bool {
        matches!(self, Self::Refused { cause, .. } if cause.is(errno))
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        let cause = match self {
            Self::Socket(_, cause) => cause,
            Self::Refused { cause, .. } => &cause.error,
        };
        match kind_of_io(cause) {
            Kind::Exhausted => Kind::Exhausted,
            _ => Kind::Internal,
        }
    }
}
