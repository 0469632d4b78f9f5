//! Docker's frames around output, put on and taken off where what the client expects is not what the process gives.

use tierce_api_types::stdcopy::{HEADER_LENGTH, StreamKind, encode_header};

/// What is done to output on its way to the client.
#[derive(Debug, Default)]
pub(crate) enum Frames {
    /// Nothing.
    #[default]
    Kept,
    /// Each piece gets a header of standard output: the output of a terminal, for a client that knows of none.
    PutOn,
    /// The headers are left out, for a client that believes in a terminal.
    TakenOff(Unframe),
}

impl Frames {
    /// What becomes of a piece of output.
    pub(crate) fn apply(&mut self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Kept => piece.to_vec(),
            Self::PutOn => [&encode_header(StreamKind::Stdout, piece.len() as u32)[..], piece].concat(),
            Self::TakenOff(unframe) => unframe.strip(piece),
        }
    }

    /// Whether nothing is done, so that nothing needs to be copied.
    pub(crate) fn are_kept(&self) -> bool {
        matches!(self, Self::Kept)
    }
}

/// Leaves out the headers of frames, in whatever pieces they come.
#[derive(Debug, Default)]
pub(crate) struct Unframe {
    head: Vec<u8>,
    rest: usize,
}

impl Unframe {
    /// The content in a piece of the stream.
    pub(crate) fn strip(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut content = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            if self.rest == 0 {
                let count = (HEADER_LENGTH - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                if let [_, _, _, _, length @ ..] = self.head.as_slice()
                    && let Ok(length) = length.try_into()
                {
                    self.rest = u32::from_be_bytes(length) as usize;
                    self.head.clear();
                }
                continue;
            }
            let count = self.rest.min(bytes.len());
            content.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.rest -= count;
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_streams_are_left_out() {
        let framed = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x01e\x01\0\0\0\0\0\0\0";
        for size in [1, 5, 64] {
            let mut unframe = Unframe::default();
            let content: Vec<u8> = framed.chunks(size).flat_map(|piece| unframe.strip(piece)).collect();
            assert_eq!(content, b"oute");
        }
    }

    #[test]
    fn frames_are_put_on_and_taken_off() {
        let framed = Frames::PutOn.apply(b"out");
        assert_eq!(framed, b"\x01\0\0\0\0\0\0\x03out");
        assert_eq!(Frames::TakenOff(Unframe::default()).apply(&framed), b"out");
        assert_eq!(Frames::Kept.apply(b"out"), b"out");
    }
}
