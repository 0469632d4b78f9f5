//! Whole directory trees: remove, copy, measure.
//!
//! The trees come from images and containers, so names, links and depth are hostile; nobody changes them while these
//! functions run. Symbolic links are never followed.

use crate::Error;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, XattrFlags, fstat,
    ioctl_ficlone, lgetxattr, llistxattr, lsetxattr, mkdirat, mknodat, openat, renameat_with, statat, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use tierce_sys::btrfs;

/// Directories nested deeper than this are first moved up, so that no tree is too deep to be removed.
const NESTING: usize = 64;

/// Removes what is at `path`, a whole tree if it is a directory. That nothing is there is no error.
///
/// Subvolumes of btrfs that lie in it go with it. Works on trees of any depth with a bounded number of open files, and on names longer than `PATH_MAX` in all.
///
/// # Errors
/// The first thing that could not be removed.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.raw_os_error() == Some(Errno::ISDIR.raw_os_error()) => {}
        Err(error) => return Err(Error::io("remove", path)(error)),
    }
    let root = open_dir(CWD, path).map_err(Error::io("open the directory", path))?;
    let mut moved = 0;
    empty(root.as_fd(), root.as_fd(), 0, &mut moved).map_err(Error::io("remove the tree", path))?;
    drop(root);
    fs::remove_dir(path).map_err(Error::io("remove the directory", path))
}

fn open_dir<P: rustix::path::Arg>(at: impl AsFd, name: P) -> rustix::io::Result<OwnedFd> {
    openat(
        at,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Removes everything in `dir`. Directories deeper than [`NESTING`] are moved into `root`, and removed from there.
fn empty(root: BorrowedFd<'_>, dir: BorrowedFd<'_>, depth: usize, moved: &mut u64) -> rustix::io::Result<()> {
    // A directory that was moved into the root while the root is listed may be missed by the listing: list again.
    loop {
        let before = *moved;
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            remove_entry(root, dir, name, entry.file_type(), depth, moved)?;
        }
        if depth > 0 || *moved == before {
            return Ok(());
        }
    }
}

fn remove_entry(
    root: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    name: &CStr,
    kind: FileType,
    depth: usize,
    moved: &mut u64,
) -> rustix::io::Result<()> {
    if kind != FileType::Directory {
        match unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR) => {}
            Err(error) => return Err(error),
        }
    }
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    if depth >= NESTING {
        loop {
            *moved += 1;
            match renameat_with(dir, name, root, format!(".removing-{moved}"), RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                result => return result,
            }
        }
    }
    let child = open_dir(dir, name)?;
    if btrfs::is_subvolume(&child)? {
        if btrfs::destroy(dir, name).is_ok() {
            return Ok(());
        }
        // It has others in it, or we may not: emptied like a directory, and for itself, for nothing can be moved out.
        let _ = btrfs::set_read_only(&child, false);
        empty(child.as_fd(), child.as_fd(), 0, moved)?;
    } else {
        empty(root, child.as_fd(), depth + 1, moved)?;
    }
    drop(child);
    unlinkat(dir, name, AtFlags::REMOVEDIR)
}

/// Copies the tree `from` to `to`, which must not exist: owners, modes, times, extended attributes, hard links and
/// devices included. The copies share their content with the files where the file system can (btrfs, xfs).
///
/// # Errors
/// File errors, with the path.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let mut links = HashMap::new();
    copy_entry(from, to, &mut links)
}

