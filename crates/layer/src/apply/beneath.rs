//! Operations on paths that cannot leave the layer's root.

use super::room::Room;
use crate::Error;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, XattrFlags, mkdirat, mknodat, openat, readlinkat, statat,
    unlinkat,
};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Symbolic links followed in one name, as the kernel's own limit.
const MAX_LINKS: usize = 40;

/// A directory that was opened for the entries in it.
#[derive(Clone, Copy)]
pub(crate) struct Parent<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    /// A symbolic link leads here: the name alone may lead elsewhere later.
    pub(crate) behind_link: bool,
}

/// What a file made by this process is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creator {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) umask: u32,
}

impl Creator {
    /// Owner and umask of this process. The umask can be read, without changing it, from `/proc` only; if that fails,
    /// every bit is taken as masked, which costs a call a file.
    fn of_this_process() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = umask
            .and_then(|text| u32::from_str_radix(text.trim(), 8).ok())
            .unwrap_or(0o777);
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            umask,
        }
    }
}

/// The layer's root.
pub(crate) struct Beneath {
    root: tierce_fsops::Beneath,
    /// The thread's working directory is its own: it may go where attributes of links are to be set.
    may_walk: bool,
    opaque: &'static str,
    /// The directory used last: archives list directory by directory.
    last: Option<(Vec<u8>, OwnedFd, bool)>,
    creator: Creator,
}

