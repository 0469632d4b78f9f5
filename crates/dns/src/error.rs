//! What fails between the engine and the server.

use std::io;
use std::path::PathBuf;
use tierce_fault::{Fault, Kind};

/// Failures of the engine's side.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's program cannot be started.
    #[error("cannot start the DNS server {}: {cause}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The server does not answer.
    #[error("cannot talk to the DNS server at {}: {cause}", socket.display())]
    Talk {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The server could not do it.
    #[error("the DNS server cannot serve the container: {0}")]
    Refused(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Talk { .. } => Kind::Unavailable,
            Self::Start { .. } | Self::Refused(_) => Kind::Internal,
        }
    }
}
