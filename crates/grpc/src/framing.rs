//! Messages in a body: a byte that says whether it is compressed, four bytes of length, the message.

use crate::Status;
use bytes::{Buf, Bytes, BytesMut};

/// Largest message that either side accepts; containerd's own limit.
pub const MAX_MESSAGE: usize = 16 << 20;
/// Bytes before a message.
const PREFIX: usize = 5;

/// A message with its prefix.
///
/// # Errors
/// `RESOURCE_EXHAUSTED` above [`MAX_MESSAGE`].
pub fn frame(message: &[u8]) -> Result<Bytes, Status> {
    if message.len() > MAX_MESSAGE {
        return Err(too_long(message.len()));
    }
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(0);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    Ok(framed.into())
}

fn too_long(length: usize) -> Status {
    let text = format!("a message of {length} bytes is longer than the {MAX_MESSAGE} allowed");
    Status::new(Status::RESOURCE_EXHAUSTED, text)
}

/// Cuts a body into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether everything was taken out.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next complete message.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` above [`MAX_MESSAGE`], `UNIMPLEMENTED` for a compressed one; the body cannot be followed any
    /// further.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if prefix[0] != 0 {
            return Err(Status::new(
                Status::UNIMPLEMENTED,
                "compressed messages are not read here",
            ));
        }
        if length > MAX_MESSAGE {
            return Err(too_long(length));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_survive_any_cutting(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
            step in 1_usize..20,
        ) {
            let body: Vec<u8> = messages.iter().flat_map(|message| frame(message).unwrap()).collect();
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in body.chunks(step) {
                decoder.push(piece);
                while let Some(message) = decoder.next_message().unwrap() {
                    seen.push(message.to_vec());
                }
            }
            prop_assert!(decoder.is_empty());
            prop_assert_eq!(seen, messages);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_message() {}
        }
    }

    #[test]
    fn what_is_too_long_or_compressed_is_refused_before_it_is_there() {
        let refused = |bytes: &[u8]| {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            decoder.next_message().unwrap_err().code
        };
        assert_eq!(refused(&[0, 0x01, 0, 0, 1]), Status::RESOURCE_EXHAUSTED);
        assert_eq!(refused(&[1, 0, 0, 0, 1]), Status::UNIMPLEMENTED);
        assert_eq!(
            frame(&vec![0; MAX_MESSAGE + 1]).unwrap_err().code,
            Status::RESOURCE_EXHAUSTED
        );
    }
}
