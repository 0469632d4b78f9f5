//! Writing: one escape pass and one `write` per batch of output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use super::escape::{escape_into, find_newline};
use super::files::{Lock, rotated};
use super::{Compression, MAX_PIECE, Options};
use crate::error::{Error, Result};
use crate::{Driver, Stream, time};

/// Bytes of encoded entries that are gathered before they are written.
const BATCH: usize = 256 * 1024;
/// Who writes less than this at once needs no large buffer: it is given back, for an idle container shall cost next to
/// nothing.
const KEEP: usize = 16 * 1024;

/// The writer of one container's log.
#[derive(Debug)]
pub struct Writer {
    options: Options,
    file: File,
    /// Bytes in the current file.
    size: u64,
    /// Encoded entries not written yet.
    batch: Vec<u8>,
    /// Unfinished lines of standard output and standard error.
    pending: [Vec<u8>; 2],
    /// Everything of an entry after its text: stream, attributes, time. Made anew for each batch.
    suffix: Vec<u8>,
    /// `"attrs":{…},` or nothing.
    attributes: Vec<u8>,
    /// Bytes of entries that could not be stored, and why.
    dropped: Option<(u64, String)>,
    compression: Option<Compression>,
}

impl Writer {
    /// Opens or creates the current file. If its last entry was cut short by a crash, the next begins on a new line.
    pub fn open(options: Options) -> Result<Self> {
        let mut file = open_current(&options.path, false)?;
        let size = file
            .seek(SeekFrom::End(0))
            .map_err(Error::file("examine", &options.path))?;
        let mut batch = Vec::new();
        if size > 0 && !ends_with_newline(&options.path, size)? {
            batch.push(b'\n');
        }
        let mut attributes = Vec::new();
        if !options.attributes.is_empty() {
            attributes.extend_from_slice(b"\"attrs\":");
            attributes.extend(serde_json::to_vec(&options.attributes).unwrap_or_default());
            attributes.push(b',');
        }
        let pending = [Vec::new(), Vec::new()];
        Ok(Self {
            options,
            file,
            size,
            batch,
            pending,
            suffix: Vec::new(),
            attributes,
            dropped: None,
            compression: None,
        })
    }

    fn set_suffix(&mut self, stream: Stream, at: SystemTime) {
        self.suffix.clear();
        self.suffix.extend_from_slice(b"\",\"stream\":\"");
        self.suffix.extend_from_slice(stream.name().as_bytes());
        self.suffix.extend_from_slice(b"\",");
        self.suffix.extend_from_slice(&self.attributes);
        self.suffix.extend_from_slice(b"\"time\":\"");
        time::format_into(at, &mut self.suffix);
        self.suffix.extend_from_slice(b"\"}\n");
    }

