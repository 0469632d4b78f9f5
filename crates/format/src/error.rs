//! What can be wrong with a form that the user asks for.

use tierce_fault::{Fault, Kind};

/// A form that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A template that is none, or does not fit what it is filled with. In Go's words.
    #[error("template parsing error: {0}")]
    Template(String),
    /// A time that cannot be read. In Docker's words.
    #[error("invalid value for {flag:?}: failed to parse value as time or duration: {value:?}")]
    Moment {
        /// The flag.
        flag: String,
        /// Its value.
        value: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}
