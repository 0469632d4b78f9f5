//! A directory that strangers' paths cannot leave.

use crate::{Error, PathContext, Result};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// An open directory; every path given to it is resolved beneath it, as if it were `/`.
///
/// Symbolic links are followed inside the root (an absolute one starts at the root again); magic links are refused.
/// See openat2(2), `RESOLVE_IN_ROOT`.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
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
            directory,
            path: path.to_owned(),
        })
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
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // The kernel answers EAGAIN when a rename raced with `..`; it asks to be asked again.
        for _ in 0..128 {
            match rustix::fs::openat2(&self.directory, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(Errno::AGAIN) => {}
                result => return result.at("open", &self.shown(path)),
            }
        }
        Err(Errno::AGAIN).at("open", &self.shown(path))
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

    /// Makes a directory and its missing parents beneath the root, and opens it (`O_PATH`). Links on the way are
    /// followed inside the root.
    ///
    /// # Errors
    /// When a component is something else than a directory, or cannot be made.
    pub fn create_dir_all(&self, path: &Path, mode: Mode) -> Result<OwnedFd> {
        let open = |path: &Path| self.open_at(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty());
        match open(path) {
            Err(error) if error.is_not_found() => {}
            result => return result,
        }
        let mut so_far = PathBuf::from("/");
        let mut parent = open(&so_far)?;
        for component in path.components() {
            let name = match component {
                Component::Normal(name) => name,
                Component::ParentDir => {
                    so_far.push("..");
                    parent = open(&so_far)?;
                    continue;
                }
                _ => continue,
            };
            so_far.push(name);
            parent = match open(&so_far) {
                Err(error) if error.is_not_found() => {
                    match rustix::fs::mkdirat(&parent, name, mode) {
                        // A dangling link is in the way: nothing is made through it.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error).at("create directory", &self.shown(&so_far)),
                    }
                    open(&so_far)?
                }
                result => result?,
            };
        }
        Ok(parent)
    }

    /// Opens the parent directory of a path (`O_PATH`) and gives the last name, for the `*at` calls.
    ///
    /// # Errors
    /// When the parent cannot be opened, or the path has no last name.
    pub fn parent_of<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a Path)> {
        let Some(name) = path.file_name() else {
            return Err(Error {
                verb: "open parent of",
                path: self.shown(path),
                source: Errno::INVAL.into(),
            });
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        let parent = if parent.as_os_str().is_empty() {
            Path::new("/")
        } else {
            parent
        };
        Ok((
            self.open_at(parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?,
            Path::new(name),
        ))
    }

    /// Metadata of what a path leads to; the last link is not followed.
    ///
    /// # Errors
    /// When it is not there.
    pub fn stat(&self, path: &Path) -> Result<rustix::fs::Stat> {
        let found = self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        rustix::fs::statat(&found, "", AtFlags::EMPTY_PATH).at("stat", &self.shown(path))
    }

    fn shown(&self, path: &Path) -> PathBuf {
        self.path.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
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

    #[test]
    fn directories_are_made_beneath_the_root_only() {
        let (dir, root) = fixture();
        root.create_dir_all("up/x/y".as_ref(), Mode::RWXU).unwrap();
        root.create_dir_all("/abs/../v/w".as_ref(), Mode::RWXU).unwrap();
        assert!(dir.path().join("root/x/y").is_dir() && dir.path().join("root/v/w").is_dir());
        assert!(root.create_dir_all("dangling/x".as_ref(), Mode::RWXU).is_err());
        assert!(root.create_dir_all("secret/x".as_ref(), Mode::RWXU).is_err());
        assert!(!dir.path().join("x").exists());
    }

    proptest! {
        #[test]
        fn random_paths_never_reach_the_host(parts in proptest::collection::vec("a|b|up|abs|\\.\\.|\\.|secret|loop|dangling", 1..9)) {
            let (dir, root) = fixture();
            let path = parts.join("/");
            if let Ok(bytes) = root.read(path.as_ref(), 99) {
                prop_assert_eq!(bytes, b"guest".to_vec());
            }
            let _ = root.create_dir_all(path.as_ref(), Mode::RWXU);
            prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        }
    }
}
