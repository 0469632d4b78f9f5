//! The container's root directory, with errors that say what was tried in it. How paths are kept beneath it is
//! [`tierce_fsops::Beneath`]'s.

use crate::error::{Doing, Error};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tierce_fsops::Beneath;
pub use tierce_fsops::clean;

/// Mode of directories and of files that are made as targets of mounts.
const DIRECTORY: Mode = Mode::from_raw_mode(0o755);
const FILE: Mode = Mode::from_raw_mode(0o644);

/// The root directory of a container, as a descriptor of the mount that it is.
#[derive(Debug)]
pub struct Root(Beneath);

impl Root {
    /// The root that this descriptor (opened `O_PATH`) stands for.
    pub fn new(directory: OwnedFd) -> Self {
        Self(Beneath::new(directory))
    }

    /// The root directory itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Whether a descriptor stands for the root directory itself, on the root's own mount.
    pub fn is(&self, file: &OwnedFd) -> Result<bool, Errno> {
        self.0.is(file.as_fd())
    }

    /// Opens a path beneath the root; links are followed as if the root were `/`.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.0.open(path, flags)
    }

    /// Opens a path beneath the root on which no link may lie.
    pub fn open_without_links(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = path.as_os_str().as_bytes();
        self.0.open_with(path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
    }

    /// Opens a directory, making it and those above it where they are missing.
    pub fn make_directories(&self, path: &Path) -> Result<OwnedFd, Error> {
        self.0
            .make_directories(path, DIRECTORY)
            .doing(|| format!("mkdir {} in rootfs", path.display()))
    }

    /// Opens a file (`O_PATH`) as the target of a mount, making an empty one where nothing is.
    pub fn make_file(&self, path: &Path) -> Result<OwnedFd, Error> {
        self.0
            .make_file(path, FILE, DIRECTORY)
            .doing(|| format!("create {} in rootfs", path.display()))
    }
}
