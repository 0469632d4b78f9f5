//! Copies a directory of an image into an empty volume, by directory handles only: no path that an image chose is ever
//! resolved, so its links cannot lead the copy out of either tree.

use crate::Error;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Deeper trees are refused: every level holds two descriptors and a stack frame.
const DEEPEST: usize = 256;

/// Copies if the target is an empty directory; anything else is left alone, as Docker does.
///
/// * `subpath`: the target in `volume`, which its containers may have replaced by a link.
pub(crate) fn copy_into_empty(source: BorrowedFd<'_>, volume: &Path, subpath: &str) -> Result<(), Error> {
    let target = volume.join(subpath);
    let failed = |error: Errno| Error::File {
        verb: "copy image files into",
        path: target.clone(),
        source: error.into(),
    };
    let root = tierce_fsops::Root::open(volume)?;
    let directory = match root.open_within(Path::new(subpath), OFlags::DIRECTORY | OFlags::CLOEXEC) {
        Ok(directory) => directory,
        Err(error) if !subpath.is_empty() && matches!(error.errno(), Some(Errno::NOENT | Errno::NOTDIR)) => {
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    if !entries(directory.as_fd()).map_err(failed)?.is_empty() {
        return Ok(());
    }
    let mut copy = Copy {
        target: target.clone(),
        links: HashMap::new(),
    };
    copy.directory(source, directory.as_fd(), 0).map_err(failed)?;
    let stat = rustix::fs::fstat(source).map_err(failed)?;
    copy.attributes(source, directory.as_fd(), &stat).map_err(failed)
}

/// Bytes that a tree takes on disk; what cannot be read counts nothing.
pub(crate) fn disk_use(root: &Path) -> u64 {
    let mut bytes = 0;
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += metadata.size();
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    bytes
}

struct Copy {
    target: PathBuf,
    /// (device, inode) of files with several names → the first copy, relative to the target.
    links: HashMap<(u64, u64), OwnedFd>,
}

fn entries(directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

impl Copy {
    fn directory(&mut self, source: BorrowedFd<'_>, target: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        if depth > DEEPEST {
            return Err(Errno::NAMETOOLONG);
        }
        // A handle opened with O_PATH cannot be listed.
        let listing = rustix::fs::openat(source, c".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        for name in entries(listing.as_fd())? {
            self.entry(source, target, &name, depth)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        name: &CStr,
        depth: usize,
    ) -> Result<(), Errno> {
        let stat = rustix::fs::statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match kind {
            FileType::Directory => {
                rustix::fs::mkdirat(target, name, Mode::from_raw_mode(0o700))?;
                let from = rustix::fs::openat(source, name, flags | OFlags::DIRECTORY, Mode::empty())?;
                let to = rustix::fs::openat(target, name, flags | OFlags::DIRECTORY, Mode::empty())?;
                self.directory(from.as_fd(), to.as_fd(), depth + 1)?;
                self.attributes(from.as_fd(), to.as_fd(), &stat)
            }
            FileType::RegularFile => self.file(source, target, name, &stat),
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(source, name, Vec::new())?;
                rustix::fs::symlinkat(link.as_c_str(), target, name)?;
                owner_and_times(target, name, &stat)
            }
            _ => {
                rustix::fs::mknodat(
                    target,
                    name,
                    kind,
                    Mode::from_raw_mode(stat.st_mode & 0o7777),
                    stat.st_rdev,
                )?;
                owner_and_times(target, name, &stat)?;
                rustix::fs::chmodat(
                    target,
                    name,
                    Mode::from_raw_mode(stat.st_mode & 0o7777),
                    AtFlags::empty(),
                )
            }
        }
    }

    fn file(&mut self, source: BorrowedFd<'_>, target: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<(), Errno> {
        let identity = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1
            && let Some(first) = self.links.get(&identity)
        {
            // A descriptor cannot be linked by a process without CAP_DAC_READ_SEARCH except through /proc.
            use std::os::fd::AsRawFd;
            let path = format!("/proc/self/fd/{}", first.as_raw_fd());
            return rustix::fs::linkat(CWD, path, target, name, AtFlags::SYMLINK_FOLLOW);
        }
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let from = rustix::fs::openat(source, name, flags | OFlags::RDONLY, Mode::empty())?;
        let create = flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let to = rustix::fs::openat(target, name, create, Mode::from_raw_mode(0o600))?;
        let (mut reader, mut writer) = (std::fs::File::from(from), std::fs::File::from(to));
        // Uses copy_file_range, so that file systems which can share blocks do.
        std::io::copy(&mut reader, &mut writer)
            .map_err(|error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))?;
        self.attributes(reader.as_fd(), writer.as_fd(), stat)?;
        if stat.st_nlink > 1 {
            self.links.insert(identity, writer.into());
        }
        Ok(())
    }

    /// Owner, mode, extended attributes and times of an open file or directory, in the order that keeps each.
    fn attributes(&self, source: BorrowedFd<'_>, target: BorrowedFd<'_>, stat: &Stat) -> Result<(), Errno> {
        let owner = Some(rustix::fs::Uid::from_raw(stat.st_uid));
        let group = Some(rustix::fs::Gid::from_raw(stat.st_gid));
        rustix::fs::fchown(target, owner, group)?;
        rustix::fs::fchmod(target, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        if let Err(error) = extended_attributes(source, target) {
            tracing::debug!(volume = %self.target.display(), %error, "extended attributes were not copied");
        }
        rustix::fs::futimens(target, &times(stat))
    }
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec as _,
        },
    }
}

