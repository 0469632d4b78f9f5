//! What the hub answers when it does not do what it was asked: status, code and words, as the specification has them.

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tierce_fault::{Fault, Kind};

use super::body::{self, Body};
use crate::store::Error;

/// The codes of the specification, and those that docker-registry has beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    NotFound,
    PaginationNumberInvalid,
    RangeInvalid,
    SizeInvalid,
    TagInvalid,
    TooManyRequests,
    Unauthorized,
    Unknown,
    Unsupported,
}

impl Code {
    /// Its name on the wire, and the status that it usually comes with.
    fn wire(self) -> (&'static str, StatusCode) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", StatusCode::BAD_REQUEST),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", StatusCode::NOT_FOUND),
            Self::Denied => ("DENIED", StatusCode::FORBIDDEN),
            Self::DigestInvalid => ("DIGEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", StatusCode::BAD_REQUEST),
            Self::ManifestInvalid => ("MANIFEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", StatusCode::NOT_FOUND),
            Self::NameInvalid => ("NAME_INVALID", StatusCode::BAD_REQUEST),
            Self::NameUnknown => ("NAME_UNKNOWN", StatusCode::NOT_FOUND),
            Self::NotFound => ("UNSUPPORTED", StatusCode::NOT_FOUND),
            Self::PaginationNumberInvalid => ("PAGINATION_NUMBER_INVALID", StatusCode::BAD_REQUEST),
            Self::RangeInvalid => ("RANGE_INVALID", StatusCode::RANGE_NOT_SATISFIABLE),
            Self::SizeInvalid => ("SIZE_INVALID", StatusCode::BAD_REQUEST),
            Self::TagInvalid => ("TAG_INVALID", StatusCode::BAD_REQUEST),
            Self::TooManyRequests => ("TOOMANYREQUESTS", StatusCode::TOO_MANY_REQUESTS),
            Self::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED),
            Self::Unknown => ("UNKNOWN", StatusCode::INTERNAL_SERVER_ERROR),
            Self::Unsupported => ("UNSUPPORTED", StatusCode::METHOD_NOT_ALLOWED),
        }
    }
}

/// A request that is not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) message: String,
    detail: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// One with the usual status of its code.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            status: code.wire().1,
            code,
            message: message.into(),
            detail: Value::Null,
            headers: Vec::new(),
        }
    }

    /// One of a method that a path does not take.
    pub(crate) fn method(method: &Method, allowed: &'static str) -> Self {
        let mut refusal = Self::new(
            Code::Unsupported,
            format!("{method} is not possible here: use {allowed}"),
        );
        refusal.headers.push((ALLOW, HeaderValue::from_static(allowed)));
        refusal
    }

    /// The same with another status.
    pub(crate) fn of_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with what it is about, as detail.
    pub(crate) fn about(mut self, member: &str, value: &str) -> Self {
        self.detail = json!({member: value.chars().take(256).collect::<String>()});
        self
    }

    /// The same with a header; one that cannot be sent is left out.
    pub(crate) fn with(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// The answer.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut error = json!({"code": self.code.wire().0, "message": self.message});
        if !self.detail.is_null() {
            error["detail"] = self.detail;
        }
        let mut response = Response::new(body::full(json!({"errors": [error]}).to_string() + "\n"));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NameUnknown(name) => Self::new(Code::NameUnknown, message).about("name", &name),
            Error::ManifestUnknown { which, .. } => {
                Self::new(Code::ManifestUnknown, message).about("reference", &which)
            }
            Error::BlobUnknown { digest, .. } => Self::new(Code::BlobUnknown, message).about("digest", digest.as_str()),
            Error::ManifestBlobUnknown { digests, .. } => {
                let first = digests.first().map(ToString::to_string).unwrap_or_default();
                Self::new(Code::ManifestBlobUnknown, message).about("digest", &first)
            }
            Error::ManifestInvalid(_) => Self::new(Code::ManifestInvalid, message),
            Error::ManifestTooLong(_) => {
                Self::new(Code::ManifestInvalid, message).of_status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            Error::DigestMismatch { found, .. } => {
                Self::new(Code::DigestInvalid, message).about("digest", found.as_str())
            }
            Error::Algorithm(_) => Self::new(Code::DigestInvalid, message),
            Error::BlobInUse { .. } => Self::new(Code::Denied, message).of_status(StatusCode::METHOD_NOT_ALLOWED),
            Error::UploadUnknown(_) => Self::new(Code::BlobUploadUnknown, message),
            Error::UploadBusy(_) => Self::new(Code::BlobUploadInvalid, message).of_status(StatusCode::CONFLICT),
            Error::TooManyUploads(_) => Self::new(Code::TooManyRequests, message),
            Error::Disk(ref disk) if disk.kind() == Kind::Exhausted => {
                let message = format!("the disk of this registry is full: {message}");
                Self::new(Code::Unknown, message).of_status(StatusCode::INSUFFICIENT_STORAGE)
            }
            Error::Disk(_) | Error::InUse(_) | Error::Random(_) => Self::new(Code::Unknown, message),
        }
    }
}
