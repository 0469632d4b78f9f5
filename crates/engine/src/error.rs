//! What can go wrong in a use-case, in the words of Docker's engine wherever clients match on them.

use tierce_fault::{BoxFault, Fault, Kind};

/// Result of a use-case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A use-case that failed. The texts are what an API client is shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No container has this name, id or id prefix.
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    /// No exec instance has this id.
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    /// An id prefix that several containers share.
    #[error("multiple IDs found with provided prefix: {0}")]
    AmbiguousPrefix(String),
    /// Another container has the name.
    #[error(
        "Conflict. The container name {name:?} is already in use by container {holder:?}. You have to remove (or rename) \
         that container to be able to reuse that name."
    )]
    NameInUse {
        /// The wanted name, with its leading slash.
        name: String,
        /// Id of the container that has it.
        holder: String,
    },
    /// The request can never succeed as it is.
    #[error("{0}")]
    Invalid(String),
    /// A value of the request is refused by a pure check of another room.
    #[error("{0}")]
    Conflict(String),
    /// The object is in that state already.
    #[error("{0}")]
    NotModified(String),
    /// The named thing (not a container) does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Not served for this container or driver.
    #[error("{0}")]
    NotImplemented(String),
    /// The runtime could not make or start the process. Docker reports these as 400 (the program is at fault: exit
    /// codes 126 and 127) or 500.
    #[error("{message}")]
    Runtime {
        /// The whole text, as dockerd would say it.
        message: String,
        /// What the container's exit code is set to.
        exit_code: i32,
    },
    /// A file of a container could not be read or written.
    #[error("{verb} {path}: {source}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// On which path.
        path: std::path::PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A record on disk is not what it must be.
    #[error("read container record {path}: {source}")]
    Record {
        /// The file.
        path: std::path::PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A room below failed; the text is its own.
    #[error("{context}{source}")]
    Below {
        /// Words before the room's own text (`""`, or ending in `": "`).
        context: String,
        /// The room's error.
        source: BoxFault,
    },
    /// A defect: a task of this process ended before it answered.
    #[error("{0}")]
    Internal(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchContainer(_) | Self::NoSuchExec(_) | Self::NotFound(_) => Kind::NotFound,
            Self::AmbiguousPrefix(_)
            | Self::Invalid(_)
            | Self::Runtime {
                exit_code: 126 | 127, ..
            } => Kind::Invalid,
            Self::NameInUse { .. } | Self::Conflict(_) => Kind::Conflict,
            Self::NotModified(_) => Kind::NotModified,
            Self::NotImplemented(_) => Kind::NotImplemented,
            Self::File { source, .. } => tierce_fault::kind_of_io(source),
            Self::Record { .. } => Kind::DataLoss,
            Self::Below { source, .. } => source.kind(),
            Self::Runtime { .. } | Self::Internal(_) => Kind::Internal,
        }
    }
}

impl From<tierce_events::InvalidFilter> for Error {
    fn from(error: tierce_events::InvalidFilter) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<tierce_spec::Error> for Error {
    fn from(error: tierce_spec::Error) -> Self {
        Self::below(error)
    }
}

impl Error {
    /// Passes a lower room's failure up as it is.
    pub fn below(source: impl Into<BoxFault>) -> Self {
        Self::Below {
            context: String::new(),
            source: source.into(),
        }
    }

    /// Passes a lower room's failure up with words before it.
    pub fn below_with(context: impl Into<String>, source: impl Into<BoxFault>) -> Self {
        Self::Below {
            context: context.into(),
            source: source.into(),
        }
    }

    /// A failed file operation.
    pub(crate) fn file(verb: &'static str, path: impl Into<std::path::PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { verb, path, source }
    }
}