    /// Adds one entry to the batch.
    fn entry(&mut self, text: &[u8], newline: bool, at: SystemTime) {
        if self
            .options
            .max_size
            .is_some_and(|limit| self.size + self.batch.len() as u64 >= limit)
        {
            self.flush(at);
            self.rotate(at);
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

    /// Cuts `bytes` into entries; what is left of the last line stays pending.
    fn cut(&mut self, stream: Stream, mut bytes: &[u8], at: SystemTime) {
        let index = stream as usize;
        if !self.pending[index].is_empty() {
            let room = MAX_PIECE - self.pending[index].len();
            let end = find_newline(&bytes[..bytes.len().min(room)]);
            let taken = end.unwrap_or(room.min(bytes.len()));
            let mut text = std::mem::take(&mut self.pending[index]);
            text.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken + usize::from(end.is_some())..];
            if end.is_none() && text.len() < MAX_PIECE {
                self.pending[index] = text;
                return;
            }
            self.entry(&text, end.is_some(), at);
            text.clear();
            self.pending[index] = text;
        }
        while !bytes.is_empty() {
            let window = &bytes[..bytes.len().min(MAX_PIECE)];
            if let Some(end) = find_newline(window) {
                self.entry(&window[..end], true, at);
                bytes = &bytes[end + 1..];
            } else if window.len() == MAX_PIECE {
                self.entry(window, false, at);
                bytes = &bytes[MAX_PIECE..];
            } else {
                self.pending[index].extend_from_slice(window);
                return;
            }
        }
    }

    /// Writes the batch. What does not fit is dropped, the file cut back to its last whole entry.
    fn flush(&mut self, at: SystemTime) {
        if self.batch.is_empty() {
            return;
        }
        if self.dropped.is_some() && !self.write_notice(at) {
            self.drop_batch();
            return;
        }
        match self.file.write_all(&self.batch) {
            Ok(()) => {
                self.size += self.batch.len() as u64;
                self.batch.clear();
            }
            Err(error) => {
                let _ = self.file.set_len(self.size);
                self.dropped = Some((0, error.to_string()));
                self.drop_batch();
            }
        }
    }

    fn drop_batch(&mut self) {
        if let Some((bytes, _)) = &mut self.dropped {
            *bytes += self.batch.len() as u64;
        }
        self.batch = Vec::new();
    }

    /// Tells in the log that some of it is missing. `false` if even that cannot be written.
    fn write_notice(&mut self, at: SystemTime) -> bool {
        let Some((bytes, cause)) = &self.dropped else {
            return true;
        };
        let text = format!("tierce: {bytes} bytes of log entries were dropped here: {cause}");
        let mut line = b"{\"log\":\"".to_vec();
        escape_into(text.as_bytes(), &mut line);
        line.extend_from_slice(b"\\n\",\"stream\":\"stderr\",");
        line.extend_from_slice(&self.attributes);
        line.extend_from_slice(b"\"time\":\"");
        time::format_into(at, &mut line);
        line.extend_from_slice(b"\"}\n");
        if self.file.write_all(&line).is_err() {
            let _ = self.file.set_len(self.size);
            return false;
        }
        self.size += line.len() as u64;
        self.dropped = None;
        true
    }

    /// Begins a new current file. If that fails, writing goes on in the old one.
    fn rotate(&mut self, at: SystemTime) {
        if let Ok(file) = self.try_rotate() {
            self.file = file;
            self.size = 0;
            if self.options.compress && self.options.max_files > 1 {
                self.compression = Some(Compression::new(self.options.path.clone(), at));
            }
        }
    }

    fn try_rotate(&self) -> Result<File> {
        let path = &self.options.path;
        let _lock = Lock::exclusive(path)?;
        let oldest = self.options.max_files.saturating_sub(1);
        if oldest == 0 {
            // Not truncated: a follower finishes the old file by its descriptor, and sees that there is a new one.
            let _ = fs::remove_file(path);
            return open_current(path, true);
        }
        for compressed in [false, true] {
            let _ = fs::remove_file(rotated(path, oldest, compressed));
            for number in (1..oldest).rev() {
                let _ = fs::rename(rotated(path, number, compressed), rotated(path, number + 1, compressed));
            }
        }
        let first = rotated(path, 1, false);
        fs::rename(path, &first).map_err(Error::file("rename", path))?;
        open_current(path, true)
    }
}

#[cfg(test)]
impl Writer {
    /// Makes every write fail as on a full disk (through a descriptor that cannot be written), or ends that.
    pub(super) fn refuse_writes(&mut self, refuse: bool) {
        self.file = if refuse {
            OpenOptions::new().write(true).open("/dev/full")
        } else {
            OpenOptions::new().append(true).open(&self.options.path)
        }
        .expect("opening a file that exists");
    }
}

impl Driver for Writer {
    fn write(&mut self, stream: Stream, bytes: &[u8], at: SystemTime) {
        self.set_suffix(stream, at);
        if bytes.len() >= KEEP && self.batch.capacity() < BATCH {
            // Once, not by doubling: with musl each step is a mapping of its own.
            self.batch.reserve(BATCH + 2 * MAX_PIECE);
        }
        self.cut(stream, bytes, at);
        self.flush(at);
        if bytes.len() < KEEP && self.batch.capacity() > KEEP {
            // The flood is over.
            self.batch = Vec::new();
        }
    }

    fn finish(&mut self, stream: Stream, at: SystemTime) {
        let text = std::mem::take(&mut self.pending[stream as usize]);
        if !text.is_empty() {
            self.set_suffix(stream, at);
            self.entry(&text, false, at);
            self.flush(at);
        }
    }

    fn take_compression(&mut self) -> Option<Compression> {
        self.compression.take()
    }
}

fn open_current(path: &Path, fresh: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).create_new(fresh).mode(0o640);
    options.open(path).map_err(Error::file("open", path))
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
