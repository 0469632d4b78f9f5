//! An archive into a directory that has content already.
//!
//! Unlike a layer, it has no whiteouts, and what is in the way is replaced: a file by a file, but a directory by something
//! else, or the other way round, only where the client allows it. Source of the rules: moby's archive package (`Unpack`).

use crate::apply::attributes;
use crate::apply::beneath::{Beneath, kind_of, make_directory};
use crate::apply::room;
use crate::name::Name;
use crate::pipeline;
use crate::tar::{Entry, EntryKind, Reader, Source};
use crate::{Error, Limits};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, linkat, mknodat, openat, symlinkat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Nested directories that are removed to make room for a file: more than any path has.
const MAX_DEPTH: usize = 4096;

/// How to unpack.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unpacking {
    /// User and group of everything; `None`: what the archive says.
    pub owner: Option<(u32, u32)>,
    /// Refuse to replace a directory by something else, or something else by a directory.
    pub keep_kinds: bool,
    /// Most that is taken.
    pub limits: Limits,
}

/// Unpacks an archive (plain, gzip or zstd) into a directory of a container's root.
///
/// - `directory`: absolute in the container, without links (see [`super::resolve`]).
///
/// On an error, what came before it stays, as with Docker.
///
/// # Errors
/// As [`crate::apply::apply`]; [`Error::InTheWay`] for what [`Unpacking::keep_kinds`] refuses.
pub fn unpack(
    root: &tierce_fsops::Beneath,
    directory: &Path,
    input: impl Read + Send,
    how: &Unpacking,
) -> Result<(), Error> {
    let shared = || root.as_fd().try_clone_to_owned().map_err(Error::Room);
    pipeline::run(input, &how.limits, |chunks| {
        let mut unpack = Unpack {
            reader: Reader::new(chunks),
            root: Beneath::new(shared()?),
            directory,
            how,
            directories: Vec::new(),
        };
        let confined = shared()?;
        room::within(confined.as_fd(), confined.as_fd(), |room| {
            unpack.root.moved_into(room);
            unpack.entries()
        })
    })
    .map(drop)
}

struct Unpack<'a, S> {
    reader: Reader<S>,
    root: Beneath,
    directory: &'a Path,
    how: &'a Unpacking,
    /// Names and headers of directories, whose times are set last.
    directories: Vec<(Vec<u8>, Entry)>,
}

