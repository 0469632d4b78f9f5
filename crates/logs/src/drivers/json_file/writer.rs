//! Writing: one escape pass and one `write` per batch of output.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use super::Options;
use super::escape::escape_into;
use crate::error::{Error, Result};
use crate::lines::{Lines, MAX_PIECE};
use crate::rotation::{Compression, Rotation};
use crate::{Driver, Stream, time};

/// Bytes of encoded entries that are gathered before they are written.
const BATCH: usize = 256 * 1024;
/// Who writes less than this at once needs no large buffer: it is given back, for an idle container shall cost next to
/// nothing.
const KEEP: usize = 16 * 1024;

/// The writer of one container's log.
#[derive(Debug)]
pub struct Writer {
    lines: Lines,
    encoded: Encoded,
}

/// Entries on their way into the file.
#[derive(Debug)]
struct Encoded {
    file: Rotation,
    /// Encoded entries not written yet.
    batch: Vec<u8>,
    /// Everything of an entry after its text: stream, attributes, time. Made anew for each batch.
    suffix: Vec<u8>,
    /// `"attrs":{…},` or nothing.
    attributes: Vec<u8>,
}

impl Writer {
    /// Opens or creates the current file. If its last entry was cut short by a crash, the next begins on a new line.
    pub fn open(options: &Options) -> Result<Self> {
        let file = Rotation::open(options.files.clone())?;
        let mut batch = Vec::new();
        if file.size() > 0 && !ends_with_newline(&options.files.path, file.size())? {
            batch.push(b'\n');
        }
        let mut attributes = Vec::new();
        if !options.attributes.is_empty() {
            attributes.extend_from_slice(b"\"attrs\":");
            attributes.extend(serde_json::to_vec(&options.attributes).unwrap_or_default());
            attributes.push(b',');
        }
        Ok(Self {
            lines: Lines::default(),
            encoded: Encoded {
                file,
                batch,
                suffix: Vec::new(),
                attributes,
            },
        })
    }
}

impl Encoded {
    fn set_suffix(&mut self, stream: Stream, at: SystemTime) {
        self.suffix.clear();
        suffix(stream, &self.attributes, at, &mut self.suffix);
    }

    /// Adds one entry to the batch.
    fn entry(&mut self, text: &[u8], newline: bool, at: SystemTime) {
        if self.file.is_full(self.batch.len()) {
            self.flush(at);
            self.file.rotate(at);
        } else if self.batch.len() >= BATCH {
            self.flush(at);
        }
        self.batch.extend_from_slice(b"{\"log\":\"");
        escape_into(text, &mut self.batch);
        if newline {
            self.batch.extend_from_slice(b"\\n");
        }
        self.batch.extend_from_slice(&self.suffix);
    }

    fn flush(&mut self, at: SystemTime) {
        let attributes = &self.attributes;
        self.file.write(&mut self.batch, |text| {
            let mut line = b"{\"log\":\"".to_vec();
            escape_into(text.as_bytes(), &mut line);
            line.extend_from_slice(b"\\n");
            suffix(Stream::Stderr, attributes, at, &mut line);
            line
        });
    }
}

/// Everything of an entry after its text.
fn suffix(stream: Stream, attributes: &[u8], at: SystemTime, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\",\"stream\":\"");
    out.extend_from_slice(stream.name().as_bytes());
    out.extend_from_slice(b"\",");
    out.extend_from_slice(attributes);
    out.extend_from_slice(b"\"time\":\"");
    time::format_into(at, out);
    out.extend_from_slice(b"\"}\n");
}

#[cfg(test)]
impl Writer {
    /// Makes every write fail as on a full disk, or ends that.
    pub(super) fn refuse_writes(&mut self, refuse: bool) {
        self.encoded.file.refuse_writes(refuse);
    }
}

impl Driver for Writer {
    fn write(&mut self, stream: Stream, bytes: &[u8], at: SystemTime) {
        let Self { lines, encoded } = self;
        encoded.set_suffix(stream, at);
        if bytes.len() >= KEEP && encoded.batch.capacity() < BATCH {
            // Once, not by doubling: with musl each step is a mapping of its own.
            encoded.batch.reserve(BATCH + 2 * MAX_PIECE);
        }
        lines.cut(stream, bytes, |text, newline| encoded.entry(text, newline, at));
        encoded.flush(at);
        if bytes.len() < KEEP && encoded.batch.capacity() > KEEP {
            // The flood is over.
            encoded.batch = Vec::new();
        }
    }

    fn finish(&mut self, stream: Stream, at: SystemTime) {
        if let Some(text) = self.lines.finish(stream) {
            self.encoded.set_suffix(stream, at);
            self.encoded.entry(&text, false, at);
            self.encoded.flush(at);
        }
    }

    fn take_compression(&mut self) -> Option<Compression> {
        self.encoded.file.take_compression()
    }
}

fn ends_with_newline(path: &Path, size: u64) -> Result<bool> {
    let read = || -> io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(size - 1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    read().map(|last| last == b'\n').map_err(Error::file("read", path))
}
