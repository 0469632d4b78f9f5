//! Bind mounts: copies of mounts that exist, and what options mean to them.
//!
//! `mount --bind -o ro` sets what was asked for and clears all other attributes, except that access time modes stay
//! unless one is named. In a user namespace attributes of the host's mounts are locked: those that were not named are
//! kept then, and one that was asked to be cleared is an error. Both are runc's rules.

use super::options::{AccessTime, Flags};
use crate::error::{Doing, Error};
use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use tierce_sys::mount_attributes::{self, Attributes, Change};

/// What a bind mount with options loses when it is not named, with the names of mount(2).
const PLAIN: [(Attributes, &str, StatVfsMountFlags); 5] = [
    (Attributes::READ_ONLY, "MS_RDONLY", StatVfsMountFlags::RDONLY),
    (Attributes::NO_SUID, "MS_NOSUID", StatVfsMountFlags::NOSUID),
    (Attributes::NO_DEVICES, "MS_NODEV", StatVfsMountFlags::NODEV),
    (Attributes::NO_EXECUTE, "MS_NOEXEC", StatVfsMountFlags::NOEXEC),
    (Attributes::NO_SYMLINKS, "MS_NOSYMFOLLOW", NO_SYMLINKS),
];

/// `ST_NOSYMFOLLOW` of linux/statfs.h.
const NO_SYMLINKS: StatVfsMountFlags = StatVfsMountFlags::from_bits_retain(0x2000);

/// A detached copy of the mount tree at a host path.
pub fn tree(source: &Path, recursive: bool) -> Result<OwnedFd, Error> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(rustix::fs::CWD, source, flags).doing(|| format!("open {}", source.display()))
}

/// A detached copy of the mount that a descriptor stands for.
pub fn clone_of(file: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(file, c"", flags)
}

/// Gives the topmost mount of a tree the attributes that its options ask for.
pub fn set_flags(tree: BorrowedFd<'_>, flags: &Flags) -> Result<(), Error> {
    if flags.is_empty() {
        return Ok(());
    }
    let set = flags.attributes();
    let mut clear = PLAIN
        .iter()
        .fold(Attributes::NONE, |all, (attribute, ..)| all | *attribute)
        .without(flags.set);
    if flags.names_access_time() {
        clear |= (Attributes::ACCESS_TIME_FIELD | Attributes::NO_DIRECTORY_ACCESS_TIME).without(flags.set);
    }
    match change(tree, set, clear) {
        Err(Errno::PERM) => keep_locked(tree, flags),
        result => result.doing(|| "mount_setattr".into()),
    }
}

fn change(tree: BorrowedFd<'_>, set: Attributes, clear: Attributes) -> Result<(), Errno> {
    let with = |clear| Change {
        set,
        clear,
        ..Change::default()
    };
    match mount_attributes::set(tree, false, with(clear)) {
        // Kernels before 5.14 do not know it.
        Err(Errno::INVAL) if !set.contains(Attributes::NO_SYMLINKS) => {
            mount_attributes::set(tree, false, with(clear.without(Attributes::NO_SYMLINKS)))
        }
        result => result,
    }
}

/// The attributes that a mount has now, as a bind mount's options name them.
fn present(tree: BorrowedFd<'_>) -> Result<Flags, Error> {
    let found = rustix::fs::fstatvfs(tree).doing(|| "statfs source".into())?.f_flag;
    let mut flags = Flags::default();
    for (attribute, _, flag) in PLAIN {
        if found.contains(flag) {
            flags.set |= attribute;
        }
    }
    if found.contains(StatVfsMountFlags::NODIRATIME) {
        flags.set |= Attributes::NO_DIRECTORY_ACCESS_TIME;
    }
    flags.access_time = Some(if found.contains(StatVfsMountFlags::NOATIME) {
        AccessTime::Never
    } else if found.contains(StatVfsMountFlags::RELATIME) {
        AccessTime::Relative
    } else {
        AccessTime::Always
    });
    Ok(flags)
}

/// The second attempt, with the locked attributes of the source.
fn keep_locked(tree: BorrowedFd<'_>, flags: &Flags) -> Result<(), Error> {
    let present = present(tree)?;
    let refused = |action: String| Error::Kernel {
        action,
        source: Errno::PERM,
    };
    let mut locked: Vec<&str> = PLAIN
        .iter()
        .filter(|(attribute, ..)| *attribute != Attributes::NO_SYMLINKS)
        .filter(|(attribute, ..)| present.has(*attribute) && flags.cleared.contains(*attribute))
        .map(|(_, name, _)| *name)
        .collect();
    if flags.cleared_access_time.is_some() && flags.cleared_access_time == present.access_time {
        locked.push("MS_*ATIME");
    }
    if !locked.is_empty() {
        return Err(refused(format!("cannot clear locked flags {}", locked.join("|"))));
    }
    let directories = Attributes::NO_DIRECTORY_ACCESS_TIME;
    if flags.names_access_time()
        && (flags
            .access_time
            .is_some_and(|wanted| Some(wanted) != present.access_time)
            || flags.has(directories) != present.has(directories))
    {
        return Err(refused("cannot change locked atime flags".into()));
    }
    let kept = present.set.without(Attributes::NO_SYMLINKS | directories);
    let clear = Attributes::NO_SYMLINKS.without(flags.set);
    change(tree, flags.set.without(directories) | kept, clear)
        .doing(|| "mount_setattr with the locked attributes of the source".into())
}
