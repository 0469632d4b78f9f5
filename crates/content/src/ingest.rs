//! One blob on its way: counted, hashed, staged, handed on.

use crate::Error;
use crate::staging::Part;
use bytes::{Buf, Bytes};
use std::io::{self, Read, Write};
use tierce_oci::{Digest, Hasher};

const REPLAY_PIECE: usize = 128 << 10;

/// Where the bytes come from that are not staged yet. A closure will do.
pub trait Source {
    /// The next piece; `None` at the end. May block.
    ///
    /// # Errors
    /// When the transfer failed or was cancelled.
    fn next_piece(&mut self) -> io::Result<Option<Bytes>>;
}

impl<F: FnMut() -> io::Result<Option<Bytes>>> Source for F {
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        self()
    }
}

/// A blob about to be read.
#[derive(Debug)]
pub struct Ingest {
    digest: Digest,
    size: u64,
    part: Option<Part>,
    staged: u64,
}

impl Ingest {
    pub(crate) fn new(digest: Digest, size: u64, part: Option<Part>) -> Self {
        let length = part
            .as_ref()
            .and_then(|part| part.file.metadata().ok())
            .map_or(0, |metadata| metadata.len());
        let mut ingest = Self {
            digest,
            size,
            part,
            staged: length,
        };
        if length > size {
            ingest.restart();
        }
        ingest
    }

    /// How many bytes an earlier transfer left; ask for the rest from here on.
    pub fn staged(&self) -> u64 {
        self.staged
    }

    /// Forgets what an earlier transfer left.
    pub fn restart(&mut self) {
        self.staged = 0;
        // When the file cannot be emptied it must not be trusted or used any more.
        if self.part.as_ref().is_some_and(|part| part.file.set_len(0).is_err()) {
            self.part = None;
        }
    }

    /// The whole blob, the staged part first, then what `source` gives.
    pub fn reader<S: Source>(self, source: S) -> IngestReader<S> {
        IngestReader {
            replay: self.staged,
            resumed: self.staged > 0,
            digest: self.digest,
            size: self.size,
            part: self.part,
            source,
            hasher: Hasher::default(),
            whole: None,
            position: 0,
            piece: Bytes::new(),
        }
    }
}

/// Reads a blob. The end of the blob is only reported when size and digest are right; a reader that is dropped before
/// leaves the staged part for the next try.
pub struct IngestReader<S> {
    digest: Digest,
    size: u64,
    part: Option<Part>,
    /// Bytes of the staged part that are still to be read.
    replay: u64,
    resumed: bool,
    source: S,
    hasher: Hasher,
    /// The digest of everything, once the end was reached.
    whole: Option<Digest>,
    position: u64,
    piece: Bytes,
}

impl<S> std::fmt::Debug for IngestReader<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IngestReader({} {}/{})", self.digest, self.position, self.size)
    }
}

impl<S: Source> IngestReader<S> {
    /// Reads what the unpacker did not need (padding behind the end of an archive) and checks size and digest.
    ///
    /// # Errors
    /// [`Error::WrongDigest`], [`Error::WrongSize`], [`Error::Source`].
    pub fn finish(&mut self) -> Result<(), Error> {
        self.piece = Bytes::new();
        while self.whole.is_none() {
            self.advance()?;
            self.piece = Bytes::new();
        }
        self.verdict()
    }

    /// Gives the blob up for good: what is staged of it goes.
    pub fn abandon(mut self) {
        self.discard();
    }

    /// Gets the next piece, or checks the whole at the end.
    fn advance(&mut self) -> Result<(), Error> {
        let (piece, fresh) = match self.replayed()? {
            Some(piece) => (Some(piece), false),
            None => (self.source.next_piece().map_err(|source| self.failed(source))?, true),
        };
        let Some(piece) = piece else { return self.complete() };
        self.position += piece.len() as u64;
        if self.position > self.size {
            self.discard();
            return Err(self.wrong_size());
        }
        self.hasher.update(&piece);
        if fresh
            && let Some(part) = &mut self.part
            && let Err(error) = part.file.write_all(&piece)
        {
            // A full disk here is no reason to fail: unpacking may still fit once the part is gone.
            tracing::warn!(path = %part.path.display(), %error, "an unfinished blob cannot be staged");
            self.discard();
        }
        self.piece = piece;
        Ok(())
    }

    fn replayed(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(part) = self.part.as_mut().filter(|_| self.replay > 0) else {
            return Ok(None);
        };
        let mut buffer = vec![0; REPLAY_PIECE.min(self.replay as usize)];
        // Opened for appending, and not written before the replay is over: the read position began at 0.
        let read = part.file.read(&mut buffer);
        let length = read.map_err(|source| Error::Source {
            digest: self.digest.clone(),
            source,
        })?;
        if length == 0 {
            let source = io::Error::new(io::ErrorKind::UnexpectedEof, "its staged part became shorter");
            return Err(Error::Source {
                digest: self.digest.clone(),
                source,
            });
        }
        buffer.truncate(length);
        self.replay -= length as u64;
        Ok(Some(Bytes::from(buffer)))
    }

    fn complete(&mut self) -> Result<(), Error> {
        if self.position != self.size {
            // The part is a good beginning; it stays.
            return Err(self.wrong_size());
        }
        self.whole = Some(std::mem::take(&mut self.hasher).finish());
        self.discard();
        Ok(())
    }

    /// Whether the whole, once read, is what it should be.
    fn verdict(&self) -> Result<(), Error> {
        match &self.whole {
            Some(actual) if *actual != self.digest => Err(Error::WrongDigest {
                expected: self.digest.clone(),
                actual: actual.clone(),
                resumed: self.resumed,
            }),
            _ => Ok(()),
        }
    }