impl Beneath {
    pub(crate) fn open(path: &Path, user_xattr: bool) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty()).map_err(Error::io("open the directory", path))?;
        let opaque = if user_xattr {
            "user.overlay.opaque"
        } else {
            "trusted.overlay.opaque"
        };
        Ok(Self {
            opaque,
            ..Self::new(root)
        })
    }

    /// The same for a directory that is open already, in a tree that is no layer.
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self {
            root: tierce_fsops::Beneath::new(root),
            may_walk: false,
            opaque: "trusted.overlay.opaque",
            last: None,
            creator: Creator::of_this_process(),
        }
    }

    /// What a new file is like.
    pub(crate) fn creator(&self) -> Creator {
        self.creator
    }

    /// Whether overlay is steered by `user.overlay.*`.
    pub(crate) fn user_xattr(&self) -> bool {
        self.opaque.starts_with("user.")
    }

    /// The root, for another user of it.
    pub(crate) fn share(&self) -> Result<OwnedFd, Error> {
        self.root.as_fd().try_clone_to_owned().map_err(Error::Room)
    }

    /// What the thread is from here on that unpacks.
    pub(crate) fn moved_into(&mut self, room: Room) {
        self.may_walk = room.own_root;
    }

    /// Whether a descriptor stands for the root.
    pub(crate) fn is_root(&self, fd: BorrowedFd<'_>) -> bool {
        self.root.is(fd).unwrap_or(false)
    }

    /// Names an entry of a directory for calls that take neither a descriptor of it nor one of its directory: those for
    /// attributes of links and devices before Linux 6.13.
    pub(crate) fn path_of(&self, parent: BorrowedFd<'_>, base: &[u8]) -> rustix::io::Result<PathBuf> {
        let base = Path::new(std::ffi::OsStr::from_bytes(base));
        if self.may_walk {
            rustix::process::fchdir(parent)?;
            return Ok(base.to_owned());
        }
        // The link in /proc is to the directory itself.
        Ok(Path::new("/proc/self/fd")
            .join(parent.as_raw_fd().to_string())
            .join(base))
    }

    /// Forgets the directory used last; to be called when a directory was removed.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// Opens (and makes, 0755) the directory for an entry.
    pub(crate) fn parent(&mut self, name: &[u8]) -> Result<Parent<'_>, Error> {
        if !name.is_empty() && self.last.as_ref().is_none_or(|(last, ..)| last != name) {
            let (fd, behind_link) = self.open_parent(name)?;
            self.last = Some((name.to_vec(), fd, behind_link));
        }
        Ok(self.opened(name))
    }

    /// The directory that [`Self::parent`] has opened last.
    pub(crate) fn opened(&self, name: &[u8]) -> Parent<'_> {
        match &self.last {
            Some((_, fd, behind_link)) if !name.is_empty() => Parent {
                fd: fd.as_fd(),
                behind_link: *behind_link,
            },
            _ => Parent {
                fd: self.root.as_fd(),
                behind_link: false,
            },
        }
    }

    fn open_parent(&self, name: &[u8]) -> Result<(OwnedFd, bool), Error> {
        const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
        match self.resolve(name, DIRECTORY, ResolveFlags::NO_SYMLINKS) {
            Ok(fd) => return Ok((fd, false)),
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {}
            Err(error) => return Err(Error::entry("open its directory", name)(error)),
        }
        match self.resolve(name, DIRECTORY, ResolveFlags::empty()) {
            Ok(fd) => Ok((fd, true)),
            Err(Errno::NOENT | Errno::NOTDIR) => self.make_parents(name),
            Err(error) => Err(Error::entry("open its directory", name)(error)),
        }
    }

    /// Opens a name in the root.
    pub(crate) fn resolve(&self, name: &[u8], flags: OFlags, extra: ResolveFlags) -> rustix::io::Result<OwnedFd> {
        self.root.open_with(name, flags, Mode::empty(), extra)
    }

    /// Walks a name part by part, follows links by hand, and makes what is missing.
    fn make_parents(&self, name: &[u8]) -> Result<(OwnedFd, bool), Error> {
        let fail = |action, error| Err(Error::entry(action, name)(error));
        let mut rest: VecDeque<Vec<u8>> = name.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect();
        let mut reached: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        let directory = OFlags::PATH | OFlags::DIRECTORY;
        loop {
            let at = match self.resolve(&reached.join(&b'/'), directory, ResolveFlags::NO_SYMLINKS) {
                Ok(at) => at,
                Err(error) => return fail("open its directory", error),
            };
            let Some(part) = rest.pop_front() else {
                return Ok((at, links > 0));
            };
            match &*part {
                b"" | b"." => continue,
                b".." => {
                    reached.pop();
                    continue;
                }
                _ => {}
            }
            match kind_of(&at, &part) {
                Err(Errno::NOENT) => {
                    if let Err(error) = make_directory(&at, &part, 0o755) {
                        return fail("create its directory", error);
                    }
                    reached.push(part);
                }
                Ok((FileType::Directory, _)) => reached.push(part),
                Ok((FileType::Symlink, _)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return fail("open its directory", Errno::LOOP);
                    }
                    let target = match readlinkat(&at, &*part, Vec::new()) {
                        Ok(target) => target.into_bytes(),
                        Err(error) => return fail("read a link in its name", error),
                    };
                    if target.first() == Some(&b'/') {
                        reached.clear();
                    }
                    for part in target.split(|&byte| byte == b'/').rev() {
                        rest.push_front(part.to_vec());
                    }
                }
                Ok((_, stat)) if is_whiteout(&stat) => {
                    // The layer hides a lower entry of that name and puts a directory there.
                    let remade = unlinkat(&at, &*part, AtFlags::empty())
                        .and_then(|()| make_directory(&at, &part, 0o755))
                        .and_then(|()| self.set_opaque(&at, &part));
                    if let Err(error) = remade {
                        return fail("create its directory", error);
                    }
                    reached.push(part);
                }
                Ok(_) => return Err(Error::refused(name, "a part of its name is no directory")),
                Err(error) => return fail("look at its directory", error),
            }
        }
    }

    /// Hides everything that lower layers have in a directory.
    pub(crate) fn make_opaque(&mut self, directory: &[u8]) -> Result<(), Error> {
        let opaque = self.opaque;
        let parent = self.parent(directory)?;
        let fail = || Error::entry::<Errno>("make the directory opaque", directory);
        let fd = openat(
            parent.fd,
            c".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(fail())?;
        rustix::fs::fsetxattr(fd, opaque, b"y", XattrFlags::empty()).map_err(fail())
    }

    /// [`Self::make_opaque`] for a directory just made.
    pub(crate) fn set_opaque(&self, parent: impl AsFd, base: &[u8]) -> rustix::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(parent, base, flags, Mode::empty())?;
        rustix::fs::fsetxattr(fd, self.opaque, b"y", XattrFlags::empty())
    }

    /// Hides what lower layers have under a name; an entry of this layer stays.
    pub(crate) fn whiteout(&mut self, directory: &[u8], hidden: &[u8]) -> Result<(), Error> {
        let full = [directory, b"/", hidden].concat();
        let fail = || Error::entry::<Errno>("make the whiteout", &full);
        let parent = self.parent(directory)?;
        match mknodat(parent.fd, hidden, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(fail()(error)),
        }
        let fd = openat(parent.fd, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(fail())?;
        match kind_of(&fd, hidden) {
            // A file hides what is below anyway; a directory must be told to.
            Ok((FileType::Directory, _)) => self.set_opaque(&fd, hidden).map_err(fail()),
            Ok(_) => Ok(()),
            Err(error) => Err(fail()(error)),
        }
    }
}

/// Makes a directory with these permissions, whatever the umask.
pub(crate) fn make_directory(parent: impl AsFd, base: &[u8], mode: u32) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(mode);
    mkdirat(&parent, base, mode)?;
    // Made this moment, and nobody else writes here: it is no link.
    rustix::fs::chmodat(&parent, base, mode, AtFlags::empty())
}

/// What is there under a name.
pub(crate) fn kind_of(parent: impl AsFd, base: &[u8]) -> rustix::io::Result<(FileType, Stat)> {
    let stat = statat(parent, base, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((FileType::from_raw_mode(stat.st_mode), stat))
}

/// Whether this is overlay's whiteout.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}
