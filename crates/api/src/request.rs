//! A request on its way to its handler.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;
use tierce_api_types::ApiVersion;
use tierce_fault::Kind;

use crate::hijack::Hijacker;
use crate::json_syntax;
use crate::member_names;
use crate::query::Query;
use crate::status::Failure;

/// Longest JSON body of a request in bytes; a create with thousands of options is far below.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How much of a body in bytes is taken in although nobody wants it, and for how long; the size is Go's.
const LEFT_BODY: usize = 256 * 1024;
const LEFT_PATIENCE: Duration = Duration::from_secs(5);
/// How long the sender of a longer one has to hear the answer before it is cut off; also Go's.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// A request with all that HTTP tells of it.
pub(crate) struct Request {
    /// Method, path, headers.
    pub(crate) head: Parts,
    /// What the wildcard of the route stands for, decoded.
    pub(crate) name: String,
    /// What a second one at its end stands for, decoded.
    pub(crate) tail: String,
    /// The query parameters.
    pub(crate) query: Query,
    /// The API version that the client speaks.
    pub(crate) version: ApiVersion,
    /// Takes the connection out of HTTP.
    pub(crate) hijacker: Hijacker,
    /// The body, not read yet.
    pub(crate) body: Unread,
}

/// The body of a request. What a handler leaves of it is taken in all the same, up to a bound, whether its length was
/// told or it comes in chunks: a client that is cut off while it sends does not see the answer.
pub(crate) struct Unread(Option<Incoming>);

impl From<Incoming> for Unread {
    fn from(body: Incoming) -> Self {
        Self(Some(body))
    }
}

impl Unread {
    /// The body, which is its taker's business now.
    pub(crate) fn take(mut self) -> Option<Incoming> {
        self.0.take()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        tokio::spawn(async move {
            // Whoever sends so little so slowly does without.
            let ended = tokio::time::timeout(LEFT_PATIENCE, take_in(&mut body)).await;
            if ended == Ok(false) {
                tokio::time::sleep(LAST_PATIENCE).await;
            }
        });
    }
}

/// Reads [`LEFT_BODY`] of a body; whether that was all.
async fn take_in(body: &mut Incoming) -> bool {
    let mut left = LEFT_BODY;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return false;
        }
        left -= length;
    }
    true
}

impl Request {
    /// Whether the client speaks at least `1.minor`.
    pub(crate) fn speaks(&self, minor: u16) -> bool {
        self.version >= ApiVersion::new(1, minor)
    }

    /// A header's value; empty when it is absent or not text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether the client sent a body, as far as the head tells.
    fn has_body(&self) -> bool {
        self.body.0.as_ref().is_some_and(|body| !body.is_end_stream())
    }

    /// Reads the body as a JSON document, with dockerd's checks and texts; no body at all is the default document.
    pub(crate) async fn json_or_default<T: DeserializeOwned + Default>(&mut self) -> Result<T, Failure> {
        self.check_content_type()?;
        if self.has_body() {
            self.decode().await
        } else {
            Ok(T::default())
        }
    }

    /// Reads the body as a JSON document that must be there.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        self.check_content_type()?;
        self.decode().await
    }

    /// Source: moby `daemon/server/httputils/httputils.go`, `CheckForJSON`.
    fn check_content_type(&self) -> Result<(), Failure> {
        let content_type = self.header(CONTENT_TYPE.as_str());
        if content_type.is_empty() && !self.has_body() {
            return Ok(());
        }
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.is_empty() {
            return Err(Failure::invalid(format!(
                "malformed Content-Type header ({content_type}): mime: no media type"
            )));
        }
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Failure::invalid(format!(
                "unsupported Content-Type header ({content_type}): must be 'application/json'"
            )));
        }
        Ok(())
    }

    async fn decode<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let body = self.read_body().await?;
        let mended = member_names::mended(&body);
        decode_document(mended.as_deref().unwrap_or(&body))
    }

    /// Reads the whole body.
    async fn read_body(&mut self) -> Result<Bytes, Failure> {
        let Some(body) = &mut self.body.0 else {
            return Ok(Bytes::new());
        };
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Failure::invalid(format!(
                "read request body: it is longer than {MAX_BODY} bytes"
            ))),
            Err(error) => Err(Failure::new(Kind::Cancelled, format!("read request body: {error}"))),
        }
    }
}

/// Decodes one document with dockerd's texts. Source: moby `httputils.ReadJSON`.
fn decode_document<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut documents = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    let document = match documents.next() {
        None => return Err(Failure::invalid("invalid JSON: got EOF while reading request body")),
        Some(Err(error)) if error.is_eof() => return Err(Failure::invalid("invalid JSON: unexpected EOF")),
        Some(Err(error)) => {
            let complaint = json_syntax::complaint(bytes).unwrap_or_else(|| error.to_string());
            return Err(Failure::invalid(format!("invalid JSON: {complaint}")));
        }
        Some(Ok(document)) => document,
    };
    if bytes[documents.byte_offset()..].trim_ascii().is_empty() {
        Ok(document)
    } else {
        Err(Failure::invalid("unexpected content after JSON"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn malformed_bodies_have_dockers_texts() {
        let text = |bytes: &str| decode_document::<serde_json::Map<String, Value>>(bytes.as_bytes());
        assert_eq!(
            text("").unwrap_err().message,
            "invalid JSON: got EOF while reading request body"
        );
        assert_eq!(
            text("  \n").unwrap_err().message,
            "invalid JSON: got EOF while reading request body"
        );
        assert_eq!(text("{\"a\":").unwrap_err().message, "invalid JSON: unexpected EOF");
        assert_eq!(text("{} {}").unwrap_err().message, "unexpected content after JSON");
        assert_eq!(
            text("{bad").unwrap_err().message,
            "invalid JSON: invalid character 'b' looking for beginning of object key string"
        );
        assert!(text("[]").unwrap_err().message.starts_with("invalid JSON: "));
        assert!(text("{}\n").is_ok());
    }
}
