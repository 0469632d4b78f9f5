//! Docker's framing of several output streams on one connection (`application/vnd.docker.multiplexed-stream`).
//!
//! Each frame is a header of eight bytes (stream number, three zeroes, payload length as a big-endian `u32`) and the
//! payload. Used for logs and attach of containers and execs without a TTY. Source: Engine API, "Stream format" of
//! `ContainerAttach`.

use std::fmt;

/// Length of a frame header in bytes.
pub const HEADER_LENGTH: usize = 8;

/// Longest payload that a reader accepts in one frame; a hostile length must not become an allocation.
pub const MAX_PAYLOAD: u32 = 64 * 1024 * 1024;

/// Which stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Standard input, echoed back; dockerd never sends it.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// An error of the daemon itself, as text.
    SystemError,
}

/// A header that is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The first byte is none of 0–3.
    UnknownStream(u8),
    /// The payload is longer than [`MAX_PAYLOAD`].
    TooLong(u32),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownStream(number) => {
                write!(
                    f,
                    "read multiplexed stream: unrecognized stream {number} in frame header"
                )
            }
            Self::TooLong(length) => {
                write!(
                    f,
                    "read multiplexed stream: frame of {length} bytes is longer than {MAX_PAYLOAD}"
                )
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// Encodes the header of a frame.
pub fn encode_header(kind: StreamKind, length: u32) -> [u8; HEADER_LENGTH] {
    let number = match kind {
        StreamKind::Stdin => 0,
        StreamKind::Stdout => 1,
        StreamKind::Stderr => 2,
        StreamKind::SystemError => 3,
    };
    let [a, b, c, d] = length.to_be_bytes();
    [number, 0, 0, 0, a, b, c, d]
}

/// Decodes a frame header into the stream and the length of the payload.
pub fn decode_header(header: [u8; HEADER_LENGTH]) -> Result<(StreamKind, u32), FrameError> {
    let [number, _, _, _, a, b, c, d] = header;
    let kind = match number {
        0 => StreamKind::Stdin,
        1 => StreamKind::Stdout,
        2 => StreamKind::Stderr,
        3 => StreamKind::SystemError,
        other => return Err(FrameError::UnknownStream(other)),
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    if length > MAX_PAYLOAD {
        return Err(FrameError::TooLong(length));
    }
    Ok((kind, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_bad_ones_are_refused() {
        for kind in [
            StreamKind::Stdin,
            StreamKind::Stdout,
            StreamKind::Stderr,
            StreamKind::SystemError,
        ] {
            assert_eq!(decode_header(encode_header(kind, 515)), Ok((kind, 515)));
        }
        assert_eq!(encode_header(StreamKind::Stderr, 258), [2, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(
            decode_header([9, 0, 0, 0, 0, 0, 0, 0]),
            Err(FrameError::UnknownStream(9))
        );
        assert_eq!(
            decode_header([1, 0, 0, 0, 255, 255, 255, 255]),
            Err(FrameError::TooLong(u32::MAX))
        );
    }
}
