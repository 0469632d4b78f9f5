//! Making the entries of a layer, in place of what is there already.

use super::beneath::{is_whiteout, kind_of, make_directory};
use super::{Unpack, attributes};
use crate::Error;
use crate::name::Name;
use crate::tar::{Entry, EntryKind, Source};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, linkat, mknodat, openat, symlinkat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What was under the name of an entry to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// A directory, which stays.
    Directory,
    /// A whiteout of this layer; removed.
    Whiteout,
    /// Something else; removed.
    Other,
}

impl<S: Source<Error = Error>> Unpack<S> {
    /// Creates an empty file; says also whether its name leads through a symbolic link.
    pub(super) fn make_file(&mut self, entry: &Entry, parent: &[u8], base: &[u8]) -> Result<(File, bool), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Suid bits come last, when owner and content are right.
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let fail = || Error::entry::<Errno>("create the file", &entry.name);
        let at = self.root.parent(parent)?;
        let behind_link = at.behind_link;
        let made = match openat(at.fd, base, flags, mode) {
            Err(Errno::EXIST) => {
                let (at, _) = self.make_room(entry, parent, base, false)?;
                openat(at, base, flags, mode)
            }
            made => made,
        };
        Ok((File::from(made.map_err(fail())?), behind_link))
    }

    /// Makes a directory or keeps the one that is there; its attributes come last.
    pub(super) fn make_directory(&mut self, entry: &Entry, parent: &[u8], base: &[u8]) -> Result<(), Error> {
        let fail = || Error::entry::<Errno>("create the directory", &entry.name);
        match make_directory(self.root.parent(parent)?.fd, base, 0o700) {
            Err(Errno::EXIST) => {}
            made => return made.map_err(fail()),
        }
        let (at, found) = self.make_room(entry, parent, base, true)?;
        if found == Found::Directory {
            return Ok(());
        }
        make_directory(&at, base, 0o700).map_err(fail())?;
        if found == Found::Whiteout {
            let made = self.root.set_opaque(&at, base);
            made.map_err(Error::entry("make the directory opaque", &entry.name))?;
        }
        Ok(())
    }

    pub(super) fn make_symlink(&mut self, entry: &Entry, parent: &[u8], base: &[u8]) -> Result<(), Error> {
        if entry.link.is_empty() || entry.link.contains(&0) {
            return Err(Error::refused(&entry.name, "a symbolic link to nothing"));
        }
        self.make(entry, parent, base, "create the link", |at| {
            symlinkat(&*entry.link, at, base)
        })
    }

    /// Makes another name of an entry that was unpacked before.
    pub(super) fn make_hard_link(&mut self, entry: &Entry, parent: &[u8], base: &[u8]) -> Result<(), Error> {
        let target = Name::parse(&entry.link)?;
        let Some((target_parent, target_base)) = target.split() else {
            return Err(Error::refused(&entry.name, "a hard link to the layer's root"));
        };
        // The target's own name may be a link, which is then linked itself.
        let directory = OFlags::PATH | OFlags::DIRECTORY;
        let from = self.root.resolve(target_parent, directory, ResolveFlags::empty());
        let missing = |error| {
            if error == Errno::NOENT || error == Errno::NOTDIR {
                let link = crate::error::printable(&entry.link);
                return Error::refused(
                    &entry.name,
                    format!("a hard link to {link:?}, which is not in the layer"),
                );
            }
            Error::entry("create the hard link", &entry.name)(error)
        };
        let from = from.map_err(missing)?;
        let (kind, stat) = kind_of(&from, target_base).map_err(missing)?;
        if kind == FileType::Directory || is_whiteout(&stat) {
            return Err(Error::refused(&entry.name, "a hard link to a directory or whiteout"));
        }
        self.root.parent(parent)?;
        let at = self.root.opened(parent).fd;
        let Ok((_, own)) = kind_of(at, base) else {
            return self.link(entry, parent, base, (&from, target_base));
        };
        // What has the name makes way for the link, also where it is the target itself.
        let directories = (rustix::fs::fstat(&from), rustix::fs::fstat(at));
        let itself = base == target_base
            && matches!(directories, (Ok(one), Ok(other)) if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino));
        if itself {
            return Err(Error::refused(&entry.name, "a hard link to itself"));
        }
        if (own.st_dev, own.st_ino) == (stat.st_dev, stat.st_ino) {
            return attributes::set_on_hard_link(&self.root, at, base, entry);
        }
        self.link(entry, parent, base, (&from, target_base))
    }

    fn link(&mut self, entry: &Entry, parent: &[u8], base: &[u8], target: (&OwnedFd, &[u8])) -> Result<(), Error> {
        self.make(entry, parent, base, "create the hard link", |at| {
            linkat(target.0, target.1, at, base, AtFlags::empty())
        })
    }

    /// Makes a device or a named pipe.
    pub(super) fn make_node(&mut self, entry: &Entry, parent: &[u8], base: &[u8]) -> Result<(), Error> {
        let kind = match entry.kind {
            EntryKind::CharDevice => FileType::CharacterDevice,
            EntryKind::BlockDevice => FileType::BlockDevice,
            _ => FileType::Fifo,
        };
        let (major, minor) = entry.device;
        if major >= 1 << 12 || minor >= 1 << 20 {
            return Err(Error::refused(
                &entry.name,
                format!("no device has the number {major}:{minor}"),
            ));
        }
        let device = if kind == FileType::Fifo {
            0
        } else {
            rustix::fs::makedev(major, minor)
        };
        if self.user_xattr && kind != FileType::Fifo {
            // Nobody but root may make devices; a rootless engine mounts its own /dev anyway, as Docker's does.
            tracing::debug!(name = %crate::error::printable(&entry.name), "device left out: rootless");
            return Ok(());
        }
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        self.make(entry, parent, base, "create the node", |at| {
            mknodat(at, base, kind, mode, device)
        })
    }

    /// Makes something by a call that fails when the name is taken, and gives it its attributes.
    fn make(
        &mut self,
        entry: &Entry,
        parent: &[u8],
        base: &[u8],
        action: &'static str,
        call: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<()>,
    ) -> Result<(), Error> {
        let set = match entry.kind {
            EntryKind::HardLink => attributes::set_on_hard_link,
            _ => attributes::set_at,
        };
        match call(self.root.parent(parent)?.fd) {
            Ok(()) => return set(&self.root, self.root.opened(parent).fd, base, entry),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::entry(action, &entry.name)(error)),
        }
        let (at, _) = self.make_room(entry, parent, base, false)?;
        call(at.as_fd()).map_err(Error::entry(action, &entry.name))?;
        set(&self.root, at.as_fd(), base, entry)
    }

    /// Removes what an earlier entry of this layer has put under the name, unless a directory meets a directory. The
    /// content of files is put aside, since tar-split refers to it.
    ///
    /// Gives the parent, too, which is not to be looked up again: its name may lead through links to what was removed, and
    /// would make it anew, for ever.
    fn make_room(&mut self, entry: &Entry, parent: &[u8], base: &[u8], keep: bool) -> Result<(OwnedFd, Found), Error> {
        let fail = || Error::entry::<Errno>("replace what is there", &entry.name);
        let at = self.owned_parent(entry, parent)?;
        let (kind, stat) = match kind_of(&at, base) {
            Ok(found) => found,
            // Only when someone else removes files here.
            Err(Errno::NOENT) => return Ok((at, Found::Other)),
            Err(error) => return Err(fail()(error)),
        };
        match kind {
            FileType::Directory if keep => return Ok((at, Found::Directory)),
            FileType::Directory => {
                self.shadow.put_tree_aside(&self.root, &at, base, &entry.name)?;
                self.root.forget();
            }
            FileType::RegularFile => self.shadow.put_aside(&at, base, &stat, &entry.name)?,
            _ => {
                unlinkat(&at, base, AtFlags::empty()).map_err(fail())?;
                // A link may have led to the directory used last, which the name stands for no more.
                if kind == FileType::Symlink {
                    self.root.forget();
                }
            }
        }
        if is_whiteout(&stat) {
            return Ok((at, Found::Whiteout));
        }
        self.shadow.mark_replaced();
        Ok((at, Found::Other))
    }

    /// The parent directory with a descriptor of its own, for calls that change `self` meanwhile.
    fn owned_parent(&mut self, entry: &Entry, parent: &[u8]) -> Result<OwnedFd, Error> {
        let at = self.root.parent(parent)?;
        at.fd
            .as_fd()
            .try_clone_to_owned()
            .map_err(Error::entry("open its directory", &entry.name))
    }
}