    /// Removes the staged part: it is complete, or worth nothing.
    fn discard(&mut self) {
        if let Some(part) = self.part.take()
            && let Err(error) = tierce_fsops::remove_file(&part.path)
        {
            tracing::warn!(%error, "a staged blob cannot be removed");
        }
    }

    fn wrong_size(&self) -> Error {
        Error::WrongSize {
            digest: self.digest.clone(),
            expected: self.size,
            actual: self.position,
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Source {
            digest: self.digest.clone(),
            source,
        }
    }
}

impl<S: Source> Read for IngestReader<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let as_io = |error| match error {
            Error::Source { source, .. } => source,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        };
        while self.piece.is_empty() {
            if self.whole.is_some() {
                return self.verdict().map(|()| 0).map_err(as_io);
            }
            self.advance().map_err(as_io)?;
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece[..length]);
        self.piece.advance(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Staging;
    use proptest::prelude::*;

    const SIZE: usize = 5 << 20;

    fn blob() -> Vec<u8> {
        (0..SIZE as u32)
            .map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect()
    }

    /// Gives `bytes` in pieces, then fails unless `whole`.
    fn source(bytes: Vec<u8>, piece: usize, whole: bool) -> impl Source {
        let mut bytes = Bytes::from(bytes);
        move || {
            if bytes.is_empty() {
                return if whole {
                    Ok(None)
                } else {
                    Err(io::Error::from(io::ErrorKind::ConnectionReset))
                };
            }
            Ok(Some(bytes.split_to(piece.min(bytes.len()))))
        }
    }

    fn files(directory: &tempfile::TempDir) -> usize {
        std::fs::read_dir(directory.path()).unwrap().count()
    }

    #[test]
    fn a_broken_transfer_is_taken_up_where_it_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let blob = blob();
        let digest = Digest::sha256_of(&blob);
        let cut = 3 << 20;
        let staging = Staging::open(directory.path()).unwrap();
        let mut reader =
            staging
                .ingest(&digest, SIZE as u64)
                .unwrap()
                .reader(source(blob[..cut].to_vec(), 100_000, false));
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        drop(reader);
        assert_eq!(files(&directory), 1);
        // Another process would find the same.
        let ingest = Staging::open(directory.path())
            .unwrap()
            .ingest(&digest, SIZE as u64)
            .unwrap();
        assert_eq!(ingest.staged(), cut as u64);
        let mut read = Vec::new();
        let mut reader = ingest.reader(source(blob[cut..].to_vec(), 70_001, true));
        reader.read_to_end(&mut read).unwrap();
        reader.finish().unwrap();
        assert_eq!(read, blob);
        assert_eq!(files(&directory), 0);
    }

    #[test]
    fn row_019_one_flipped_byte_is_found_and_nothing_stays() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(directory.path()).unwrap();
        let digest = Digest::sha256_of(&blob());
        let mut bad = blob();
        bad[1234] ^= 1;
        let mut reader = staging
            .ingest(&digest, SIZE as u64)
            .unwrap()
            .reader(source(bad, 1 << 20, true));
        assert!(matches!(
            reader.finish(),
            Err(Error::WrongDigest { resumed: false, .. })
        ));
        assert_eq!(files(&directory), 0);
    }

    #[test]
    fn a_spoilt_part_is_told_and_thrown_away() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(directory.path()).unwrap();
        let blob = blob();
        let digest = Digest::sha256_of(&blob);
        std::fs::write(
            directory.path().join(format!("{}.part", digest.hex())),
            vec![0; 1 << 20],
        )
        .unwrap();
        let ingest = staging.ingest(&digest, SIZE as u64).unwrap();
        assert_eq!(ingest.staged(), 1 << 20);
        let rest = blob[1 << 20..].to_vec();
        let result = ingest.reader(source(rest, 1 << 20, true)).finish();
        assert!(matches!(result, Err(Error::WrongDigest { resumed: true, .. })));
        assert_eq!(files(&directory), 0);
    }

    #[test]
    fn too_much_and_too_little_are_errors() {
        let staging = Staging::open(tempfile::tempdir().unwrap().path()).unwrap();
        let digest = Digest::sha256_of(b"abc");
        for bytes in [b"ab".to_vec(), b"abcd".to_vec()] {
            let result = staging
                .ingest(&digest, 3)
                .unwrap()
                .reader(source(bytes, 1, true))
                .finish();
            assert!(matches!(result, Err(Error::WrongSize { expected: 3, .. })));
        }
    }

    #[test]
    fn two_ingests_of_one_blob_do_not_share_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(directory.path()).unwrap();
        let blob = blob();
        let digest = Digest::sha256_of(&blob);
        let first = staging.ingest(&digest, SIZE as u64).unwrap();
        let second = staging.ingest(&digest, SIZE as u64).unwrap();
        second.reader(source(blob.clone(), 1 << 18, true)).finish().unwrap();
        first.reader(source(blob, 1 << 18, true)).finish().unwrap();
        assert_eq!(files(&directory), 0);
    }

    #[test]
    fn other_algorithms_are_refused() {
        let staging = Staging::open(tempfile::tempdir().unwrap().path()).unwrap();
        let digest: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
        assert!(matches!(staging.ingest(&digest, 3), Err(Error::Unsupported(_))));
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000), piece in 1_usize..300) {
            let directory = tempfile::tempdir().unwrap();
            let staging = Staging::open(directory.path()).unwrap();
            let digest = Digest::sha256_of(&bytes);
            let mut reader = staging.ingest(&digest, bytes.len() as u64).unwrap().reader(source(bytes.clone(), piece, true));
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            reader.finish().unwrap();
            prop_assert_eq!(read, bytes);
        }
    }
}
