//! The closed set of error kinds that every room maps its errors to.
//!
//! A library crate has one small error enum of its own (`thiserror`), whose texts name the verb, the object and the
//! cause. It implements [`Fault`] to say what *kind* of failure a variant is. Exactly one file maps kinds to HTTP
//! status codes (`api/src/status.rs`) and one maps them to exit codes and hints (`cli`), so that no room below has to
//! know who asks.

use std::error::Error;

/// What kind of failure an error is, seen by the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The named object does not exist.
    NotFound,
    /// The request collides with the object's present state or with another object.
    Conflict,
    /// The request itself is malformed or asks for something that can never be.
    Invalid,
    /// The object is already in the state that was asked for.
    NotModified,
    /// The caller has not proved who they are, or their proof was refused.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// Not served here (yet); asking again will not help.
    NotImplemented,
    /// Something this depends on (a registry, a shim, a peer) does not answer now.
    Unavailable,
    /// A limit was reached: disk full, addresses used up, too many open files.
    Exhausted,
    /// It took longer than allowed.
    Timeout,
    /// The one who asked went away or said stop.
    Cancelled,
    /// Stored or transferred bytes are not what they must be (digest mismatch, truncation).
    DataLoss,
    /// Anything else; a defect, or a kernel that said no.
    Internal,
}

/// An error that knows its [`Kind`].
pub trait Fault: Error + Send + Sync + 'static {
    /// The kind of this failure.
    fn kind(&self) -> Kind;
}

/// A boxed [`Fault`], for seams whose implementations have different error types.
pub type BoxFault = Box<dyn Fault>;

impl<F: Fault> From<F> for BoxFault {
    fn from(fault: F) -> Self {
        Box::new(fault)
    }
}

impl Error for BoxFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        (**self).source()
    }
}

/// The kind that an operating-system error has when nothing more is known about it.
///
/// ```
/// use tierce_fault::{Kind, kind_of_io};
/// assert_eq!(kind_of_io(&std::io::Error::from(std::io::ErrorKind::NotFound)), Kind::NotFound);
/// ```
pub fn kind_of_io(error: &std::io::Error) -> Kind {
    use std::io::ErrorKind as E;
    match error.kind() {
        E::NotFound => Kind::NotFound,
        E::PermissionDenied => Kind::Forbidden,
        E::AlreadyExists => Kind::Conflict,
        E::InvalidInput => Kind::Invalid,
        E::TimedOut => Kind::Timeout,
        E::StorageFull | E::QuotaExceeded | E::FileTooLarge => Kind::Exhausted,
        E::InvalidData | E::UnexpectedEof => Kind::DataLoss,
        E::ConnectionRefused | E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe | E::NotConnected => {
            Kind::Unavailable
        }
        _ => Kind::Internal,
    }
}
