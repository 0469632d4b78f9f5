//! Compression of layers: recognised by the first bytes, never by a media type that may lie.

use crate::Error;
use std::io::{self, BufRead, BufReader, Read};

/// How a layer's stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, several members allowed.
    Gzip,
    /// RFC 8878, skippable frames allowed.
    Zstd,
}

/// Largest window that a zstd frame may ask for (2^27 = 128 MiB, the format's `--ultra` maximum): it bounds memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

impl Compression {
    /// Recognises the compression by the first bytes of a stream.
    ///
    /// # Errors
    /// [`Error::Compression`] for formats that are known but not read.
    pub fn detect(head: &[u8]) -> Result<Self, Error> {
        match head {
            [0x1F, 0x8B, ..] => Ok(Self::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Err(Error::Compression("bzip2")),
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Err(Error::Compression("xz")),
            [0x04, 0x22, 0x4D, 0x18, ..] => Err(Error::Compression("lz4")),
            _ => Ok(Self::None),
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A reader of the uncompressed bytes of a stream compressed in any supported way.
///
/// # Errors
/// When the first bytes cannot be read, or the compression is not supported.
pub fn decompress<'a>(input: impl Read + Send + 'a) -> Result<(Compression, Box<dyn Read + Send + 'a>), Error> {
    let mut input = BufReader::with_capacity(256 << 10, Counted { input, failed: false });
    // A network reader may give less than the magic at first.
    let mut head = [0; 6];
    let filled = peek(&mut input, &mut head).map_err(Error::Read)?;
    let compression = Compression::detect(&head[..filled])?;
    let input = io::Cursor::new(head).take(filled as u64).chain(input);
    let reader: Box<dyn Read + Send> = match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => {
            let input = BufReader::with_capacity(256 << 10, input);
            Box::new(flate2::bufread::MultiGzDecoder::new(input))
        }
        Compression::Zstd => {
            let fail = |source| Error::Decompress { format: "zstd", source };
            let mut decoder = zstd::stream::read::Decoder::new(input).map_err(fail)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(fail)?;
            Box::new(decoder)
        }
    };
    Ok((compression, reader))
}

fn peek(input: &mut impl BufRead, head: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < head.len() {
        match input.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Marks errors of the stream itself, so that they are told from errors of the decoder.
struct Counted<R> {
    input: R,
    failed: bool,
}

/// An error of the transport below the decoder.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Transport(pub(crate) io::Error);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(0);
        }
        match self.input.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.failed = true;
                Err(io::Error::new(error.kind(), Transport(error)))
            }
            result => result,
        }
    }
}

/// Sorts an error of the reader from [`decompress`]: transport or decoder.
pub(crate) fn explain(compression: Compression, error: io::Error) -> Error {
    if error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Transport>())
        .is_some()
    {
        let kind = error.kind();
        return match error.into_inner().and_then(|inner| inner.downcast::<Transport>().ok()) {
            Some(transport) => Error::Read(transport.0),
            None => Error::Read(kind.into()),
        };
    }
    match compression {
        Compression::None => Error::Read(error),
        Compression::Gzip | Compression::Zstd => Error::Decompress {
            format: compression.name(),
            source: error,
        },
    }
}
