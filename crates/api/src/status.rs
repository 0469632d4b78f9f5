//! The one table from kinds of failure to HTTP status codes.
//!
//! Source: moby `daemon/server/httpstatus/status.go`, whose choice clients rely on (for example 409 for a name that is
//! taken, 304 for a container that runs already). Kinds that dockerd does not tell apart are 500 as there.

use hyper::StatusCode;
use tierce_fault::{Fault, Kind};

/// The status code of a kind of failure.
pub fn of_kind(kind: Kind) -> StatusCode {
    match kind {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::NotModified => StatusCode::NOT_MODIFIED,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        // 503 is what dockerd says outside a swarm; a registry that does not answer is 500.
        Kind::Unavailable | Kind::Exhausted | Kind::Timeout | Kind::Cancelled | Kind::DataLoss | Kind::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// A request that failed: what the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is; decides the status code.
    pub kind: Kind,
    /// The text of the answer.
    pub message: String,
}

impl Failure {
    /// A failure of some kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// A malformed request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// An operation that is not served.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(Kind::NotImplemented, message)
    }
}

impl<F: Fault> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self::new(fault.kind(), fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_dockers_status_codes() {
        for (kind, code) in [
            (Kind::NotFound, 404),
            (Kind::Conflict, 409),
            (Kind::Invalid, 400),
            (Kind::NotModified, 304),
            (Kind::Forbidden, 403),
            (Kind::Unauthorized, 401),
            (Kind::NotImplemented, 501),
            (Kind::Unavailable, 500),
            (Kind::Internal, 500),
            (Kind::Exhausted, 500),
        ] {
            assert_eq!(of_kind(kind).as_u16(), code, "{kind:?}");
        }
    }
}
