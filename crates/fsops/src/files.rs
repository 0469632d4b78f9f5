//! Plain operations on paths that this program chose itself.

use crate::{PathContext, Result};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The whole content of a file.
///
/// # Errors
/// Any failure to open or read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).at("read", path)
}

/// The whole content of a file, or `None` where there is no such file.
///
/// # Errors
/// Any other failure to open or read.
pub fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", path),
    }
}

/// The whole content of a UTF-8 file.
///
/// # Errors
/// Any failure to open or read, and content that is not UTF-8.
pub fn read_to_string(path: &Path) -> Result<String> {
    fs::read_to_string(path).at("read", path)
}

/// Makes or truncates a file and writes it; neither atomic nor durable (see [`crate::write_atomic`]).
///
/// # Errors
/// Any failure to make or write.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .at("write", path)
}

/// Makes one directory with this mode (less the umask).
///
/// # Errors
/// Also when it exists.
pub fn create_dir(path: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .mode(mode)
        .create(path)
        .at("create directory", path)
}

/// Makes a directory and its parents with this mode (less the umask); content when it exists.
///
/// # Errors
/// Any failure to make one.
pub fn create_dir_all(path: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .at("create directory", path)
}

/// Whether something is there, a dangling link included.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The names in a directory, sorted; empty where there is no such directory.
///
/// # Errors
/// Any other failure to read it.
pub fn names(path: &Path) -> Result<Vec<OsString>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).at("read directory", path),
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()
        .at("read directory", path)?;
    names.sort();
    Ok(names)
}

/// Removes a file; content when it is gone already.
///
/// # Errors
/// Any other failure to remove.
pub fn remove_file(path: &Path) -> Result<()> {
    gone_is_fine(fs::remove_file(path)).at("remove", path)
}

/// Removes a directory with all it holds, never following a link; content when it is gone already.
///
/// # Errors
/// Any other failure to remove.
pub fn remove_dir_all(path: &Path) -> Result<()> {
    gone_is_fine(fs::remove_dir_all(path)).at("remove directory", path)
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Renames within one file system; the error names the source.
///
/// # Errors
/// Any failure to rename.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).at("rename", from)
}

/// Makes a symbolic link at `path` that says `target`.
///
/// # Errors
/// Any failure to make it.
pub fn symlink(target: &Path, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path).at("create link", path)
}

/// Gives `to` the owner, group and mode of `from`.
///
/// # Errors
/// Any failure to read or set them.
pub fn copy_ownership(from: &Path, to: &Path) -> Result<()> {
    let metadata = fs::metadata(from).at("stat", from)?;
    std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid())).at("change owner of", to)?;
    fs::set_permissions(to, metadata.permissions()).at("change mode of", to)
}
