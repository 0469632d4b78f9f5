//! Reading an archive of files that are not unpacked: what `save` writes and `load` reads.
//!
//! Any compression; entries in order, the content of each to be read or left. Nothing of it touches a file system.

use crate::tar::{Entry, Reader, Source};
use crate::{Error, decompress};
use std::io::{self, BufRead, BufReader, Read};

/// An archive being read.
pub struct Archive<'a> {
    reader: Reader<Input<'a>>,
}

/// The decompressed bytes.
struct Input<'a>(BufReader<Box<dyn Read + Send + 'a>>);

impl Source for Input<'_> {
    type Error = Error;

    fn fill(&mut self) -> Result<&[u8], Error> {
        loop {
            match self.0.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Read(error)),
                // Asked for again, since the loop must not keep the borrow.
                Ok(_) => break,
            }
        }
        self.0.fill_buf().map_err(Error::Read)
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

impl<'a> Archive<'a> {
    /// Begins to read an archive, compressed or not.
    ///
    /// # Errors
    /// When the first bytes cannot be read, or the compression is not supported.
    pub fn open(input: impl Read + Send + 'a) -> Result<Self, Error> {
        let (_, input) = decompress(input)?;
        Ok(Self {
            reader: Reader::new(Input(BufReader::with_capacity(256 << 10, input))),
        })
    }

    /// The next entry; content of the one before that was not read is skipped. `None` at the end.
    ///
    /// # Errors
    /// [`Error::Tar`], [`Error::Truncated`], errors of the input.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        // Kept for tar-split, which is not wanted here.
        self.reader.raw().clear();
        self.reader.next_entry()
    }

    /// Reads what follows the end mark to the end of the stream, so that whoever sends it is not cut off.
    ///
    /// # Errors
    /// Errors of the input.
    pub fn drain(&mut self) -> Result<(), Error> {
        loop {
            let count = self.reader.trailer()?.len();
            if count == 0 {
                return Ok(());
            }
            self.reader.consume_trailer(count);
        }
    }
}

/// Reads the content of the entry that [`Archive::next_entry`] gave last.
impl Read for Archive<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.reader.content().map_err(io::Error::other)?;
        let count = content.len().min(buffer.len());
        buffer[..count].copy_from_slice(&content[..count]);
        self.reader.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::{EntryKind, Writer};

    fn archive() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, content) in [("a", &b"one"[..]), ("b", b""), ("c", b"three")] {
            let mut entry = Entry::new(name.into(), EntryKind::File);
            entry.size = content.len() as u64;
            writer.begin(&entry).unwrap();
            writer.write_content(content).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn entries_are_read_or_left_in_any_compression() {
        let plain = archive();
        let compressed = zstd::encode_all(&*plain, 1).unwrap();
        for bytes in [plain, compressed] {
            let mut archive = Archive::open(&*bytes).unwrap();
            let mut found = Vec::new();
            while let Some(entry) = archive.next_entry().unwrap() {
                let mut content = String::new();
                if entry.name == b"c" {
                    archive.read_to_string(&mut content).unwrap();
                }
                found.push((entry.name, entry.size, content));
            }
            archive.drain().unwrap();
            let expected = [("a", 3, ""), ("b", 0, ""), ("c", 5, "three")];
            assert_eq!(
                found,
                expected.map(|(name, size, text)| (name.into(), size, text.into()))
            );
        }
    }

    #[test]
    fn a_truncated_archive_is_an_error() {
        let bytes = archive();
        let mut archive = Archive::open(&bytes[..514]).unwrap();
        archive.next_entry().unwrap();
        assert!(archive.read_to_end(&mut Vec::new()).is_err());
    }
}
