//! Compressing a rotated file, apart from the writer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::GzBuilder;
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use super::files::{Lock, rotated};
use crate::error::{Error, Result};
use crate::time;

/// What the gzip header says of the file, in its `extra` field; `lastTime` is Docker's, `inode` ours.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Time of the last entry.
    #[serde(rename = "lastTime")]
    last_time: String,
    /// Inode of the file that was compressed.
    #[serde(default)]
    pub(crate) inode: u64,
}

impl Origin {
    /// Reads the header of a gzip file; `None` if it has none of ours.
    pub(crate) fn read(file: impl Read) -> Option<Self> {
        let decoder = GzDecoder::new(file);
        serde_json::from_slice(decoder.header()?.extra()?).ok()
    }

    /// Time of the last entry.
    pub(crate) fn last_time(&self) -> Option<SystemTime> {
        time::parse(&self.last_time)
    }
}

/// The compression of a file that was just rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    path: PathBuf,
    last: SystemTime,
}

impl Compression {
    pub(super) fn new(path: PathBuf, last: SystemTime) -> Self {
        Self { path, last }
    }

    /// Compresses `<log>.1` to `<log>.1.gz` and removes it. If it was rotated on meanwhile it is left as it is; readers
    /// understand both. May take seconds; safe to interrupt at any point.
    pub fn run(&self) -> Result<()> {
        let source_path = rotated(&self.path, 1, false);
        let source = File::open(&source_path).map_err(Error::file("open", &source_path))?;
        let inode = source.metadata().map_err(Error::file("examine", &source_path))?.ino();
        let scratch = rotated(&self.path, 1, true).with_extension(format!("gz.{inode}.tmp"));
        let done = self
            .write(source, inode, &scratch)
            .and_then(|()| self.install(inode, &source_path, &scratch));
        if done.is_err() {
            let _ = fs::remove_file(&scratch);
        }
        done
    }

    fn write(&self, source: File, inode: u64, scratch: &Path) -> Result<()> {
        let options = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(scratch);
        let output = options.map_err(Error::file("create", scratch))?;
        let origin = Origin {
            last_time: time::format(self.last),
            inode,
        };
        let extra = serde_json::to_vec(&origin).unwrap_or_default();
        let mut encoder = GzBuilder::new()
            .extra(extra)
            .write(BufWriter::new(output), flate2::Compression::default());
        io::copy(&mut BufReader::with_capacity(64 * 1024, source), &mut encoder)
            .and_then(|_| encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error))
            .map_err(Error::file("compress", scratch))?;
        Ok(())
    }

    fn install(&self, inode: u64, source: &Path, scratch: &Path) -> Result<()> {
        let _lock = Lock::exclusive(&self.path)?;
        if fs::metadata(source).is_ok_and(|metadata| metadata.ino() == inode) {
            let target = rotated(&self.path, 1, true);
            fs::rename(scratch, &target).map_err(Error::file("rename", scratch))?;
            fs::remove_file(source).map_err(Error::file("remove", source))
        } else {
            fs::remove_file(scratch).map_err(Error::file("remove", scratch))
        }
    }
}
