//! Writing: a batch of records with one `write`.

use std::fs::File;
use std::time::SystemTime;

use super::entry::encode;
use super::records::whole_records;
use crate::error::{Error, Result};
use crate::lines::Lines;
use crate::partial::Pieces;
use crate::rotation::{Compression, Files, Rotation};
use crate::{Driver, Stream};

/// Bytes of encoded records that are gathered before they are written.
const BATCH: usize = 256 * 1024;

/// The writer of one container's log.
#[derive(Debug)]
pub struct Writer {
    lines: Lines,
    records: Encoded,
}

#[derive(Debug)]
struct Encoded {
    file: Rotation,
    pieces: Pieces,
    batch: Vec<u8>,
}

impl Writer {
    /// Opens or creates the current file. If its last record was cut short by a crash, that is cut off.
    pub fn open(files: &Files) -> Result<Self> {
        let mut file = Rotation::open(files.clone())?;
        let whole = File::open(&files.path)
            .and_then(|file| whole_records(&file))
            .map_err(Error::file("read", &files.path))?;
        if whole < file.size() {
            file.cut_back(whole)?;
        }
        Ok(Self {
            lines: Lines::default(),
            records: Encoded {
                file,
                pieces: Pieces::default(),
                batch: Vec::new(),
            },
        })
    }
}

impl Encoded {
    fn entry(&mut self, stream: Stream, text: &[u8], newline: bool, at: SystemTime) {
        if self.file.is_full(self.batch.len()) {
            self.flush(at);
            self.file.rotate(at);
        } else if self.batch.len() >= BATCH {
            self.flush(at);
        }
        let (piece, time) = self.pieces.next(stream, newline, at);
        encode(stream, time, text, piece, &mut self.batch);
    }

    fn flush(&mut self, at: SystemTime) {
        self.file.write(&mut self.batch, |text| {
            let mut record = Vec::new();
            encode(Stream::Stderr, at, text.as_bytes(), None, &mut record);
            record
        });
    }
}

#[cfg(test)]
impl Writer {
    /// Makes every write fail as on a full disk, or ends that.
    pub(super) fn refuse_writes(&mut self, refuse: bool) {
        self.records.file.refuse_writes(refuse);
    }
}

impl Driver for Writer {
    fn write(&mut self, stream: Stream, bytes: &[u8], at: SystemTime) {
        let Self { lines, records } = self;
        lines.cut(stream, bytes, |text, newline| records.entry(stream, text, newline, at));
        records.flush(at);
        // A log that is written to rarely shall not keep memory.
        records.batch = Vec::new();
    }

    fn finish(&mut self, stream: Stream, at: SystemTime) {
        if let Some(text) = self.lines.finish(stream) {
            self.records.entry(stream, &text, false, at);
            self.records.flush(at);
        }
    }

    fn take_compression(&mut self) -> Option<Compression> {
        self.records.file.take_compression()
    }
}
