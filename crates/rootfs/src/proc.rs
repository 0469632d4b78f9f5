//! A procfs that is certainly the kernel's: writes to kernel settings and security labels must not end in a file that an
//! image laid under the name `/proc` (CVE-2019-16884, CVE-2025-52881).

use crate::error::{Doing, Error};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// `PROC_SUPER_MAGIC` of linux/magic.h.
const MAGIC: i64 = 0x9fa0;
/// Inode number of procfs's root directory, which no other directory of a procfs has.
const ROOT_INODE: u64 = 1;

/// Files of procfs that may be hidden behind a bind mount; tools like lxcfs give containers their own.
const REPLACEABLE: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// Whether a descriptor lies on a procfs.
pub fn is_procfs(file: impl AsFd) -> Result<bool, Errno> {
    Ok(rustix::fs::fstatfs(file)?.f_type as i64 == MAGIC)
}

/// Whether a descriptor is the root directory of a procfs.
pub fn is_procfs_root(file: impl AsFd) -> Result<bool, Errno> {
    Ok(is_procfs(&file)? && rustix::fs::fstat(file)?.st_ino == ROOT_INODE)
}

/// Refuses a mount that would hide a part of procfs other than the few replaceable files.
///
/// `target` is what is at the destination now, `tree` what is to be mounted, if it is a bind mount.
pub fn check_target(destination: &Path, target: impl AsFd, tree: Option<BorrowedFd<'_>>) -> Result<(), Error> {
    let shown = destination.display();
    if destination == Path::new("/proc") {
        if let Some(tree) = tree
            && is_procfs_root(tree).doing(|| "statfs source".into())?
        {
            return Ok(());
        }
        return Err(Error::Invalid(format!(
            "{shown:?} cannot be mounted because it is not of type proc"
        )));
    }
    let inside = destination.starts_with("/proc") || is_procfs(target).doing(|| format!("statfs {shown}"))?;
    if inside && !REPLACEABLE.iter().any(|allowed| destination == Path::new(allowed)) {
        return Err(Error::Invalid(format!(
            "{shown:?} cannot be mounted because it is inside /proc"
        )));
    }
    Ok(())
}

/// The root directory of a procfs of our own pid namespace.
#[derive(Debug)]
pub struct Procfs {
    root: OwnedFd,
}

impl Procfs {
    /// Makes a private procfs mount that nobody can cover; where a user namespace forbids that, takes `/proc` if it is
    /// the real one.
    pub fn open() -> Result<Self, Error> {
        let private = || {
            let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
            rustix::mount::fsconfig_create(&context)?;
            rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        };
        let root = if let Ok(root) = private() {
            root
        } else {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let root = rustix::fs::open("/proc", flags, Mode::empty()).doing(|| "open /proc".into())?;
            if !is_procfs_root(&root).doing(|| "statfs /proc".into())? {
                return Err(Error::Invalid("/proc is not a procfs".into()));
            }
            root
        };
        Ok(Self { root })
    }

    /// Writes a file of procfs. No mount on the way may cover it.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let shown = PathBuf::from("/proc").join(path);
        let file = rustix::fs::openat2(
            &self.root,
            path,
            OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS,
        )
        .doing(|| format!("open {}", shown.display()))?;
        rustix::io::write(&file, bytes).doing(|| format!("write {}", shown.display()))?;
        Ok(())
    }
}
