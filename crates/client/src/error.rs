//! What a call to a daemon can end in.

use tierce_fault::{Fault, Kind, kind_of_io};

use crate::Endpoint;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An endpoint that cannot be understood.
    #[error("parse daemon address {endpoint:?}: {why}")]
    InvalidEndpoint {
        /// The text.
        endpoint: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nobody listens there, or not to us.
    #[error("connect to the daemon at {endpoint}: {source}; is the daemon running?")]
    Connect {
        /// Where.
        endpoint: Endpoint,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate or key that cannot be used.
    #[error("could not read {}: {}", .0.path.display(), .0.cause)]
    Tls(#[from] tierce_tls::Error),
    /// The daemon refused; its own text.
    #[error("{message}")]
    Status {
        /// HTTP status code.
        status: u16,
        /// The daemon's message.
        message: String,
    },
    /// The conversation broke off.
    #[error("talk to the daemon about {operation}: {source}")]
    Http {
        /// Method and path.
        operation: String,
        /// What went wrong.
        source: hyper::Error,
    },
    /// The answer is not what the API promises.
    #[error("read the daemon's answer to {operation}: {source}")]
    Decode {
        /// Method and path.
        operation: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A request that cannot be put into HTTP.
    #[error("form request {operation}: {why}")]
    Request {
        /// Method and path.
        operation: String,
        /// What is wrong with it.
        why: String,
    },
    /// Reading from or writing to a stream failed.
    #[error("copy stream: {0}")]
    Stream(#[from] std::io::Error),
}

impl Error {
    /// HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::InvalidEndpoint { .. } | Self::Request { .. } | Self::Tls(_) => Kind::Invalid,
            Self::Connect { .. } | Self::Http { .. } => Kind::Unavailable,
            Self::Status { status, .. } => kind_of_status(*status),
            Self::Decode { .. } => Kind::DataLoss,
            Self::Stream(error) => kind_of_io(error),
        }
    }
}

/// The kind behind a status code: the way back of the server's table.
fn kind_of_status(status: u16) -> Kind {
    match status {
        304 => Kind::NotModified,
        400 => Kind::Invalid,
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        501 => Kind::NotImplemented,
        503 => Kind::Unavailable,
        504 => Kind::Timeout,
        507 => Kind::Exhausted,
        _ => Kind::Internal,
    }
}
