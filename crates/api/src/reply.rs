//! Answers: a document, nothing, or a stream.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tierce_api_types::ErrorResponse;

use crate::status::{Failure, of_kind};

/// The body of any answer. A failure in the middle of a stream is told in the stream's own way; an error breaks the
/// connection off.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer before the middleware adds the common headers.
pub(crate) struct Reply(pub(crate) Response<Body>);

impl Reply {
    /// 200 without a body.
    pub(crate) fn empty() -> Self {
        Self(Response::new(
            Empty::new().map_err(|never| match never {}).boxed_unsync(),
        ))
    }

    /// 204.
    pub(crate) fn no_content() -> Self {
        Self::empty().with_status(StatusCode::NO_CONTENT)
    }

    /// 200 with a JSON document and, as Go's encoder writes it, a newline.
    pub(crate) fn json<T: Serialize>(document: &T) -> Result<Self, Failure> {
        let mut bytes = serde_json::to_vec(document).map_err(|error| {
            Failure::new(
                tierce_fault::Kind::Internal,
                format!("write the answer as JSON: {error}"),
            )
        })?;
        bytes.push(b'\n');
        Ok(Self::bytes("application/json", bytes))
    }

    /// 200 with some bytes.
    pub(crate) fn bytes(content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self(Response::new(
            Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync(),
        ))
        .with_header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// 200 whose head is sent at once, and each chunk when it is there. The stream is dropped when the client leaves.
    pub(crate) fn stream<S>(content_type: &'static str, chunks: S) -> Self
    where
        S: Stream<Item = Bytes> + Send + 'static,
    {
        Self::transfer(content_type, chunks.map(Ok))
    }

    /// 200 with a stream that may break off.
    pub(crate) fn transfer<S>(content_type: &'static str, chunks: S) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let body = StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data)));
        Self(Response::new(body.boxed_unsync())).with_header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// The answer to a request that failed.
    pub(crate) fn failure(failure: &Failure) -> Self {
        let status = of_kind(failure.kind);
        if status == StatusCode::NOT_MODIFIED {
            return Self::empty().with_status(status);
        }
        let document = ErrorResponse {
            message: failure.message.clone(),
        };
        Self::json(&document)
            .unwrap_or_else(|_| Self::empty())
            .with_status(status)
    }

    /// With another status code.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        *self.0.status_mut() = status;
        self
    }

    /// With a further header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }
}

/// A document as a line of a stream of progress, which dockerd ends as lines end in HTTP (moby `pkg/streamformatter`).
pub(crate) fn progress_line<T: Serialize>(document: &T) -> Bytes {
    let mut bytes = serde_json::to_vec(document).unwrap_or_default();
    bytes.extend_from_slice(b"\r\n");
    bytes.into()
}

/// A document as a line of a stream.
pub(crate) fn json_line<T: Serialize>(document: &T) -> Bytes {
    // Wire types are plain data, whose serialisation cannot fail; an empty line would be skipped by readers.
    let mut bytes = serde_json::to_vec(document).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}
