//! Directories in volumes and images, held in place while they are mounted into a container.
//!
//! `volume-subpath` names a directory in a volume that other containers may write to: they can put a link in its place at
//! any moment, and whoever mounts by the path would follow it to the host. So the directory is opened with every link
//! resolved inside the volume, and mounted from its descriptor at a place of our own, which is what the container's
//! mount is made from. In an image of several layers it is looked for in their union, which is mounted for a moment.
//!
//! ```text
//! ER/subpaths/<pid>-<number>     the directory, as long as it is pinned
//! ```

use crate::error::{Error, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind_recursive, mount_change, unmount};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tierce_fault::{Fault as _, Kind};

/// Numbers the places of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A pinned directory or file. Let go when it is dropped; what was mounted from it stays.
#[derive(Debug)]
pub(super) struct Pinned {
    place: PathBuf,
}

impl Pinned {
    /// Pins what is at `subpath` in the union of an image's layers, topmost first.
    ///
    /// * `exec_root`: `ER`.
    pub(super) fn in_union(layers: &[PathBuf], subpath: &str, exec_root: &Path) -> Result<Self> {
        let union = Self::next(exec_root);
        tierce_fsops::create_dir_all(&union.place, 0o700).map_err(Error::below)?;
        tierce_layer::mount_union(layers, &union.place).map_err(Error::below)?;
        Self::beneath(&union.place, subpath, exec_root)
    }

    /// A place that nothing is at yet.
    fn next(exec_root: &Path) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            place: places(exec_root).join(format!("{}-{number}", std::process::id())),
        }
    }

    /// Pins what is at `subpath` in `volume`.
    ///
    /// * `exec_root`: `ER`.
    pub(super) fn beneath(volume: &Path, subpath: &str, exec_root: &Path) -> Result<Self> {
        let root = tierce_fsops::Root::open(volume).map_err(Error::below)?;
        let found = root
            .open_within(Path::new(subpath), OFlags::PATH | OFlags::CLOEXEC)
            .map_err(|error| not_there(volume, subpath, error))?;
        let pinned = Self::next(exec_root);
        let place = &pinned.place;
        let stat = rustix::fs::fstat(&found).map_err(|error| Error::file("look at", place)(error.into()))?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory {
            tierce_fsops::create_dir_all(place, 0o700).map_err(Error::below)?;
        } else {
            tierce_fsops::create_dir_all(&places(exec_root), 0o700).map_err(Error::below)?;
            std::fs::write(place, "").map_err(Error::file("create", place))?;
        }
        let source = format!("/proc/self/fd/{}", found.as_raw_fd());
        mount_bind_recursive(&source, place)
            .and_then(|()| mount_change(place, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC))
            .map_err(|error| Error::file("mount a directory of a volume on", place)(error.into()))?;
        Ok(pinned)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.place
    }
}

/// In dockerd's words where it has some.
fn not_there(volume: &Path, subpath: &str, error: tierce_fsops::Error) -> Error {
    let message = if error.errno() == Some(Errno::XDEV) {
        let volume = volume.display();
        format!("path concatenation escapes the base directory, base: {volume}, subpath: {subpath}")
    } else if error.kind() == Kind::NotFound {
        let path = volume.join(subpath);
        let path = path.display();
        format!("cannot access path {path}: lstat {path}: no such file or directory")
    } else {
        return Error::below_with("failed to mount volume subpath: ", error);
    };
    Error::Runtime {
        message,
        exit_code: 127,
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let_go(&self.place);
    }
}

/// Lets go of what a daemon that was killed had pinned.
pub(super) fn sweep(exec_root: &Path) {
    for entry in std::fs::read_dir(places(exec_root)).into_iter().flatten().flatten() {
        let_go(&entry.path());
    }
}

fn places(exec_root: &Path) -> PathBuf {
    exec_root.join("subpaths")
}

fn let_go(place: &Path) {
    // Not mounted where pinning failed half-way.
    let _ = unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    let removed = std::fs::remove_dir(place).or_else(|_| std::fs::remove_file(place));
    if let Err(error) = removed {
        tracing::warn!(place = %place.display(), %error, "a pinned directory stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_161_what_is_pinned_stays_the_same_whatever_takes_its_name() {
        let place = tempfile::tempdir().unwrap();
        let (volume, run) = (place.path().join("volume"), place.path().join("run"));
        std::fs::create_dir_all(volume.join("dir")).unwrap();
        std::fs::write(volume.join("dir/f"), "mine").unwrap();
        std::fs::write(place.path().join("f"), "the host's").unwrap();
        std::os::unix::fs::symlink(place.path(), volume.join("out")).unwrap();
        let pinned = match Pinned::beneath(&volume, "dir", &run) {
            Ok(pinned) => pinned,
            Err(error) => {
                println!("skipped: no mounts here: {error}");
                return;
            }
        };
        std::fs::rename(volume.join("dir"), volume.join("aside")).unwrap();
        std::os::unix::fs::symlink(place.path(), volume.join("dir")).unwrap();
        assert_eq!(std::fs::read_to_string(pinned.path().join("f")).unwrap(), "mine");
        // A link out of the volume leads nowhere inside it.
        assert!(Pinned::beneath(&volume, "out", &run).is_err());
        drop(pinned);
        assert_eq!(std::fs::read_dir(run.join("subpaths")).unwrap().count(), 0);
        std::mem::forget(Pinned::beneath(&volume, "aside", &run).unwrap());
        sweep(&run);
        assert_eq!(std::fs::read_dir(run.join("subpaths")).unwrap().count(), 0);
        assert!(volume.join("aside/f").exists());
    }
}
