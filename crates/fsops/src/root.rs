//! A directory that strangers' paths cannot leave.

use crate::{Beneath, PathContext, Result};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// An open directory; every path given to it is resolved beneath it, as if it were `/`.
///
/// Symbolic links are followed inside the root (an absolute one starts at the root again); magic links are refused.
/// See openat2(2), `RESOLVE_IN_ROOT`.
#[derive(Debug)]
pub struct Root {
    beneath: Beneath,
    path: PathBuf,
}

impl Root {
    /// Opens the directory.
    ///
    /// # Errors
    /// When it is missing or no directory.
    pub fn open(path: &Path) -> Result<Self> {
        let directory = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .at("open", path)?;
        Ok(Self {
            beneath: Beneath::new(directory),
            path: path.to_owned(),
        })
    }

    /// A directory that is open already.
    ///
    /// - `path`: what it is called in messages.
    pub fn of(directory: OwnedFd, path: &Path) -> Self {
        Self {
            beneath: Beneath::new(directory),
            path: path.to_owned(),
        }
    }

    /// The same for calls whose errors do not carry the path.
    pub fn beneath(&self) -> &Beneath {
        &self.beneath
    }

    /// Where it was opened; for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a path beneath the root.
    ///
    /// # Errors
    /// What openat2(2) says; `EXDEV` when the path could not be kept beneath the root.
    pub fn open_at(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        self.beneath
            .open_with(path.as_os_str().as_bytes(), flags, mode, ResolveFlags::empty())
            .at("open", &self.shown(path))
    }

    /// Opens a path beneath the root, where no link may lead out; [`Self::open_at`] would take the root for `/` instead.
    ///
    /// # Errors
    /// What openat2(2) says; `EXDEV` for such a link.
    pub fn open_within(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        self.beneath
            .open_with(path.as_os_str().as_bytes(), flags, Mode::empty(), ResolveFlags::BENEATH)
            .at("open", &self.shown(path))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it cannot be opened, or is no regular file.
    pub fn open_file(&self, path: &Path) -> Result<File> {
        // Not blocking: a stranger's path may be a fifo.
        let file = File::from(self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?);
        if !file.metadata().at("stat", &self.shown(path))?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
                .at("open", &self.shown(path));
        }
        Ok(file)
    }

    /// The content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file, or is larger.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self
            .open_file(path)?
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .at("read", &self.shown(path))?;
        if read as u64 > limit {
            let cause = io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes"));
            return Err(cause).at("read", &self.shown(path));
        }
        Ok(bytes)
    }

    fn shown(&self, path: &Path) -> PathBuf {
        self.path.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.beneath.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn fixture() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/a/b")).unwrap();
        fs::write(dir.path().join("secret"), "host").unwrap();
        fs::write(dir.path().join("root/secret"), "guest").unwrap();
        for (name, target) in [
            ("up", "../../.."),
            ("abs", "/"),
            ("loop", "loop"),
            ("dangling", "/nowhere"),
        ] {
            symlink(target, dir.path().join("root").join(name)).unwrap();
        }
        let root = Root::open(&dir.path().join("root")).unwrap();
        (dir, root)
    }

    #[test]
    fn no_path_leaves_the_root() {
        let (_dir, root) = fixture();
        for path in [
            "secret",
            "/secret",
            "../secret",
            "/../../secret",
            "a/../../secret",
            "up/secret",
            "abs/secret",
            "abs/up/../secret",
        ] {
            assert_eq!(root.read(path.as_ref(), 99).unwrap(), b"guest", "{path}");
        }
        assert!(root.read("loop".as_ref(), 99).is_err());
        assert!(root.read("dangling".as_ref(), 99).is_err());
    }

    #[test]
    fn magic_links_fifos_and_large_files_are_refused() {
        let (dir, root) = fixture();
        symlink("/proc/self/fd/0", dir.path().join("root/magic")).unwrap();
        assert!(root.read("magic".as_ref(), 99).is_err());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("root/fifo"),
            rustix::fs::FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .unwrap();
        assert!(root.read("fifo".as_ref(), 99).is_err());
        let error = root.read("secret".as_ref(), 2).unwrap_err();
        assert!(error.to_string().ends_with("larger than 2 bytes"), "{error}");
    }

    proptest! {
        #[test]
        fn random_paths_never_reach_the_host(parts in proptest::collection::vec("a|b|up|abs|\\.\\.|\\.|secret|loop|dangling", 1..9)) {
            let (_dir, root) = fixture();
            let path = parts.join("/");
            if let Ok(bytes) = root.read(path.as_ref(), 99) {
                prop_assert_eq!(bytes, b"guest".to_vec());
            }
        }
    }
}
