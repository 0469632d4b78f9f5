//! What can go wrong between us and a registry.

use crate::Refusal;
use std::time::Duration;
use tierce_fault::{Fault, Kind};
use tierce_oci::Digest;

/// Failure of a request to a registry. Texts of transport failures have the form of Go's `url.Error`, which Docker's
/// users know: verb, address, cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer: the host is not found, refuses, resets, or TLS fails.
    #[error("Get \"{url}\": {cause}")]
    Unreachable {
        /// Address asked.
        url: String,
        /// Why.
        cause: String,
    },
    /// The other side keeps silent.
    #[error("Get \"{url}\": {waited_for} took longer than {}", seconds(.limit))]
    TimedOut {
        /// Address asked.
        url: String,
        /// What did not come.
        waited_for: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The registry answered with an error.
    #[error("{refusal}")]
    Refused {
        /// Address asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// What the registry said.
        refusal: Refusal,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The registry wants credentials and there are none, or they do not fit.
    #[error("Get \"{url}\": {cause}")]
    Unauthorized {
        /// Address asked.
        url: String,
        /// Why.
        cause: String,
    },
    /// The proof of who asks ran out in the middle of an upload; there is a new one.
    #[error("cannot go on with the upload to {url}: the authorization expired")]
    ProofExpired {
        /// Address asked.
        url: String,
    },
    /// The registry does not take the credentials.
    #[error("login attempt to {url} failed with status: {status} {}", reason(*.status))]
    LoginFailed {
        /// Address asked.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// What was to be uploaded could not be read.
    #[error("cannot read what is to be uploaded: {cause}")]
    Source {
        /// Why.
        cause: String,
    },
    /// The answer is not what the protocol says.
    #[error("cannot use the answer of {url}: {cause}")]
    Malformed {
        /// Address asked.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The answer is longer than it may be.
    #[error("cannot read {object} from {url}: it has more than {limit} bytes")]
    TooLarge {
        /// Address asked.
        url: String,
        /// What was read.
        object: String,
        /// How many bytes were allowed.
        limit: u64,
    },
    /// The content is not what its digest says.
    #[error("{object} verification failed for digest {expected}: what came from {url} has {actual}")]
    WrongDigest {
        /// Address asked.
        url: String,
        /// What was read.
        object: &'static str,
        /// Digest asked for.
        expected: Digest,
        /// Digest of what came.
        actual: Digest,
    },
    /// The content has not the size that its descriptor says.
    #[error("cannot read {object} from {url}: it has {actual} bytes, its descriptor says {expected}")]
    WrongSize {
        /// Address asked.
        url: String,
        /// What was read.
        object: String,
        /// Bytes by the descriptor.
        expected: u64,
        /// Bytes that came or were announced.
        actual: u64,
    },
    /// A redirect that is not followed.
    #[error("Get \"{url}\": refused the redirect to {target}: {cause}")]
    Redirect {
        /// Address asked.
        url: String,
        /// Where it leads.
        target: String,
        /// Why it is not followed.
        cause: &'static str,
    },
    /// Certificates of `certs.d` that cannot be used.
    #[error(transparent)]
    Certificate(#[from] tierce_tls::Error),
    /// Settings that make no sense.
    #[error("cannot use {what} {value:?}: {cause}")]
    BadConfig {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: String,
        /// Why.
        cause: String,
    },
}

fn seconds(limit: &Duration) -> String {
    format!("{}s", limit.as_secs_f64())
}

/// The words of a status.
fn reason(status: u16) -> &'static str {
    let known = http::StatusCode::from_u16(status).ok();
    known.and_then(|known| known.canonical_reason()).unwrap_or_default()
}

impl Error {
    /// What the registry said, when it answered with an error.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// Whether asking again may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::ProofExpired { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { .. } | Self::ProofExpired { .. } => Kind::Unavailable,
            Self::TimedOut { .. } => Kind::Timeout,
            Self::Refused { status, refusal, .. } => match (refusal.code.as_str(), status) {
                ("MANIFEST_UNKNOWN" | "NAME_UNKNOWN" | "BLOB_UNKNOWN", _) | (_, 404) => Kind::NotFound,
                ("UNAUTHORIZED", _) | (_, 401) => Kind::Unauthorized,
                ("DENIED", _) | (_, 403) => Kind::Forbidden,
                (_, 400..=499) if *status != 429 => Kind::Invalid,
                _ => Kind::Unavailable,
            },
            Self::LoginFailed { status, .. } if *status >= 500 => Kind::Unavailable,
            // dockerd answers 500: it is not the client who is refused, but what it asked to have tried.
            Self::LoginFailed { .. } | Self::Source { .. } => Kind::Internal,
            Self::Unauthorized { .. } => Kind::Unauthorized,
            Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::WrongDigest { .. }
            | Self::WrongSize { .. }
            | Self::Redirect { .. } => Kind::DataLoss,
            Self::BadConfig { .. } | Self::Certificate(_) => Kind::Invalid,
        }
    }
}
