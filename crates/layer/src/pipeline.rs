//! Decompressing and hashing on one thread, writing files on another.
//!
//! ```text
//! input ─ decode ─ sha256 ──(8 buffers of 256 KiB)──> tar, files, tar-split
//!                     └────(empty buffers come back)───┘
//! ```
//! Memory is bounded by the buffers; whoever is slower holds the other up.

use crate::decode::{Compression, decompress, explain};
use crate::{Error, Limits};
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use tierce_oci::{DiffId, Hasher};
use tierce_tar::Source;

const BUFFER: usize = 256 << 10;
const BUFFERS: usize = 8;

/// What the decoding thread found.
#[derive(Debug, Clone)]
pub(crate) struct Decoded {
    /// Digest of the uncompressed stream.
    pub(crate) diff_id: DiffId,
    /// Its length.
    pub(crate) length: u64,
    /// How it was compressed.
    pub(crate) compression: Compression,
}

/// The decoded stream, on the writing side.
pub(crate) struct Chunks {
    full: Receiver<Result<Vec<u8>, Error>>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    read: usize,
}

impl Source for Chunks {
    type Error = Error;

    fn fill(&mut self) -> Result<&[u8], Error> {
        if self.read == self.current.len() {
            // The receiver's end is the stream's end: an error is sent before.
            if let Ok(next) = self.full.recv() {
                let done = std::mem::replace(&mut self.current, next?);
                self.read = 0;
                // When the decoder has ended it wants no more buffers.
                let _ = self.empty.send(done);
            }
        }
        Ok(&self.current[self.read..])
    }

    fn consume(&mut self, count: usize) {
        self.read += count;
    }
}

/// Decodes and hashes `input` on another thread while `body` takes the bytes; `body` must read to the end.
///
/// # Errors
/// Those of `body`, of the decoder and of the input; [`Error::Limit`] when more than `limits.bytes` come out.
pub(crate) fn run<T>(
    input: impl Read + Send,
    limits: &Limits,
    body: impl FnOnce(&mut Chunks) -> Result<T, Error>,
) -> Result<(T, Decoded), Error> {
    let (full_sender, full) = sync_channel(BUFFERS);
    let (empty, empty_receiver) = channel();
    let limit = limits.bytes;
    thread::scope(|scope| {
        let decoder = thread::Builder::new()
            .name("layer-decode".to_owned())
            .spawn_scoped(scope, move || decode(input, limit, &full_sender, &empty_receiver))
            .map_err(Error::Read)?;
        let mut chunks = Chunks {
            full,
            empty,
            current: Vec::new(),
            read: 0,
        };
        let result = body(&mut chunks);
        // Without a receiver the decoder ends at its next buffer.
        drop(chunks);
        let decoded = match decoder.join() {
            Ok(decoded) => decoded,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let value = result?;
        match decoded {
            Some(decoded) => Ok((value, decoded)),
            None => Err(Error::Truncated {
                offset: 0,
                what: "the stream",
            }),
        }
    })
}

/// The decoding thread; `None` when it ended early: because of an error, which was sent, or because nobody listens.
fn decode(
    input: impl Read + Send,
    limit: u64,
    full: &SyncSender<Result<Vec<u8>, Error>>,
    empty: &Receiver<Vec<u8>>,
) -> Option<Decoded> {
    let fail = |error| {
        // Nobody listens: the writing side has an error of its own.
        let _ = full.send(Err(error));
        None
    };
    let (compression, mut reader) = match decompress(input) {
        Ok(opened) => opened,
        Err(error) => return fail(error),
    };
    let mut hasher = Hasher::default();
    let mut length = 0;
    loop {
        let mut buffer = empty.try_recv().unwrap_or_default();
        buffer.resize(BUFFER, 0);
        let mut filled = 0;
        while filled < BUFFER {
            match reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return fail(explain(compression, error)),
            }
        }
        if filled == 0 {
            return Some(Decoded {
                diff_id: DiffId(hasher.finish()),
                length,
                compression,
            });
        }
        buffer.truncate(filled);
        length += filled as u64;
        if length > limit {
            let subject = "its uncompressed archive".to_owned();
            return fail(Error::Limit {
                limit,
                unit: "bytes",
                subject,
            });
        }
        hasher.update(&buffer);
        full.send(Ok(buffer)).ok()?;
    }
}
