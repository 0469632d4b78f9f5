//! What can be wrong with a name or a document.

use tierce_fault::{Fault, Kind};

/// A name or document that cannot be accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not `algorithm:hex` with the right length.
    #[error("invalid digest {0:?}: {1}")]
    Digest(String, &'static str),
    /// Not an image reference.
    #[error("invalid reference format{}", .0.map(|why| format!(": {why}")).unwrap_or_default())]
    Reference(Option<&'static str>),
    /// A repository with capital letters.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// Not a tag.
    #[error("invalid tag format")]
    Tag,
    /// Not a pattern for references.
    #[error("syntax error in pattern")]
    Pattern,
    /// Not `os[/arch[/variant]]`.
    #[error("{0}: invalid argument")]
    Platform(String),
    /// JSON that does not fit the document.
    #[error("parse {document}: {place}{source}")]
    Json {
        /// Which document.
        document: String,
        /// The member, with a colon behind it; empty for the document itself.
        place: String,
        /// What the parser said, with line and column.
        source: serde_json::Error,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}