/// Copies a file or a whole directory.
///
/// - `links`: the copy of each file with several names, by its inode; one table for all that belongs together.
pub(crate) fn copy_entry(from: &Path, to: &Path, links: &mut HashMap<(u64, u64), PathBuf>) -> Result<(), Error> {
    let metadata = from.symlink_metadata().map_err(Error::io("look at", from))?;
    let kind = metadata.file_type();
    if !kind.is_dir() && metadata.nlink() > 1 {
        if let Some(first) = links.get(&(metadata.dev(), metadata.ino())) {
            return fs::hard_link(first, to).map_err(Error::io("make the hard link", to));
        }
        links.insert((metadata.dev(), metadata.ino()), to.to_owned());
    }
    if kind.is_dir() {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(to)
            .map_err(Error::io("create the directory", to))?;
        for name in names(from)? {
            copy_entry(&from.join(&name), &to.join(&name), links)?;
        }
    } else if kind.is_file() {
        let mut source = File::open(from).map_err(Error::io("open", from))?;
        let mut target = File::create_new(to).map_err(Error::io("create", to))?;
        if ioctl_ficlone(&target, &source).is_err() {
            io::copy(&mut source, &mut target).map_err(Error::io("copy the content to", to))?;
        }
    } else if kind.is_symlink() {
        let link = fs::read_link(from).map_err(Error::io("read the link", from))?;
        symlink(link, to).map_err(Error::io("create the link", to))?;
    } else if kind.is_socket() {
        return Ok(());
    } else {
        let kind = FileType::from_raw_mode(metadata.mode());
        mknodat(CWD, to, kind, Mode::from_raw_mode(0o600), metadata.rdev())
            .map_err(Error::io("create the node", to))?;
    }
    copy_attributes(from, &metadata, to)
}

/// Gives `to` the owner, mode, extended attributes and times of `from`.
pub(crate) fn copy_attributes(from: &Path, metadata: &fs::Metadata, to: &Path) -> Result<(), Error> {
    let owner = (Some(Uid::from_raw(metadata.uid())), Some(Gid::from_raw(metadata.gid())));
    rustix::fs::chownat(CWD, to, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Error::io("set the owner of", to))?;
    copy_xattrs(from, to, |_| true)?;
    if !metadata.is_symlink() {
        let mode = Mode::from_raw_mode(metadata.mode() & 0o7777);
        rustix::fs::chmodat(CWD, to, mode, AtFlags::empty()).map_err(Error::io("set the mode of", to))?;
    }
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: metadata.atime(),
            tv_nsec: metadata.atime_nsec(),
        },
        last_modification: Timespec {
            tv_sec: metadata.mtime(),
            tv_nsec: metadata.mtime_nsec(),
        },
    };
    utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::io("set the times of", to))
}

/// Gives the directory `to` the owner, mode and extended attributes of `from`, as a copy-up by the kernel does. What
/// overlay noted about `from` itself is not true of `to`, and stays behind.
///
/// # Errors
/// File errors, with the path.
pub fn copy_up(from: &Path, to: &Path) -> Result<(), Error> {
    let metadata = from.symlink_metadata().map_err(Error::io("look at", from))?;
    let owner = (Some(Uid::from_raw(metadata.uid())), Some(Gid::from_raw(metadata.gid())));
    rustix::fs::chownat(CWD, to, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Error::io("set the owner of", to))?;
    let of_overlay = [&b"trusted.overlay."[..], b"user.overlay."];
    copy_xattrs(from, to, |name| {
        !of_overlay.iter().any(|prefix| name.to_bytes().starts_with(prefix))
    })?;
    let mode = Mode::from_raw_mode(metadata.mode() & 0o7777);
    rustix::fs::chmodat(CWD, to, mode, AtFlags::empty()).map_err(Error::io("set the mode of", to))
}

/// Gives `to` those extended attributes of `from` that are wanted and that its file system takes.
fn copy_xattrs(from: &Path, to: &Path, wanted: impl Fn(&CStr) -> bool) -> Result<(), Error> {
    for (name, value) in xattrs(from)?.into_iter().filter(|(name, _)| wanted(name)) {
        match lsetxattr(to, &*name, &value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(error) => return Err(Error::io("set an extended attribute of", to)(error)),
        }
    }
    Ok(())
}

/// All extended attributes of a path, itself if it is a link; none where the file system has none.
pub(crate) fn xattrs(path: &Path) -> Result<Vec<(CString, Vec<u8>)>, Error> {
    let fail = Error::io::<Errno>;
    let mut buffer = vec![0; 4096];
    let list = loop {
        match llistxattr(path, &mut buffer) {
            Ok(length) => break &buffer[..length],
            Err(Errno::RANGE) => buffer.resize(buffer.len() * 4, 0),
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(error) => return Err(fail("list the extended attributes of", path)(error)),
        }
    };
    let mut found = Vec::new();
    for name in list.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        let mut value = vec![0; 1 << 16];
        match lgetxattr(path, name, &mut value) {
            Ok(length) => {
                value.truncate(length);
                found.push((name.to_owned(), value));
            }
            Err(Errno::NODATA) => {}
            Err(error) => return Err(fail("read an extended attribute of", path)(error)),
        }
    }
    Ok(found)
}

