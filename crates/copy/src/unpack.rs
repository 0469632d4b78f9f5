//! Unpacking a container's archive on this machine.
//!
//! The container is a stranger, and the user is often root. So:
//!
//! - The directory of an entry is opened beneath the destination (openat2, `RESOLVE_IN_ROOT`) without following any
//!   symbolic link, be it the archive's or one that was there.
//! - What an entry replaces is removed first: nothing is written through a link or another name of a file. Hard links
//!   lead only to what came from the same archive.
//! - Everything belongs to the user. A set-user-ID or set-group-ID bit is kept only where it still means the owner that it
//!   meant in the container, and of extended attributes only `user.` ones come along: a stranger's program gets no
//!   privileges here.
//! - A directory is never replaced by something else, nor something else by a directory, as with Docker.

use crate::Error;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_fsops::Beneath;
use tierce_tar::{Entry, EntryKind, Reader, Source};

/// Another name for what the archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// What its entries begin with; empty: with a slash.
    pub old: Vec<u8>,
    /// What they are to begin with.
    pub new: Vec<u8>,
}

/// Unpacks an archive in a directory.
///
/// # Errors
/// When the archive cannot be read, an entry is refused, or a file cannot be made; what was unpacked before stays.
pub fn unpack(archive: impl Read, directory: &Path, rename: Option<&Rename>) -> Result<(), Error> {
    let opened = rustix::fs::open(
        directory,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let root = Beneath::new(opened.map_err(Error::io("open", directory))?);
    let mut unpack = Unpack {
        reader: Reader::new(Input(BufReader::with_capacity(256 << 10, archive))),
        root,
        made: HashSet::new(),
        directories: Vec::new(),
    };
    while let Some(mut entry) = unpack.reader.next_entry()? {
        // Kept for tar-split, which is not wanted here.
        unpack.reader.raw().clear();
        if let Some(rename) = rename {
            rename.apply(&mut entry);
        }
        unpack.entry(&entry)?;
    }
    unpack.finish()
}

impl Rename {
    fn apply(&self, entry: &mut Entry) {
        self.replace(&mut entry.name);
        if entry.kind == EntryKind::HardLink {
            self.replace(&mut entry.link);
        }
    }

    fn replace(&self, name: &mut Vec<u8>) {
        if let Some(rest) = name.strip_prefix(&*self.old)
            && matches!(rest.first(), None | Some(b'/'))
        {
            *name = [&self.new, rest].concat();
        }
    }
}

/// The archive as it comes.
struct Input<R>(BufReader<R>);

impl<R: Read> Source for Input<R> {
    type Error = Error;

    fn fill(&mut self) -> Result<&[u8], Error> {
        loop {
            match self.0.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Stream("read", error)),
                // Asked for again, since the loop must not keep the borrow.
                Ok(_) => break,
            }
        }
        self.0.fill_buf().map_err(|error| Error::Stream("read", error))
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

/// A directory whose mode and time are set when all is in it.
struct Directory {
    name: Vec<u8>,
    mode: Mode,
    times: Timestamps,
}

struct Unpack<R> {
    reader: Reader<Input<R>>,
    root: Beneath,
    /// Names of what came from the archive, and is no directory.
    made: HashSet<Vec<u8>>,
    directories: Vec<Directory>,
}

impl<R: Read> Unpack<R> {
    fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        let name = clean(&entry.name)?;
        let Some((parent, base)) = split(&name) else {
            // The destination itself is the user's and stays as it is.
            return Ok(());
        };
        let parent = self.directory(parent).map_err(failed("open the directory of", entry))?;
        if entry.kind == EntryKind::Directory {
            make_directory(&parent, base, entry)?;
            self.directories.push(Directory {
                mode: mode(entry),
                times: times(entry),
                name,
            });
            return Ok(());
        }
        remove(&parent, base, entry)?;
        match entry.kind {
            EntryKind::HardLink => return self.hard_link(&parent, base, entry),
            EntryKind::Symlink => {
                rustix::fs::symlinkat(&*entry.link, &parent, base).map_err(failed("make the link", entry))?;
            }
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => node(&parent, base, entry)?,
            _ if entry.kind == EntryKind::File || entry.sparse.is_some() => self.file(&parent, base, entry)?,
            _ => return Err(Error::refused(&entry.name, "unknown kind of entry")),
        }
        // Some file systems keep no times of links.
        let _ = rustix::fs::utimensat(&parent, base, &times(entry), AtFlags::SYMLINK_NOFOLLOW);
        self.made.insert(name);
        Ok(())
    }

    /// Opens a directory beneath the destination by way of directories alone; makes what is missing.
    fn directory(&self, name: &[u8]) -> Result<OwnedFd, Errno> {
        let open = |name: &[u8]| {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            self.root
                .open_with(name, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
        };
        match open(name) {
            Err(Errno::NOENT) => {}
            result => return result,
        }
        let (above, base) = split(name).ok_or(Errno::NOENT)?;
        let above = self.directory(above)?;
        match rustix::fs::mkdirat(&above, base, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => open(name),
            Err(error) => Err(error),
        }
    }

    fn hard_link(&mut self, parent: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), Error> {
        let target = clean(&entry.link)?;
        let Some((above, name)) = split(&target).filter(|_| self.made.contains(&target)) else {
            return Err(Error::refused(&entry.name, "a hard link to what is not in the archive"));
        };
        let above = self.directory(above).map_err(failed("open the directory of", entry))?;
        rustix::fs::linkat(&above, name, parent, base, AtFlags::empty()).map_err(failed("link", entry))?;
        self.made.insert(clean(&entry.name)?);
        Ok(())
    }

    fn file(&mut self, parent: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(parent, base, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(opened.map_err(failed("make", entry))?);
        let whole = [(0, entry.size)];
        let pieces = entry.sparse.as_ref().map_or(&whole[..], |sparse| &sparse.pieces);
        for &(offset, length) in pieces {
            file.seek(SeekFrom::Start(offset)).map_err(failed("write", entry))?;
            let mut rest = length;
            while rest > 0 {
                let bytes = self.reader.content()?;
                let count = bytes.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
                if count == 0 {
                    return Err(Error::refused(&entry.name, "its pieces are longer than its content"));
                }
                file.write_all(&bytes[..count]).map_err(failed("write", entry))?;
                self.reader.consume(count);
                rest -= count as u64;
            }
        }
        if let Some(sparse) = &entry.sparse {
            file.set_len(sparse.size).map_err(failed("write", entry))?;
        }
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| name.starts_with(b"user.")) {
            // Not every file system keeps them.
            let _ = rustix::fs::fsetxattr(&file, &**name, value, rustix::fs::XattrFlags::empty());
        }
        rustix::fs::fchmod(&file, mode(entry)).map_err(failed("set the mode of", entry))
    }

    /// Gives directories their modes and times, the deepest first.
    fn finish(self) -> Result<(), Error> {
        for directory in self.directories.iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let set = self
                .root
                .open_with(&directory.name, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
                .and_then(|opened| {
                    rustix::fs::futimens(&opened, &directory.times)?;
                    rustix::fs::fchmod(&opened, directory.mode)
                });
            set.map_err(|error| Error::refused(&directory.name, format!("set its mode: {}", io::Error::from(error))))?;
        }
        Ok(())
    }
}

/// Makes a directory that is not there. Until all is in it, it can be written to.
fn make_directory(parent: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), Error> {
    match kind_at(parent, base) {
        Ok(FileType::Directory) => Ok(()),
        Ok(_) => Err(Error::refused(
            &entry.name,
            "cannot overwrite non-directory with directory",
        )),
        Err(Errno::NOENT) => rustix::fs::mkdirat(parent, base, Mode::RWXU).map_err(failed("make", entry)),
        Err(error) => Err(failed("look at", entry)(error)),
    }
}

/// Removes what stands in an entry's place.
fn remove(parent: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), Error> {
    match kind_at(parent, base) {
        Err(Errno::NOENT) => Ok(()),
        Ok(FileType::Directory) => Err(Error::refused(
            &entry.name,
            "cannot overwrite directory with non-directory",
        )),
        Ok(_) => rustix::fs::unlinkat(parent, base, AtFlags::empty()).map_err(failed("replace", entry)),
        Err(error) => Err(failed("look at", entry)(error)),
    }
}

fn kind_at(parent: impl AsFd, base: &[u8]) -> Result<FileType, Errno> {
    let found = rustix::fs::statat(parent, base, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

fn node(parent: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), Error> {
    let kind = match entry.kind {
        EntryKind::CharDevice => FileType::CharacterDevice,
        EntryKind::BlockDevice => FileType::BlockDevice,
        _ => FileType::Fifo,
    };
    let device = rustix::fs::makedev(entry.device.0, entry.device.1);
    rustix::fs::mknodat(parent, base, kind, mode(entry), device).map_err(failed("make", entry))
}

/// The mode that the entry has here.
fn mode(entry: &Entry) -> Mode {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let mut mode = Mode::from_raw_mode(entry.mode & 0o7777);
    if entry.uid != u64::from(user.as_raw()) {
        mode.remove(Mode::SUID);
    }
    if entry.gid != u64::from(group.as_raw()) && entry.kind != EntryKind::Directory {
        mode.remove(Mode::SGID);
    }
    mode
}

fn times(entry: &Entry) -> Timestamps {
    let time = Timespec {
        tv_sec: entry.mtime.0,
        tv_nsec: entry.mtime.1.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

fn failed<E: Into<io::Error>>(action: &'static str, entry: &Entry) -> impl Fn(E) -> Error {
    move |error| Error::refused(&entry.name, format!("{action} it: {}", error.into()))
}

/// A name relative to the destination, without `.`, `..` and empty parts; the destination itself is empty.
fn clean(name: &[u8]) -> Result<Vec<u8>, Error> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Error::refused(name, "its name leads up")),
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// Directory (empty: the destination) and last part; `None` for the destination itself.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.is_empty() {
        return None;
    }
    Some(match name.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&name[..slash], &name[slash + 1..]),
        None => (b"", name),
    })
}

#[cfg(test)]
mod tests;
