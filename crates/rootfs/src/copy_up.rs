//! `tmpcopyup`: a new tmpfs starts with a copy of the directory that it hides.

use super::beneath::Root;
use crate::error::{Doing, Error};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Deeper trees than any package ships are refused rather than overflow the stack.
const DEEPEST: usize = 128;

/// Copies what lies at `path` beneath the root into the root directory of a detached mount.
pub fn copy(root: &Root, path: &Path, mount: BorrowedFd<'_>) -> Result<(), Error> {
    let from = root
        .open(path, OFlags::RDONLY | OFlags::DIRECTORY)
        .doing(|| format!("open {} for tmpcopyup", path.display()))?;
    let stat = rustix::fs::fstat(&from).doing(|| "tmpcopyup: stat".into())?;
    let to = rustix::fs::openat(
        mount,
        c".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .doing(|| "tmpcopyup: open tmpfs".into())?;
    own(&to, &stat)?;
    directory(&from, to.as_fd(), 0)
}

fn own(file: &OwnedFd, stat: &rustix::fs::Stat) -> Result<(), Error> {
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(stat.st_uid),
        rustix::fs::Gid::from_raw(stat.st_gid),
    );
    rustix::fs::fchown(file, Some(uid), Some(gid)).doing(|| "tmpcopyup: chown".into())?;
    rustix::fs::fchmod(file, Mode::from_raw_mode(stat.st_mode & 0o7777)).doing(|| "tmpcopyup: chmod".into())
}

fn directory(from: &OwnedFd, to: BorrowedFd<'_>, depth: usize) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(Error::Invalid("tmpcopyup: directories nested too deeply".into()));
    }
    let entries = Dir::read_from(from).doing(|| "tmpcopyup: read directory".into())?;
    for entry in entries {
        let entry = entry.doing(|| "tmpcopyup: read directory".into())?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        copy_entry(from, to, name, depth).map_err(|error| match error {
            Error::Kernel { action, source } => Error::Kernel {
                action: format!("{action} {}", name.to_string_lossy()),
                source,
            },
            error => error,
        })?;
    }
    Ok(())
}

fn copy_entry(from: &OwnedFd, to: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<(), Error> {
    let doing = || "tmpcopyup: copy".to_owned();
    let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).doing(doing)?;
    let open = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700)).doing(doing)?;
            let inner = rustix::fs::openat(from, name, open | OFlags::DIRECTORY, Mode::empty()).doing(doing)?;
            let made = rustix::fs::openat(to, name, open | OFlags::DIRECTORY, Mode::empty()).doing(doing)?;
            own(&made, &stat)?;
            directory(&inner, made.as_fd(), depth + 1)
        }
        FileType::RegularFile => {
            let mut inner = std::fs::File::from(rustix::fs::openat(from, name, open, Mode::empty()).doing(doing)?);
            let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let made = rustix::fs::openat(to, name, create, Mode::from_raw_mode(0o600)).doing(doing)?;
            let mut file = std::fs::File::from(made);
            std::io::copy(&mut inner, &mut file).doing(doing)?;
            own(&file.into(), &stat)
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from, name, Vec::new()).doing(doing)?;
            rustix::fs::symlinkat(target.as_c_str(), to, name).doing(doing)?;
            owner_of_link(to, name, &stat)
        }
        kind => {
            rustix::fs::mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev)
                .doing(doing)?;
            owner_of_link(to, name, &stat)
        }
    }
}

fn owner_of_link(to: BorrowedFd<'_>, name: &CStr, stat: &rustix::fs::Stat) -> Result<(), Error> {
    let (uid, gid) = (
        rustix::fs::Uid::from_raw(stat.st_uid),
        rustix::fs::Gid::from_raw(stat.st_gid),
    );
    rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).doing(|| "tmpcopyup: chown".into())
}
