//! A log in files: the current one, and older ones beside it.
//!
//! ```text
//! <path>               the current file
//! <path>.1             the one before (with `compress`: .1.gz once that is done)
//! <path>.2 …           older ones, up to `max_files` with the current one
//! ```
//! Names are those of moby `daemon/logger/loggerutils`. Beyond them: rotation, compression and readers take a lock
//! (`flock`) on the directory while they rename or open files, so that a reader sees a consistent set; and the header of
//! a compressed file names the inode it was made from, by which a reader that follows finds the place it was at.

mod compress;
mod files;

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
pub use compress::Compression;
pub(crate) use compress::Origin;
use files::rotated;
pub(crate) use files::{Lock, LogFile, directory, open_all};

/// Where a log lies, and how much of it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The current file.
    pub path: PathBuf,
    /// Begin a new file once the current one has this many bytes; `None`: never.
    pub max_size: Option<u64>,
    /// Files to keep, the current one included; 0 counts as 1.
    pub max_files: u32,
    /// Compress rotated files.
    pub compress: bool,
}

/// The current file, being written.
#[derive(Debug)]
pub(crate) struct Rotation {
    files: Files,
    current: File,
    /// Bytes in the current file.
    size: u64,
    /// Bytes of entries that could not be stored, and why.
    dropped: Option<(u64, String)>,
    compression: Option<Compression>,
}

impl Rotation {
    /// Opens or creates the current file.
    pub(crate) fn open(files: Files) -> Result<Self> {
        let mut current = files.open_current(false)?;
        let size = current
            .seek(SeekFrom::End(0))
            .map_err(Error::file("examine", &files.path))?;
        Ok(Self {
            files,
            current,
            size,
            dropped: None,
            compression: None,
        })
    }

    /// Bytes in the current file.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the current file is full once `waiting` bytes are written.
    pub(crate) fn is_full(&self, waiting: usize) -> bool {
        let limit = self.files.max_size;
        limit.is_some_and(|limit| self.size + waiting as u64 >= limit)
    }

    /// Writes whole entries and empties `batch`. What does not fit is dropped, the file cut back to its last whole entry,
    /// and once there is room again the log says so with the entry that `notice` makes of a text.
    pub(crate) fn write(&mut self, batch: &mut Vec<u8>, notice: impl FnOnce(&str) -> Vec<u8>) {
        if batch.is_empty() {
            return;
        }
        if let Some((bytes, cause)) = &self.dropped {
            let text = format!("tierce: {bytes} bytes of log entries were dropped here: {cause}");
            if self.append(&notice(&text)).is_err() {
                return self.drop_batch(batch);
            }
            self.dropped = None;
        }
        match self.append(batch) {
            Ok(()) => batch.clear(),
            Err(error) => {
                self.dropped = Some((0, error.to_string()));
                self.drop_batch(batch);
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let written = self.current.write_all(bytes);
        if written.is_ok() {
            self.size += bytes.len() as u64;
        } else {
            let _ = self.current.set_len(self.size);
        }
        written
    }

    fn drop_batch(&mut self, batch: &mut Vec<u8>) {
        if let Some((bytes, _)) = &mut self.dropped {
            *bytes += batch.len() as u64;
        }
        *batch = Vec::new();
    }

    /// Cuts the current file back to its first `size` bytes.
    pub(crate) fn cut_back(&mut self, size: u64) -> Result<()> {
        self.current
            .set_len(size)
            .map_err(Error::file("cut", &self.files.path))?;
        self.size = size;
        Ok(())
    }

    /// Begins a new current file. If that fails, writing goes on in the old one. `last` is the time of the last entry.
    pub(crate) fn rotate(&mut self, last: SystemTime) {
        if let Ok(file) = self.files.rotate() {
            self.current = file;
            self.size = 0;
            if self.files.compress && self.files.max_files > 1 {
                self.compression = Some(Compression::new(self.files.path.clone(), last));
            }
        }
    }

    /// Work that a rotation left behind.
    pub(crate) fn take_compression(&mut self) -> Option<Compression> {
        self.compression.take()
    }
}

#[cfg(test)]
impl Rotation {
    /// Makes every write fail as on a full disk (through a descriptor that cannot be written), or ends that.
    pub(crate) fn refuse_writes(&mut self, refuse: bool) {
        self.current = if refuse {
            OpenOptions::new().write(true).open("/dev/full")
        } else {
            OpenOptions::new().append(true).open(&self.files.path)
        }
        .expect("opening a file that exists");
    }
}

impl Files {
    fn open_current(&self, fresh: bool) -> Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).create_new(fresh).mode(0o640);
        options.open(&self.path).map_err(Error::file("open", &self.path))
    }

    /// Gives the new current file.
    fn rotate(&self) -> Result<File> {
        let path = &self.path;
        let _lock = Lock::exclusive(path)?;
        let oldest = self.max_files.saturating_sub(1);
        if oldest == 0 {
            // Not truncated: a follower finishes the old file by its descriptor, and sees that there is a new one.
            let _ = fs::remove_file(path);
            return self.open_current(true);
        }
        for compressed in [false, true] {
            let _ = fs::remove_file(rotated(path, oldest, compressed));
            for number in (1..oldest).rev() {
                let _ = fs::rename(rotated(path, number, compressed), rotated(path, number + 1, compressed));
            }
        }
        let first = rotated(path, 1, false);
        fs::rename(path, &first).map_err(Error::file("rename", path))?;
        self.open_current(true)
    }
}
