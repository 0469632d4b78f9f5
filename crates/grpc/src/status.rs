//! How a call ended, as trailers say it.

use http::{HeaderMap, HeaderValue};
use std::fmt::Write as _;

/// Longest message in bytes: as long as a header is that everybody takes, also with each byte escaped.
const MOST_TEXT: usize = 4 << 10;

/// A refusal: a code of `google.rpc.Code`, and words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// The code; never 0.
    pub code: i32,
    /// What went wrong.
    pub message: String,
}

impl Status {
    /// Nobody knows what happened.
    pub const UNKNOWN: i32 = 2;
    /// A limit was reached.
    pub const RESOURCE_EXHAUSTED: i32 = 8;
    /// There is no such method.
    pub const UNIMPLEMENTED: i32 = 12;
    /// Bytes do not follow the protocol.
    pub const INTERNAL: i32 = 13;

    /// A refusal. Of a message that is longer than trailers should be its beginning is kept.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MOST_TEXT {
            message.truncate(message.floor_char_boundary(MOST_TEXT - "…".len()));
            message.push('…');
        }
        Self { code, message }
    }

    /// The trailers that say it; `None`: success.
    pub(crate) fn trailers(status: Option<&Self>) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(status.map_or(0, |status| status.code)));
        let message = status.map(|status| escape(&status.message)).unwrap_or_default();
        if let Ok(message) = HeaderValue::from_str(&message)
            && !message.is_empty()
        {
            trailers.insert("grpc-message", message);
        }
        trailers
    }

    /// What trailers, or the headers of an answer without a body, say.
    pub(crate) fn read(trailers: &HeaderMap) -> Result<(), Self> {
        let code = trailers
            .get("grpc-status")
            .and_then(|code| code.to_str().ok()?.parse().ok());
        match code {
            Some(0) => Ok(()),
            Some(code) => {
                let message = trailers
                    .get("grpc-message")
                    .map(HeaderValue::as_bytes)
                    .unwrap_or_default();
                Err(Self::new(code, unescape(message)))
            }
            None => Err(Self::new(Self::UNKNOWN, "the answer ended without a status")),
        }
    }
}

/// Everything but printable ASCII becomes `%XX`, and the percent sign itself.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            escaped.push(byte as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The reverse; what is no escape stays as it is.
fn unescape(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after
            .first_chunk::<2>()
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        plain.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_trailers() {
        for text in ["plain", "100 % of \"it\"\nand more", "größer", "%", "%4", "%zz", ""] {
            let status = Status::new(5, text);
            assert_eq!(Status::read(&Status::trailers(Some(&status))), Err(status));
        }
        assert_eq!(Status::read(&Status::trailers(None)), Ok(()));
        let long = Status::new(5, "größer".repeat(MOST_TEXT));
        assert!(long.message.starts_with("größer") && long.message.ends_with('…'));
        assert!((MOST_TEXT - 8..=MOST_TEXT).contains(&long.message.len()));
        assert_eq!(Status::read(&Status::trailers(Some(&long))), Err(long));
        assert_eq!(Status::read(&HeaderMap::new()).unwrap_err().code, Status::UNKNOWN);
    }
}
