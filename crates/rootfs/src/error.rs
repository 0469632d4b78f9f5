//! What can go wrong with a container's file system.

use rustix::io::Errno;
use tierce_fault::{Fault, Kind};
use tierce_sys::Cause;

/// Why a root file system could not be planned or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The document asks for something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// A step that tells more than a verb, an object and a cause.
    #[error("{text}")]
    Step {
        /// What kind of failure it was.
        kind: Kind,
        /// The account of it.
        text: String,
    },
    /// The kernel said no; the action is the verb with its object.
    #[error("{action}: {}", Cause(*.source))]
    Kernel {
        /// Verb and object.
        action: String,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
}

/// Gives a kernel's answer its verb and object.
pub(crate) trait Doing<T> {
    /// Says what was being done.
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, Errno> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Kernel {
            action: action(),
            source,
        })
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
            .doing(action)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::Step { kind, .. } => *kind,
            Self::Kernel { source, .. } => tierce_fault::kind_of_io(&(*source).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_names_verb_object_and_cause() {
        let error = Err::<(), _>(Errno::NOENT)
            .doing(|| "open /x".into())
            .map_err(|error| error.to_string());
        assert_eq!(error, Err("open /x: no such file or directory".into()));
    }
}
