//! Names of rotated files, the directory lock, and opening a consistent set of files.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

/// `<path>.<number>`, with `.gz` if `compressed`.
pub(super) fn rotated(path: &Path, number: u32, compressed: bool) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}{}", if compressed { ".gz" } else { "" }));
    PathBuf::from(name)
}

/// The directory that holds `path`.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A lock on the directory of a log; released when dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its descriptor")] File);

impl Lock {
    /// For those who rename or remove files.
    pub(crate) fn exclusive(path: &Path) -> Result<Self> {
        Self::take(path, FlockOperation::LockExclusive)
    }

    /// For those who open several.
    pub(crate) fn shared(path: &Path) -> Result<Self> {
        Self::take(path, FlockOperation::LockShared)
    }

    fn take(path: &Path, operation: FlockOperation) -> Result<Self> {
        let directory = directory(path);
        let file = File::open(directory).map_err(Error::file("open directory of", path))?;
        rustix::io::retry_on_intr(|| flock(&file, operation)).map_err(Error::file("lock directory of", path))?;
        Ok(Self(file))
    }
}

/// One file of a log, opened.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// Its name when it was opened.
    pub(crate) path: PathBuf,
    /// The descriptor, at offset 0.
    pub(crate) file: File,
    /// It is a gzip file.
    pub(crate) compressed: bool,
    /// Its inode.
    pub(crate) inode: u64,
}

impl LogFile {
    /// Opens a file; `None` if it does not exist.
    pub(super) fn open(path: PathBuf, compressed: bool) -> Result<Option<Self>> {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("open", &path)(error)),
        };
        let inode = file.metadata().map_err(Error::file("examine", &path))?.ino();
        Ok(Some(Self {
            path,
            file,
            compressed,
            inode,
        }))
    }
}

/// Opens all files of the log, newest first; where a plain and a compressed form exist, the plain one.
/// The caller holds the lock.
pub(crate) fn open_all(path: &Path) -> Result<Vec<LogFile>> {
    let mut files: Vec<LogFile> = LogFile::open(path.to_owned(), false)?.into_iter().collect();
    for number in 1.. {
        let plain = LogFile::open(rotated(path, number, false), false)?;
        let file = match plain {
            Some(file) => Some(file),
            None => LogFile::open(rotated(path, number, true), true)?,
        };
        match file {
            Some(file) => files.push(file),
            None => break,
        }
    }
    Ok(files)
}