impl<S: Source<Error = Error>> Unpack<'_, S> {
    fn entries(&mut self) -> Result<(), Error> {
        let mut count = 0;
        while let Some(entry) = self.reader.next_entry()? {
            self.reader.raw().clear();
            count += 1;
            let limits = self.how.limits;
            if count > limits.entries {
                let subject = "its number of entries".to_owned();
                return Err(Error::Limit {
                    limit: limits.entries,
                    unit: "entries",
                    subject,
                });
            }
            self.entry(entry)?;
        }
        // Whoever sends is read to the end, so that they hear the answer.
        loop {
            match self.reader.trailer()?.len() {
                0 => break,
                length => self.reader.consume_trailer(length),
            }
        }
        for (name, entry) in std::mem::take(&mut self.directories) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            if let Ok(made) = self.root.resolve(&name, flags, ResolveFlags::empty()) {
                attributes::set_on_open(made.as_fd(), &entry, false)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, mut entry: Entry) -> Result<(), Error> {
        if let Some((uid, gid)) = self.how.owner {
            (entry.uid, entry.gid) = (u64::from(uid), u64::from(gid));
        }
        let name = Name::parse(&entry.name)?;
        // The directory that is unpacked into stays as it is.
        if name.split().is_none() {
            return Ok(());
        }
        let full = self.directory.join(std::ffi::OsStr::from_bytes(name.joined()));
        let full = full.as_os_str().as_bytes().trim_ascii_start();
        let full = full.strip_prefix(b"/").unwrap_or(full).to_vec();
        let slash = full.iter().rposition(|&byte| byte == b'/');
        let (parent, base) = match slash {
            Some(at) => (&full[..at], &full[at + 1..]),
            None => (&full[..0], &full[..]),
        };
        let at = self.root.parent(parent)?.fd;
        let at = at
            .try_clone_to_owned()
            .map_err(Error::entry("open its directory", &entry.name))?;
        if self.make_way(&at, base, &entry)? {
            self.directories.push((full, entry));
            return Ok(());
        }
        match entry.kind {
            EntryKind::Directory => {
                make_directory(&at, base, 0o700).map_err(Error::entry("create the directory", &entry.name))?;
                self.directories.push((full, entry));
                Ok(())
            }
            EntryKind::File => self.file(&at, base, &entry),
            EntryKind::HardLink => self.hard_link(&at, base, &entry),
            EntryKind::Unknown(_) => {
                tracing::warn!(name = %crate::error::printable(&entry.name), "an entry of unknown kind is left out");
                Ok(())
            }
            _ => self.node(&at, base, &entry),
        }
    }

    /// Removes what has the name; `true`: a directory that stays, since the entry is one.
    fn make_way(&mut self, at: &OwnedFd, base: &[u8], entry: &Entry) -> Result<bool, Error> {
        let kind = match kind_of(at, base) {
            Ok((kind, _)) => kind,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(Error::entry("look at what is there", &entry.name)(error)),
        };
        let (is, becomes) = (kind == FileType::Directory, entry.kind == EntryKind::Directory);
        if is && becomes {
            return Ok(true);
        }
        if self.how.keep_kinds && is != becomes {
            return Err(Error::InTheWay {
                there: if is { "directory" } else { "non-directory" },
                name: crate::error::printable(entry.name.strip_suffix(b"/").unwrap_or(&entry.name)),
                comes: if becomes { "directory" } else { "non-directory" },
                destination: self.directory.display().to_string(),
            });
        }
        self.root.forget();
        let removed = if is {
            remove_tree(at.as_fd(), base, 0)
        } else {
            unlinkat(at, base, AtFlags::empty())
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(Error::entry("replace what is there", &entry.name)(error)),
        }
    }

    fn file(&mut self, at: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Suid bits come last, when owner and content are right.
        let made = openat(at, base, flags, Mode::from_raw_mode(entry.mode & 0o700 | 0o200));
        let file = File::from(made.map_err(Error::entry("create the file", &entry.name))?);
        self.content(&file, entry)?;
        attributes::set_on_open(file.as_fd(), entry, false)
    }

    fn content(&mut self, mut file: &File, entry: &Entry) -> Result<(), Error> {
        let fail = |error: std::io::Error| Error::entry("write", &entry.name)(error);
        let whole = [(0, entry.size)];
        let pieces = entry.sparse.as_ref().map_or(&whole[..], |sparse| &sparse.pieces);
        for &(offset, length) in pieces {
            file.seek(SeekFrom::Start(offset)).map_err(fail)?;
            let mut rest = length;
            while rest > 0 {
                let bytes = self.reader.content()?;
                let count = bytes.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
                file.write_all(&bytes[..count]).map_err(fail)?;
                self.reader.consume(count);
                rest -= count as u64;
            }
        }
        match &entry.sparse {
            Some(sparse) => file.set_len(sparse.size).map_err(fail),
            None => Ok(()),
        }
    }

    /// A second name of an entry of this archive, or of a file that was in the directory.
    fn hard_link(&mut self, at: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), Error> {
        let fail = || Error::entry::<Errno>("create the hard link", &entry.name);
        let target = Name::parse(&entry.link)?;
        let target = self.directory.join(std::ffi::OsStr::from_bytes(target.joined()));
        let (Some(above), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(Error::refused(&entry.name, "a hard link to the directory itself"));
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let from = self
            .root
            .resolve(above.as_os_str().as_bytes(), flags, ResolveFlags::empty());
        let from = from.map_err(fail())?;
        linkat(&from, name, at, base, AtFlags::empty()).map_err(fail())
    }

    /// A link, device or pipe.
    fn node(&mut self, at: &OwnedFd, base: &[u8], entry: &Entry) -> Result<(), Error> {
        let kind = match entry.kind {
            EntryKind::Symlink => {
                symlinkat(&*entry.link, at, base).map_err(Error::entry("create the link", &entry.name))?;
                return attributes::set_at(&self.root, at.as_fd(), base, entry);
            }
            EntryKind::CharDevice => FileType::CharacterDevice,
            EntryKind::BlockDevice => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        let device = if kind == FileType::Fifo {
            0
        } else {
            rustix::fs::makedev(entry.device.0, entry.device.1)
        };
        mknodat(at, base, kind, Mode::from_raw_mode(entry.mode & 0o777), device)
            .map_err(Error::entry("create the node", &entry.name))?;
        attributes::set_at(&self.root, at.as_fd(), base, entry)
    }
}

/// Removes a directory with all that is in it, following no link.
fn remove_tree(at: BorrowedFd<'_>, name: &[u8], depth: usize) -> Result<(), Errno> {
    if depth > MAX_DEPTH {
        return Err(Errno::LOOP);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(at, name, flags, Mode::empty())?;
    // Names first: what is removed while a directory is read may hide what comes after it.
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    for name in names {
        match unlinkat(&directory, name.as_c_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => remove_tree(directory.as_fd(), name.to_bytes(), depth + 1)?,
            Err(error) => return Err(error),
        }
    }
    unlinkat(at, name, AtFlags::REMOVEDIR)
}
