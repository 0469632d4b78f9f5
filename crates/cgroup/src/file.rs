//! The thin hand: reads and writes the small files of control groups.

use crate::{Error, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writes one value by one write(2), as the kernel wants it; the file is never made.
pub(crate) fn write(directory: &Path, name: &str, value: &str) -> Result<()> {
    let path = directory.join(name);
    let attempt = || {
        let file = rustix::fs::open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes()))
    };
    attempt().map(drop).map_err(|source| Error::Write {
        value: value.to_owned(),
        path: path.clone(),
        source,
    })
}

/// Writes lines (file, value), each by one write(2); a file is opened once for neighbours of the same name.
pub(crate) fn write_lines(directory: &Path, lines: &[(&str, String)]) -> Result<()> {
    for lines in lines.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((name, value)) = lines.first() else { continue };
        let path = directory.join(name);
        let fail = |value: &str, source| Error::Write {
            value: value.to_owned(),
            path: path.clone(),
            source,
        };
        let file = rustix::fs::open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|source| fail(value, source))?;
        for (_, value) in lines {
            rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes()))
                .map_err(|source| fail(value, source))?;
        }
    }
    Ok(())
}

/// Reads a whole file.
pub(crate) fn read(directory: &Path, name: &str) -> Result<String> {
    read_path(&directory.join(name))
}

/// Reads a whole file, or `None` where this kernel has no such file.
pub(crate) fn read_optional(directory: &Path, name: &str) -> Result<Option<String>> {
    match read(directory, name) {
        // EOPNOTSUPP: there is such a file, but not for a group of this kind (pressure when it is switched off).
        Err(error) if matches!(error.errno(), Some(Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP)) => Ok(None),
        result => result.map(Some),
    }
}

/// Reads a whole file of `/proc` or of a control group.
pub(crate) fn read_path(path: &Path) -> Result<String> {
    let attempt = || {
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::with_capacity(4096);
        loop {
            if bytes.len() == bytes.capacity() {
                bytes.reserve(4096);
            }
            let read = || rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes));
            if rustix::io::retry_on_intr(read)? == 0 {
                break;
            }
        }
        Ok(bytes)
    };
    let bytes = attempt().map_err(|source| Error::File {
        verb: "read",
        path: path.to_owned(),
        source,
    })?;
    String::from_utf8(bytes).map_err(|_| Error::Parse {
        path: path.to_owned(),
        found: "bytes that are no text".into(),
    })
}

/// Whether a file or directory exists.
pub(crate) fn exists(path: &Path) -> bool {
    rustix::fs::statat(CWD, path, AtFlags::empty()).is_ok()
}

/// Makes a directory with its parents; says whether it was made now.
pub(crate) fn make_directory(path: &Path) -> Result<bool> {
    let make = || rustix::fs::mkdir(path, Mode::from_raw_mode(0o755));
    let fail = |source| {
        Err(Error::File {
            verb: "create",
            path: path.to_owned(),
            source,
        })
    };
    match make() {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(Errno::NOENT) => {
            let Some(parent) = path.parent() else {
                return fail(Errno::NOENT);
            };
            make_directory(parent)?;
            match make() {
                Ok(()) => Ok(true),
                Err(Errno::EXIST) => Ok(false),
                Err(source) => fail(source),
            }
        }
        Err(source) => fail(source),
    }
}

/// The groups directly below a group. The link count tells without listing whether there are any.
pub(crate) fn children(directory: &Path) -> Result<Vec<PathBuf>> {
    let fail = |source| Error::File {
        verb: "list",
        path: directory.to_owned(),
        source,
    };
    let gone = |errno| matches!(errno, Errno::NOENT | Errno::NODEV);
    match rustix::fs::stat(directory) {
        Ok(stat) if stat.st_nlink <= 2 => return Ok(Vec::new()),
        Err(errno) if gone(errno) => return Ok(Vec::new()),
        result => result.map_err(fail)?,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listing = match rustix::fs::open(directory, flags, Mode::empty()) {
        Err(errno) if gone(errno) => return Ok(Vec::new()),
        result => result.map_err(fail)?,
    };
    let mut children = Vec::new();
    for entry in rustix::fs::Dir::read_from(listing).map_err(fail)? {
        let entry = match entry {
            Err(errno) if gone(errno) => break,
            result => result.map_err(fail)?,
        };
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_dir() && name != "." && name != ".." {
            children.push(directory.join(name.as_ref()));
        }
    }
    Ok(children)
}

/// Removes a group and the groups below it, waiting for processes that are about to vanish.
pub(crate) fn remove_group(directory: &Path) -> Result<()> {
    let mut delay = Duration::from_micros(500);
    for attempt in 0.. {
        match rustix::fs::rmdir(directory) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // A read-only mount says so even of what does not exist.
            Err(Errno::ROFS) if !exists(directory) => return Ok(()),
            Err(Errno::BUSY) if attempt == 0 => {
                for child in children(directory)? {
                    remove_group(&child)?;
                }
            }
            Err(Errno::BUSY) if attempt < 12 => {
                std::thread::sleep(delay);
                delay *= 2;
            }
            Err(Errno::INTR) => {}
            Err(source) => {
                return Err(Error::File {
                    verb: "remove",
                    path: directory.to_owned(),
                    source,
                });
            }
        }
    }
    Ok(())
}
