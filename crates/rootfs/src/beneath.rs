//! Opening and making paths beneath the container's root, whatever links lie on the way.

use crate::error::{Doing, Error};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// How many links and races are followed before giving up, as the kernel's own limit.
const PATIENCE: usize = 40;

/// The root directory of a container, as a descriptor of the mount that it is.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
}

impl Root {
    /// The root that this descriptor (opened `O_PATH`) stands for.
    pub fn new(directory: OwnedFd) -> Self {
        Self { directory }
    }

    /// The root directory itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Whether a descriptor stands for the root directory itself, on the root's own mount.
    pub fn is(&self, file: &OwnedFd) -> Result<bool, Errno> {
        let identity = |file: BorrowedFd<'_>| {
            let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
            let found = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, wanted)?;
            Ok::<_, Errno>((found.stx_mnt_id, found.stx_ino))
        };
        Ok(identity(file.as_fd())? == identity(self.directory.as_fd())?)
    }

    /// Opens a path beneath the root; links are followed as if the root were `/`.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.open_with(path, flags, ResolveFlags::IN_ROOT)
    }

    /// Opens a path beneath the root on which no link may lie.
    pub fn open_without_links(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.open_with(path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
    }

    fn open_with(&self, path: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        for _ in 0..PATIENCE {
            match rustix::fs::openat2(&self.directory, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // A directory was renamed while `..` was resolved; the kernel asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens a directory, making it and those above it where they are missing.
    pub fn make_directories(&self, path: &Path) -> Result<OwnedFd, Error> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {}
            result => return result.doing(|| format!("open directory {} in rootfs", path.display())),
        }
        // Mostly it is only the last directory that is missing.
        if let Some(made) = self.make_last(path) {
            return Ok(made);
        }
        self.make_missing(&clean(path), 0)
            .doing(|| format!("mkdir {} in rootfs", path.display()))
    }

    fn make_last(&self, path: &Path) -> Option<OwnedFd> {
        let (above, name) = (path.parent()?, path.file_name()?);
        let directory = self.open(above, OFlags::PATH | OFlags::DIRECTORY).ok()?;
        rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)).ok()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&directory, name, flags, Mode::empty()).ok()
    }

    /// Makes the missing part of a clean path. A dangling link is expanded by hand, for the kernel does not make what
    /// a link points to.
    fn make_missing(&self, path: &Path, links: usize) -> Result<OwnedFd, Errno> {
        if links > PATIENCE {
            return Err(Errno::LOOP);
        }
        let parts: Vec<_> = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        let mut directory = self.open(Path::new("."), OFlags::PATH | OFlags::DIRECTORY)?;
        let mut sofar = PathBuf::from("/");
        for (position, part) in parts.iter().enumerate() {
            let next = sofar.join(part);
            match self.open(&next, OFlags::PATH | OFlags::DIRECTORY) {
                Ok(found) => directory = found,
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(&directory, part.as_os_str(), Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => {
                            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                            match rustix::fs::openat(&directory, part.as_os_str(), flags, Mode::empty()) {
                                Ok(made) => directory = made,
                                Err(Errno::NOTDIR | Errno::LOOP) => {
                                    let target = rustix::fs::readlinkat(&directory, part.as_os_str(), Vec::new())?;
                                    let mut expanded = sofar.join(as_path(target.as_bytes()));
                                    expanded.extend(&parts[position + 1..]);
                                    return self.make_missing(&clean(&expanded), links + 1);
                                }
                                Err(error) => return Err(error),
                            }
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
            sofar = next;
        }
        Ok(directory)
    }

    /// The directory above a path, made where missing, and the path's last name.
    pub fn parent<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a std::ffi::OsStr), Error> {
        let name = path
            .file_name()
            .ok_or_else(|| Error::Invalid(format!("{} has no file name", path.display())))?;
        Ok((self.make_directories(path.parent().unwrap_or(Path::new("/")))?, name))
    }

    /// Opens a file (`O_PATH`) as the target of a mount, making an empty one where nothing is.
    pub fn make_file(&self, path: &Path) -> Result<OwnedFd, Error> {
        let mut path = clean(path);
        for _ in 0..PATIENCE {
            match self.open(&path, OFlags::PATH) {
                Err(Errno::NOENT) => {}
                result => return result.doing(|| format!("open {} in rootfs", path.display())),
            }
            let (directory, name) = self.parent(&path)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
            match rustix::fs::openat(&directory, name, flags, Mode::from_raw_mode(0o644)) {
                Ok(file) => return Ok(file),
                // A link that dangles: go where it points.
                Err(Errno::EXIST) => {
                    if let Ok(target) = rustix::fs::readlinkat(&directory, name, Vec::new()) {
                        let above = path.parent().unwrap_or(Path::new("/"));
                        path = clean(&above.join(as_path(target.as_bytes())));
                    }
                }
                Err(source) => {
                    return Err(Error::Kernel {
                        action: format!("create {} in rootfs", path.display()),
                        source,
                    });
                }
            }
        }
        Err(Error::Kernel {
            action: format!("create {} in rootfs", path.display()),
            source: Errno::LOOP,
        })
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

/// The path from `/` with `.`, `..` and doubled slashes resolved by their letters, as Go's `filepath.Clean("/"+path)`.
pub fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}
