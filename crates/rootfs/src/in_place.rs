//! The root of a container that shares the runtime's mount namespace: nothing of the host's mounts changes but that the
//! root becomes a mount on itself, below which the container's own lie. They stay when the container ends, as under
//! runc, since whoever shares a mount namespace may use them; only a create that failed takes them back.

use super::beneath::Root;
use super::{bind, mount};
use crate::error::{Doing, Error};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};
use rustix::mount::UnmountFlags;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use tierce_sys::mount_attributes::{self, Change, Propagation};

/// Makes the root a mount of its own, whose mounts spread nowhere.
pub fn prepare(rootfs: &Path) -> Result<Root, Error> {
    let tree = bind::tree(rootfs, true)?;
    let private = Change {
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    mount_attributes::set(tree.as_fd(), true, private).doing(|| "make the root private".into())?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let target = rustix::fs::open(rootfs, flags, Mode::empty()).doing(|| format!("open {}", rootfs.display()))?;
    mount::attach(tree.as_fd(), target.as_fd())?;
    Ok(Root::new(tree))
}

/// Takes the root's mount away when dropped, if there is one that was not there before and it is not to be kept.
#[derive(Debug)]
pub struct Undo {
    rootfs: PathBuf,
    before: Option<u64>,
    kept: bool,
}

impl Undo {
    /// Remembers what is at the root now.
    pub fn of(rootfs: &Path) -> Self {
        Self {
            rootfs: rootfs.to_owned(),
            before: mount_id(rootfs),
            kept: false,
        }
    }

    /// Leaves the mount where it is.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if !self.kept && mount_id(&self.rootfs) != self.before {
            // Whatever led here is what the caller hears.
            let _ = rustix::mount::unmount(&self.rootfs, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        }
    }
}

fn mount_id(path: &Path) -> Option<u64> {
    let found = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID);
    found.ok().map(|found| found.stx_mnt_id)
}