/// Whether this is overlay's whiteout: a character device 0:0.
pub fn is_whiteout(metadata: &fs::Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

/// Whether this directory hides what lies below it.
pub fn is_opaque(dir: &Path, attribute: &CStr) -> bool {
    let mut value = [0; 2];
    lgetxattr(dir, attribute, &mut value[..]).is_ok_and(|length| length == 1 && value[0] == b'y')
}

/// The names in a directory, sorted.
///
/// # Errors
/// File errors, with the path.
pub fn names(dir: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
    let fd = open_dir(CWD, dir).map_err(Error::io("open the directory", dir))?;
    let mut names = Vec::new();
    for entry in Dir::new(fd).map_err(Error::io("read the directory", dir))? {
        let entry = entry.map_err(Error::io("read the directory", dir))?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Creates a directory of exactly this mode, whatever the umask. `Ok(false)` when it is there already.
pub(crate) fn make_dir(dir: impl AsFd, name: &str, mode: u32) -> rustix::io::Result<bool> {
    let mode = Mode::from_raw_mode(mode);
    match mkdirat(&dir, name, mode) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(false),
        Err(error) => return Err(error),
    }
    let made = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if made.st_mode & 0o7777 != mode.as_raw_mode() {
        rustix::fs::chmodat(dir, name, mode, AtFlags::empty())?;
    }
    Ok(true)
}

/// Opens an existing directory to work in.
pub(crate) fn open(path: &Path) -> Result<OwnedFd, Error> {
    open_dir(CWD, path).map_err(Error::io("open the directory", path))
}

/// Sum of the sizes of all files and links of a tree, each inode once, directories not counted (as Docker counts).
///
/// # Errors
/// File errors, with the path. Files that vanish meanwhile are passed over.
pub fn size(root: &Path) -> Result<u64, Error> {
    let mut seen = std::collections::HashSet::new();
    let mut total = 0;
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let fd = match open_dir(CWD, &path) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(Error::io("open the directory", &path)(error)),
        };
        let device = fstat(&fd).map_err(Error::io("look at", &path))?.st_dev;
        for entry in Dir::read_from(&fd).map_err(Error::io("read the directory", &path))? {
            let entry = entry.map_err(Error::io("read the directory", &path))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if entry.file_type() == FileType::Directory {
                pending.push(path.join(OsStr::from_bytes(name.to_bytes())));
                continue;
            }
            let Ok(stat) = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            if stat.st_nlink > 1 && !seen.insert((device, stat.st_ino)) {
                continue;
            }
            total += u64::try_from(stat.st_size).unwrap_or(0);
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::{copy, remove, size};
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn trees_of_any_depth_are_removed_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        symlink(&outside, tree.join("link")).unwrap();
        // Deeper than PATH_MAX: built from the inside out.
        for _ in 0..3000 {
            let next = dir.path().join("next");
            fs::create_dir(&next).unwrap();
            fs::rename(&tree, next.join("d")).unwrap();
            fs::rename(&next, &tree).unwrap();
        }
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("precious").exists());
        remove(&tree).unwrap();
    }

    #[test]
    fn a_copy_keeps_modes_times_and_hard_links() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a");
        fs::create_dir(&from).unwrap();
        fs::write(from.join("f"), "text").unwrap();
        fs::set_permissions(from.join("f"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::hard_link(from.join("f"), from.join("g")).unwrap();
        symlink("f", from.join("s")).unwrap();
        let to = dir.path().join("b");
        copy(&from, &to).unwrap();
        let (old, new) = (from.join("f").metadata().unwrap(), to.join("f").metadata().unwrap());
        assert_eq!(
            (old.mode(), old.mtime_nsec(), old.len()),
            (new.mode(), new.mtime_nsec(), new.len())
        );
        assert_eq!(new.ino(), to.join("g").metadata().unwrap().ino());
        assert_eq!(fs::read_link(to.join("s")).unwrap().to_str(), Some("f"));
        assert_eq!(size(&to).unwrap(), 5);
    }
}
