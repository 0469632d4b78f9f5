//! What can go wrong when tasks are asked for something.

use std::time::Duration;

use tierce_fault::{Fault, Kind};

/// Result of the operations of [`crate::Tasks`].
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of a task operation, or of the protocol under it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No task (or no exec in a task) of this name is known.
    #[error("no such process: {0}")]
    NotFound(crate::ProcessId),
    /// A task or exec of this name exists already.
    #[error("cannot create process {0}: the name is in use")]
    Exists(crate::ProcessId),
    /// The shim answered with an error; its text already names verb, object and cause.
    #[error("{message}")]
    Refused {
        /// What kind of failure the shim reported.
        kind: Kind,
        /// The shim's own words.
        message: String,
    },
    /// The shim could not be started.
    #[error("cannot start the shim of {container}: {cause}")]
    Launch {
        /// Container whose shim did not come up.
        container: String,
        /// What the shim or the kernel said.
        cause: String,
    },
    /// The connection to the shim is gone.
    #[error("cannot {verb} {container}: its shim does not answer: {cause}")]
    Disconnected {
        /// What was being asked for.
        verb: &'static str,
        /// Container whose shim is gone.
        container: String,
        /// Why the connection ended.
        cause: String,
    },
    /// The supervisor, which is a process of its own, cannot be reached. The container is not touched by that.
    #[error("cannot {verb} {container}: the supervisor at {address} is away: {cause}")]
    Away {
        /// What was being asked for.
        verb: &'static str,
        /// The container.
        container: String,
        /// Where the supervisor should be.
        address: String,
        /// Why it is not.
        cause: String,
    },
    /// The shim did not answer in time. It may still carry out what was asked.
    #[error("cannot {verb} {container}: its shim did not answer within {} s", after.as_secs())]
    Timeout {
        /// What was being asked for.
        verb: &'static str,
        /// Container whose shim is slow.
        container: String,
        /// How long was waited.
        after: Duration,
    },
    /// A file of the bundle could not be written, read or removed.
    #[error("cannot {verb} {path}: {source}")]
    Bundle {
        /// What was being done to the file.
        verb: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Bytes of the other side do not follow the protocol.
    #[error("malformed {what} from the other side of the task protocol: {cause}")]
    Malformed {
        /// Which part was being decoded.
        what: &'static str,
        /// What is wrong with it.
        cause: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) => Kind::NotFound,
            Self::Exists(_) => Kind::Conflict,
            Self::Refused { kind, .. } => *kind,
            Self::Launch { .. } => Kind::Internal,
            Self::Disconnected { .. } | Self::Away { .. } => Kind::Unavailable,
            Self::Timeout { .. } => Kind::Timeout,
            Self::Bundle { source, .. } => tierce_fault::kind_of_io(source),
            Self::Malformed { .. } => Kind::DataLoss,
        }
    }
}
