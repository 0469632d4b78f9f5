//! gRPC status codes, and the failure kinds they stand for.

use tierce_fault::Kind;

use crate::messages::StatusMessage;

/// Codes of `google.rpc.Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are gRPC's, and documented there")]
#[repr(i32)]
pub enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl From<Kind> for Code {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::NotFound => Self::NotFound,
            Kind::Conflict | Kind::NotModified => Self::FailedPrecondition,
            Kind::Invalid => Self::InvalidArgument,
            Kind::Unauthorized => Self::Unauthenticated,
            Kind::Forbidden => Self::PermissionDenied,
            Kind::NotImplemented => Self::Unimplemented,
            Kind::Unavailable => Self::Unavailable,
            Kind::Exhausted => Self::ResourceExhausted,
            Kind::Timeout => Self::DeadlineExceeded,
            Kind::Cancelled => Self::Cancelled,
            Kind::DataLoss => Self::DataLoss,
            Kind::Internal => Self::Internal,
        }
    }
}

/// The failure kind of a status code from the wire; codes nobody knows are `Internal`.
pub fn kind_of_code(code: i32) -> Kind {
    match code {
        1 => Kind::Cancelled,
        3 | 11 => Kind::Invalid,
        4 => Kind::Timeout,
        5 => Kind::NotFound,
        6 | 9 | 10 => Kind::Conflict,
        7 => Kind::Forbidden,
        8 => Kind::Exhausted,
        12 => Kind::NotImplemented,
        14 => Kind::Unavailable,
        15 => Kind::DataLoss,
        16 => Kind::Unauthorized,
        _ => Kind::Internal,
    }
}

/// A status for the wire.
pub fn message(code: Code, text: impl Into<String>) -> StatusMessage {
    StatusMessage {
        code: code as i32,
        message: text.into(),
        details: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_the_wire() {
        use Kind::*;
        for kind in [
            NotFound,
            Conflict,
            Invalid,
            Unauthorized,
            Forbidden,
            NotImplemented,
            Unavailable,
            Exhausted,
            Timeout,
            Cancelled,
            DataLoss,
            Internal,
        ] {
            assert_eq!(kind_of_code(Code::from(kind) as i32), kind);
        }
        assert_eq!(kind_of_code(99), Internal);
    }
}
