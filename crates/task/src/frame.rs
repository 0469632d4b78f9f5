//! ttrpc frames, without I/O.
//!
//! ```text
//!  0        4          8      9       10
//!  | length | stream id | kind | flags | payload (length bytes, ≤ 4 MiB) …
//!    u32 BE    u32 BE      u8     u8
//! ```
//! (containerd/ttrpc `PROTOCOL.md`.) A client uses odd stream ids, each once.

use prost::Message;

use crate::messages::{Request, Response, StatusMessage};
use crate::{Error, Result};

/// Bytes before the payload.
pub const HEADER: usize = 10;
/// Largest payload that either side accepts.
pub const MAX_PAYLOAD: usize = 4 << 20;

/// The payload is a [`Request`].
pub const KIND_REQUEST: u8 = 1;
/// The payload is a [`Response`]; ends the stream.
pub const KIND_RESPONSE: u8 = 2;
/// The payload is one message of a stream.
pub const KIND_DATA: u8 = 3;

/// The sender will send no more on this stream.
pub const FLAG_REMOTE_CLOSED: u8 = 1;
/// The sender will send data on this stream.
pub const FLAG_REMOTE_OPEN: u8 = 2;
/// The frame carries no message.
pub const FLAG_NO_DATA: u8 = 4;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which call it belongs to.
    pub stream: u32,
    /// One of the `KIND_` constants; unknown kinds are to be skipped.
    pub kind: u8,
    /// `FLAG_` constants.
    pub flags: u8,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A request frame.
    pub fn request(stream: u32, request: &Request) -> Self {
        Self {
            stream,
            kind: KIND_REQUEST,
            flags: 0,
            payload: request.encode_to_vec(),
        }
    }

    /// A successful answer.
    pub fn response(stream: u32, message: &impl Message) -> Self {
        let response = Response {
            status: None,
            payload: message.encode_to_vec(),
        };
        Self {
            stream,
            kind: KIND_RESPONSE,
            flags: 0,
            payload: response.encode_to_vec(),
        }
    }

    /// A refusal.
    pub fn refusal(stream: u32, status: StatusMessage) -> Self {
        let response = Response {
            status: Some(status),
            payload: Vec::new(),
        };
        Self {
            stream,
            kind: KIND_RESPONSE,
            flags: 0,
            payload: response.encode_to_vec(),
        }
    }

    /// One message of a stream that stays open.
    pub fn data(stream: u32, message: &impl Message) -> Self {
        Self {
            stream,
            kind: KIND_DATA,
            flags: 0,
            payload: message.encode_to_vec(),
        }
    }

    /// Appends the frame's bytes to `out`. A payload above [`MAX_PAYLOAD`] is an error and leaves `out` as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        if self.payload.len() > MAX_PAYLOAD {
            return Err(too_long(self.payload.len()));
        }
        out.reserve(HEADER + self.payload.len());
        out.extend_from_slice(&(self.payload.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.stream.to_be_bytes());
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.payload);
        Ok(())
    }
}

fn too_long(length: usize) -> Error {
    Error::Malformed {
        what: "frame",
        cause: format!("{length} bytes are more than the {MAX_PAYLOAD} allowed"),
    }
}

/// Cuts a byte stream into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame. An error means the stream cannot be followed any further.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        let rest = &self.buffer[self.start..];
        let Some((header, body)) = rest.split_first_chunk::<HEADER>() else {
            self.release();
            return Ok(None);
        };
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if length > MAX_PAYLOAD {
            return Err(too_long(length));
        }
        let Some(payload) = body.get(..length) else {
            return Ok(None);
        };
        let frame = Frame {
            stream: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            kind: header[8],
            flags: header[9],
            payload: payload.to_vec(),
        };
        self.start += HEADER + length;
        Ok(Some(frame))
    }

    /// Gives memory back when nothing is pending: a shim sleeps for days between two calls.
    fn release(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer = Vec::new();
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let frame = (
            any::<u32>(),
            any::<u8>(),
            any::<u8>(),
            prop::collection::vec(any::<u8>(), 0..200),
        )
            .prop_map(|(stream, kind, flags, payload)| Frame {
                stream,
                kind,
                flags,
                payload,
            });
        prop::collection::vec(frame, 0..8)
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(frames in frames(), step in 1_usize..40) {
            let mut bytes = Vec::new();
            for frame in &frames {
                frame.encode(&mut bytes).unwrap();
            }
            let mut decoder = Decoder::new();
            let mut seen = Vec::new();
            for piece in bytes.chunks(step) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push(frame);
                }
            }
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::new();
            decoder.push(&bytes);
            while let Ok(Some(frame)) = decoder.next_frame() {
                let _ = Request::decode(&frame.payload[..]);
                let _ = Response::decode(&frame.payload[..]);
            }
        }
    }

    #[test]
    fn a_frame_of_more_than_4_mib_is_refused_on_both_sides() {
        let mut decoder = Decoder::new();
        decoder.push(&[0, 0x40, 0, 1, 0, 0, 0, 1, 1, 0]);
        assert!(decoder.next_frame().is_err());
        let frame = Frame {
            stream: 1,
            kind: KIND_REQUEST,
            flags: 0,
            payload: vec![0; MAX_PAYLOAD + 1],
        };
        let mut out = Vec::new();
        assert!(frame.encode(&mut out).is_err() && out.is_empty());
    }
}
