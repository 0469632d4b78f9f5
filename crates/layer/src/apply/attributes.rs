//! Owner, mode, extended attributes and times.

use super::beneath::Beneath;
use crate::Error;
use crate::tar::{Entry, EntryKind};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat, chownat, fchmod, fchown,
    fsetxattr, futimens, lsetxattr, statat, utimensat,
};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

/// Attributes of a file or directory that was made before.
pub(crate) fn set_on_open(fd: BorrowedFd<'_>, entry: &Entry, user_xattr: bool) -> Result<(), Error> {
    set(fd, entry, user_xattr, Spared::default(), &entry.name)
}

/// Attributes of a file just written.
///
/// While a layer is unpacked no directory has a set-group-id bit or default access list yet (see [`Deferred`]), so a
/// new file belongs to us and has the mode it was created with, less the umask: most files need neither call.
pub(crate) fn set_on_file(file: &File, entry: &Entry, root: &Beneath) -> Result<(), Error> {
    let us = root.creator();
    let owner = (entry.uid, entry.gid) == (u64::from(us.uid), u64::from(us.gid));
    let mode = owner && entry.mode & (0o7000 | us.umask) == 0;
    set(
        file.as_fd(),
        entry,
        root.user_xattr(),
        Spared { owner, mode },
        &entry.name,
    )
}

/// Calls that are not needed.
#[derive(Debug, Clone, Copy, Default)]
struct Spared {
    owner: bool,
    mode: bool,
}

/// Owner and group as the kernel takes numbers: their last 32 bits. The highest one means "unchanged".
fn owner(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    let id = |id: u64| Some(id as u32).filter(|&id| id != u32::MAX);
    (id(entry.uid).map(Uid::from_raw), id(entry.gid).map(Gid::from_raw))
}

fn times(entry: &Entry) -> Timestamps {
    let modified = Timespec {
        tv_sec: entry.mtime.0,
        tv_nsec: i64::from(entry.mtime.1),
    };
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: modified,
    }
}

/// Sets everything on an open file or directory. The owner comes before the mode, since a change of owner clears suid;
/// capabilities come after the owner for the same reason.
fn set(fd: BorrowedFd<'_>, entry: &Entry, user_xattr: bool, spared: Spared, name: &[u8]) -> Result<(), Error> {
    if !spared.owner {
        let (uid, gid) = owner(entry);
        fchown(fd, uid, gid).map_err(Error::entry("set the owner", name))?;
    }
    for (key, value) in &entry.xattrs {
        if is_ours_to_set(key, user_xattr) {
            ignore_unsupported(fsetxattr(fd, &**key, value, XattrFlags::empty()), key, name)?;
        }
    }
    if !spared.mode {
        fchmod(fd, Mode::from_raw_mode(entry.mode)).map_err(Error::entry("set the mode", name))?;
    }
    futimens(fd, &times(entry)).map_err(Error::entry("set the times", name))
}

/// Sets everything on a link, device or pipe, which cannot be opened.
pub(crate) fn set_at(root: &Beneath, parent: BorrowedFd<'_>, base: &[u8], entry: &Entry) -> Result<(), Error> {
    let is_link = entry.kind == EntryKind::Symlink;
    set_named(root, (parent, base), entry, true, !is_link)
}

/// Sets on the file what the entry of a hard link to it says, as Docker and containerd do. What is right already is left
/// alone: a change of owner, even to the same one, takes the capabilities of a file away.
pub(crate) fn set_on_hard_link(
    root: &Beneath,
    parent: BorrowedFd<'_>,
    base: &[u8],
    entry: &Entry,
) -> Result<(), Error> {
    let stat =
        statat(parent, base, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::entry("look at the target", &entry.name))?;
    let (uid, gid) = owner(entry);
    let owned = uid.is_none_or(|uid| uid.as_raw() == stat.st_uid) && gid.is_none_or(|gid| gid.as_raw() == stat.st_gid);
    let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
    // A change of owner takes suid away, too.
    let mode = !is_link && (!owned || stat.st_mode & 0o7777 != entry.mode);
    set_named(root, (parent, base), entry, !owned, mode)
}

fn set_named(
    root: &Beneath,
    (parent, base): (BorrowedFd<'_>, &[u8]),
    entry: &Entry,
    owner_wanted: bool,
    mode_wanted: bool,
) -> Result<(), Error> {
    let name = &*entry.name;
    if owner_wanted {
        let (uid, gid) = owner(entry);
        chownat(parent, base, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::entry("set the owner", name))?;
    }
    if mode_wanted {
        // Looked at or made this moment: it is no link.
        chmodat(parent, base, Mode::from_raw_mode(entry.mode), AtFlags::empty())
            .map_err(Error::entry("set the mode", name))?;
    }
    if !entry.xattrs.is_empty() {
        let path = root
            .path_of(parent, base)
            .map_err(Error::entry("go to its directory", name))?;
        for (key, value) in &entry.xattrs {
            if is_ours_to_set(key, root.user_xattr()) {
                ignore_unsupported(lsetxattr(&path, &**key, value, XattrFlags::empty()), key, name)?;
            }
        }
    }
    utimensat(parent, base, &times(entry), AtFlags::SYMLINK_NOFOLLOW).map_err(Error::entry("set the times", name))
}

/// Attributes by which overlay itself is steered are never a layer's.
fn is_ours_to_set(key: &[u8], user_xattr: bool) -> bool {
    let overlays = key.starts_with(b"trusted.overlay.") || (user_xattr && key.starts_with(b"user.overlay."));
    !overlays && !key.contains(&0)
}

/// As Docker: a file system that does not take an attribute is no reason to refuse an image.
fn ignore_unsupported(result: rustix::io::Result<()>, key: &[u8], name: &[u8]) -> Result<(), Error> {
    match result {
        Ok(()) => Ok(()),
        Err(error @ (Errno::NOTSUP | Errno::PERM)) => {
            let (key, name) = (crate::error::printable(key), crate::error::printable(name));
            tracing::warn!(%key, %name, %error, "extended attribute left out");
            Ok(())
        }
        Err(error) => Err(Error::entry("set an extended attribute", name)(error)),
    }
}