fn owner_and_times(directory: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    let owner = Some(rustix::fs::Uid::from_raw(stat.st_uid));
    let group = Some(rustix::fs::Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(directory, name, owner, group, AtFlags::SYMLINK_NOFOLLOW)?;
    rustix::fs::utimensat(directory, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

fn extended_attributes(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut names = vec![0_u8; 65_536];
    let length = match rustix::fs::flistxattr(source, names.as_mut_slice()) {
        Ok(length) => length,
        // Not on this file system, or a handle that cannot be asked: nothing to copy.
        Err(Errno::OPNOTSUPP | Errno::BADF) => return Ok(()),
        Err(error) => return Err(error),
    };
    names.truncate(length);
    let mut value = vec![0_u8; 65_536];
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        // What overlay wrote for itself means nothing in a volume.
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        let length = rustix::fs::fgetxattr(source, name, value.as_mut_slice())?;
        rustix::fs::fsetxattr(target, name, &value[..length], rustix::fs::XattrFlags::empty())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn open(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    #[test]
    fn row_162_files_owners_links_and_modes_arrive() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/file"), "hello").unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::hard_link(from.join("sub/file"), from.join("twin")).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o1777)).unwrap();
        let as_root = std::os::unix::fs::chown(from.join("sub"), Some(1234), Some(4321)).is_ok();
        copy_into_empty(open(&from).as_fd(), &to, "").unwrap();
        assert_eq!(fs::read(to.join("sub/file")).unwrap(), b"hello");
        assert_eq!(fs::metadata(to.join("sub/file")).unwrap().mode() & 0o7777, 0o4751);
        assert_eq!(
            fs::metadata(to.join("twin")).unwrap().ino(),
            fs::metadata(to.join("sub/file")).unwrap().ino()
        );
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/etc/passwd"));
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o7777, 0o1777);
        if as_root {
            let sub = fs::metadata(to.join("sub")).unwrap();
            assert_eq!((sub.uid(), sub.gid()), (1234, 4321));
        }
    }

    #[test]
    fn a_volume_with_files_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("a"), "a").unwrap();
        fs::write(to.join("b"), "b").unwrap();
        copy_into_empty(open(&from).as_fd(), &to, "").unwrap();
        assert!(!to.join("a").exists());
    }
}
