//! Taking apart Docker's multiplexed output.

use bytes::{Bytes, BytesMut};
use tierce_api_types::stdcopy::{HEADER_LENGTH, StreamKind, decode_header};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Error;

/// A piece of output. Long frames of the daemon are handed on in several pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which stream it belongs to.
    pub kind: StreamKind,
    /// The bytes.
    pub payload: Bytes,
}

/// A sans-I/O decoder: bytes go in as they come, frames come out. Holds no payload longer than one push.
#[derive(Debug, Default)]
pub struct Demultiplexer {
    buffer: BytesMut,
    /// The frame whose payload is still coming, and how many bytes of it.
    open: Option<(StreamKind, u32)>,
}

impl Demultiplexer {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece of output that is complete; `None` = more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if let Some((kind, left)) = self.open.take() {
                if left > 0 && self.buffer.is_empty() {
                    self.open = Some((kind, left));
                    return Ok(None);
                }
                let taken = self.buffer.len().min(left as usize);
                let payload = self.buffer.split_to(taken).freeze();
                let left = left - taken as u32;
                if left > 0 {
                    self.open = Some((kind, left));
                }
                if !payload.is_empty() {
                    return Ok(Some(Frame { kind, payload }));
                }
            }
            let Some((header, _)) = self.buffer.split_first_chunk::<HEADER_LENGTH>() else {
                return Ok(None);
            };
            let header = decode_header(*header).map_err(std::io::Error::other)?;
            let _ = self.buffer.split_to(HEADER_LENGTH);
            self.open = Some(header);
        }
    }

    /// Whether the stream may end here: between two frames.
    pub fn is_between_frames(&self) -> bool {
        self.open.is_none() && self.buffer.is_empty()
    }

    /// Copies a multiplexed stream to its end into two writers, flushing after each read. Errors of the daemon go to
    /// `stderr`. Returns the bytes copied.
    pub async fn copy<R, O, E>(mut reader: R, mut stdout: O, mut stderr: E) -> Result<u64, Error>
    where
        R: AsyncRead + Unpin,
        O: AsyncWrite + Unpin,
        E: AsyncWrite + Unpin,
    {
        let mut demultiplexer = Self::new();
        let mut total = 0;
        loop {
            demultiplexer.buffer.reserve(32 * 1024);
            if reader.read_buf(&mut demultiplexer.buffer).await? == 0 {
                break;
            }
            while let Some(frame) = demultiplexer.next_frame()? {
                total += frame.payload.len() as u64;
                match frame.kind {
                    StreamKind::Stdin | StreamKind::Stdout => stdout.write_all(&frame.payload).await?,
                    StreamKind::Stderr | StreamKind::SystemError => stderr.write_all(&frame.payload).await?,
                }
            }
            stdout.flush().await?;
            stderr.flush().await?;
        }
        if !demultiplexer.is_between_frames() {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use tierce_api_types::stdcopy::encode_header;

    use super::*;

    fn frame(kind: StreamKind, payload: &[u8]) -> Vec<u8> {
        [&encode_header(kind, payload.len() as u32)[..], payload].concat()
    }

    #[tokio::test]
    async fn streams_come_apart_at_any_chunking() {
        let wire = [
            frame(StreamKind::Stdout, b"hello "),
            frame(StreamKind::Stderr, b""),
            frame(StreamKind::Stderr, b"oops\n"),
            frame(StreamKind::Stdout, b"world\n"),
        ]
        .concat();
        for size in 1..=wire.len() {
            let mut demultiplexer = Demultiplexer::new();
            let (mut out, mut err) = (Vec::new(), Vec::new());
            for chunk in wire.chunks(size) {
                demultiplexer.push(chunk);
                while let Some(frame) = demultiplexer.next_frame().unwrap() {
                    if frame.kind == StreamKind::Stdout {
                        &mut out
                    } else {
                        &mut err
                    }
                    .extend_from_slice(&frame.payload);
                }
            }
            assert!(demultiplexer.is_between_frames());
            assert_eq!(
                (out.as_slice(), err.as_slice()),
                (&b"hello world\n"[..], &b"oops\n"[..])
            );
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(Demultiplexer::copy(&wire[..], &mut out, &mut err).await.unwrap(), 17);
        assert_eq!(out, b"hello world\n");
    }

    #[tokio::test]
    async fn truncation_and_garbage_are_errors() {
        let wire = frame(StreamKind::Stdout, b"hello");
        assert!(Demultiplexer::copy(&wire[..10], Vec::new(), Vec::new()).await.is_err());
        assert!(
            Demultiplexer::copy(&b"GET / HTTP/1.1"[..], Vec::new(), Vec::new())
                .await
                .is_err()
        );
    }
}
