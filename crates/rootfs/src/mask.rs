//! Hidden and read-only paths.

use super::beneath::Root;
use super::bind::clone_of;
use super::mount::attach;
use crate::error::{Doing, Error};
use rustix::fs::{FileType, Mode, OFlags, makedev};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_sys::mount_attributes::{self, Attributes, Change};

/// Hides paths: files behind the host's `/dev/null`, directories behind an empty read-only tmpfs (one for all).
///
/// It is the host's null device, opened before the root changes and checked by its number, since the container's could
/// be a link to anything (CVE-2025-31133). Missing paths are passed over. `label` is the SELinux label of mounts, or empty.
pub fn hide(root: &Root, paths: &[String], label: &str) -> Result<(), Error> {
    let mut null: Option<OwnedFd> = None;
    let mut empty: Option<OwnedFd> = None;
    for path in paths {
        let Some(target) = open(root, path)? else { continue };
        let stat = rustix::fs::fstat(&target).doing(|| format!("stat {path}"))?;
        let refused = |error| Error::Invalid(format!("can't mask path {path:?}: {error}"));
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let source = match &mut null {
                Some(source) => source,
                None => null.insert(null_device()?),
            };
            let copy = clone_of(source.as_fd(), false).doing(|| format!("mask {path}"))?;
            attach(copy.as_fd(), target.as_fd()).map_err(refused)?;
        } else if let Some(source) = &empty {
            let copy = clone_of(source.as_fd(), false).doing(|| format!("mask {path}"))?;
            attach(copy.as_fd(), target.as_fd()).map_err(refused)?;
        } else {
            // The first is mounted itself: kernels before 6.15 copy no mount that is attached nowhere.
            let source = empty.insert(empty_directory(label)?);
            attach(source.as_fd(), target.as_fd()).map_err(refused)?;
        }
    }
    Ok(())
}

/// Makes paths read-only by binding each onto itself. Missing paths are passed over.
pub fn make_read_only(root: &Root, paths: &[String]) -> Result<(), Error> {
    for path in paths {
        let Some(target) = open(root, path)? else { continue };
        let action = || format!("make {path} read-only");
        let copy = clone_of(target.as_fd(), true).doing(action)?;
        let change = Change {
            set: Attributes::READ_ONLY,
            ..Change::default()
        };
        mount_attributes::set(copy.as_fd(), false, change).doing(action)?;
        attach(copy.as_fd(), target.as_fd())?;
    }
    Ok(())
}

fn open(root: &Root, path: &str) -> Result<Option<OwnedFd>, Error> {
    match root.open(Path::new(path), OFlags::PATH) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(source) => Err(Error::Kernel {
            action: format!("open {path} in rootfs"),
            source,
        }),
    }
}

fn null_device() -> Result<OwnedFd, Error> {
    let action = || "open /dev/null".to_owned();
    let file = rustix::fs::open(
        "/dev/null",
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .doing(action)?;
    let stat = rustix::fs::fstat(&file).doing(action)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice || stat.st_rdev != makedev(1, 3) {
        return Err(Error::Invalid("/dev/null of the host is not the null device".into()));
    }
    Ok(file)
}

fn empty_directory(label: &str) -> Result<OwnedFd, Error> {
    let make = || {
        let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(&context, "nr_blocks", "1")?;
        rustix::mount::fsconfig_set_string(&context, "nr_inodes", "1")?;
        rustix::mount::fsconfig_set_flag(&context, "ro")?;
        if !label.is_empty() {
            rustix::mount::fsconfig_set_string(&context, "context", label)?;
        }
        rustix::mount::fsconfig_create(&context)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
            | MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    make().doing(|| "make an empty tmpfs".into())
}
