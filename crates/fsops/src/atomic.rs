//! Replacing a file so that a reader, and a machine that loses power, sees the old or the new one, never a part.

use crate::{FileLock, PathContext, Result, names, remove_file};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// What must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The death of this process: the kernel has the bytes.
    Process,
    /// The loss of power: the disk has them.
    Power,
}

static SEQUENCE: AtomicU64 = AtomicU64::new(0);

/// How the name of a file that is not finished begins; Docker's begin so too.
const UNFINISHED: &str = ".tmp-";

/// Replaces a file durably: a temporary file beside it, fsync, rename, fsync of the directory.
///
/// # Errors
/// Any step that fails; the old file is then untouched and the temporary one gone.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    write_atomic_with(path, bytes, mode, Durability::Power)
}

/// [`write_atomic`] with a choice of what must survive.
///
/// # Errors
/// Any step that fails; the old file is then untouched and the temporary one gone.
pub fn write_atomic_with(path: &Path, bytes: &[u8], mode: u32, durability: Durability) -> Result<()> {
    replace(path, durability, |file| write_new(file, bytes, mode, durability)).map(drop)
}

/// [`write_atomic`] of a file whose lock this process holds: the new file is locked before it has the name.
///
/// # Errors
/// Any step that fails; the old file is then untouched and the temporary one gone.
pub fn write_atomic_locked(path: &Path, bytes: &[u8], mode: u32) -> Result<FileLock> {
    replace(path, Durability::Power, |temporary| {
        let file = write_new(temporary, bytes, mode, Durability::Power)?;
        file.try_lock()?;
        Ok(FileLock::of(file))
    })
}

/// Has a temporary file written beside `path` and gives it that name.
fn replace<T>(path: &Path, durability: Durability, write: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T> {
    let parent = parent_of(path);
    let mut name = OsString::from(UNFINISHED);
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(
        "-{}-{}",
        std::process::id(),
        SEQUENCE.fetch_add(1, Ordering::Relaxed)
    ));
    let temporary = parent.join(name);
    let written = write(&temporary)
        .at("write", &temporary)
        .and_then(|written| fs::rename(&temporary, path).at("replace", path).map(|()| written));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    } else if durability == Durability::Power {
        sync_dir(parent)?;
    }
    written
}

fn write_new(path: &Path, bytes: &[u8], mode: u32, durability: Durability) -> std::io::Result<File> {
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    match durability {
        Durability::Power => file.sync_all()?,
        Durability::Process => {}
    }
    Ok(file)
}

/// Makes the names in a directory durable.
///
/// # Errors
/// Any failure to open or sync it.
pub fn sync_dir(path: &Path) -> Result<()> {
    rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .and_then(rustix::fs::fsync)
    .at("sync directory", path)
}

/// Removes the files that writes of a process which died have left in a directory. Returns how many. Nobody may be
/// writing there.
///
/// # Errors
/// Any failure to list the directory (content when it is not there) or to remove.
pub fn remove_unfinished(directory: &Path) -> Result<usize> {
    let mut removed = 0;
    for name in names(directory)? {
        if name.to_string_lossy().starts_with(UNFINISHED) {
            remove_file(&directory.join(name))?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record");
        write_atomic(&path, b"one", 0o600).unwrap();
        write_atomic_with(&path, b"two", 0o600, Durability::Process).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_dead_writer_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".tmp-record-7-0", ".tmp-record123", "record", ".hidden"] {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        assert_eq!(remove_unfinished(dir.path()).unwrap(), 2);
        assert_eq!(names(dir.path()).unwrap(), [".hidden", "record"]);
        assert_eq!(remove_unfinished(&dir.path().join("absent")).unwrap(), 0);
    }

    #[test]
    fn a_failure_names_the_path_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("is-a-directory");
        fs::create_dir(&path).unwrap();
        let error = write_atomic(&path, b"x", 0o600).unwrap_err();
        assert!(error.to_string().starts_with("replace "), "{error}");
        assert!(error.to_string().ends_with("is a directory"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
