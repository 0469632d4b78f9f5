//! One holder of a file at a time, across processes; the kernel lets go when the holder dies. See flock(2).

use crate::{PathContext, Result};
use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// That of a file which is locked already.
    pub(crate) fn of(file: File) -> Self {
        Self { _file: file }
    }
}

/// Takes the lock of a file (made where missing) if nobody holds it; `None` if somebody does.
///
/// # Errors
/// Any failure to open or lock.
pub fn try_lock(path: &Path) -> Result<Option<FileLock>> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .at("open lock", path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(FileLock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).at("lock", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }
}
