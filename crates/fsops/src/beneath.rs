//! Resolving a stranger's paths beneath a directory; the one place of the house that does it.
//!
//! [`Beneath`] is for those who go on with descriptors and kernel calls: mounting, unpacking. [`crate::Root`] is the same
//! for those who only read, with errors that carry the path.

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use rustix::path::Arg;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// How many links and races are followed before giving up: the kernel's own limit for links.
const PATIENCE: usize = 40;

/// An open directory that no path given to it leads out of, whatever `..`, absolute names and symbolic links there are:
/// they are resolved as if the directory were `/`. Magic links are refused. See openat2(2), `RESOLVE_IN_ROOT`.
///
/// What others do in the directory at the same time may change what is found, but not where: it is always beneath.
#[derive(Debug)]
pub struct Beneath {
    directory: OwnedFd,
}

impl Beneath {
    /// The directory that this descriptor stands for; `O_PATH` will do.
    pub fn new(directory: OwnedFd) -> Self {
        Self { directory }
    }

    /// Opens a path. An empty one is the directory itself.
    ///
    /// # Errors
    /// Those of openat2(2); `EXDEV` when the path could not be kept beneath the directory.
    pub fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        self.open_with(path.as_os_str().as_bytes(), flags, Mode::empty(), ResolveFlags::empty())
    }

    /// Opens a path with a mode for what `O_CREAT` makes, and with further restrictions of the way.
    ///
    /// # Errors
    /// Those of openat2(2); `ELOOP` for a link where [`ResolveFlags::NO_SYMLINKS`] forbids any, `EXDEV` for one that leads
    /// out where [`ResolveFlags::BENEATH`] forbids it instead of taking the directory for `/`.
    pub fn open_with(&self, path: &[u8], flags: OFlags, mode: Mode, extra: ResolveFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let kept_inside = if extra.contains(ResolveFlags::BENEATH) {
            ResolveFlags::empty()
        } else {
            ResolveFlags::IN_ROOT
        };
        let resolve = kept_inside | ResolveFlags::NO_MAGICLINKS | extra;
        // Converted once, however often it is tried.
        path.into_with_c_str(|path| {
            for _ in 0..PATIENCE {
                match rustix::fs::openat2(&self.directory, path, flags | OFlags::CLOEXEC, mode, resolve) {
                    // A directory was renamed while `..` was resolved; the kernel asks to try again.
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    result => return result,
                }
            }
            Err(Errno::AGAIN)
        })
    }

    /// Whether a descriptor stands for the directory itself, on its own mount.
    ///
    /// # Errors
    /// Those of statx(2).
    pub fn is(&self, file: BorrowedFd<'_>) -> Result<bool, Errno> {
        let identity = |file: BorrowedFd<'_>| {
            let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
            let found = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, wanted)?;
            Ok::<_, Errno>((found.stx_mnt_id, found.stx_ino))
        };
        Ok(identity(file)? == identity(self.directory.as_fd())?)
    }

    /// Opens a directory (`O_PATH`), making it and those above it where they are missing, also where a link points to
    /// that dangles.
    ///
    /// # Errors
    /// `ENOTDIR` where something else is in the way; those of openat2(2) and mkdirat(2).
    pub fn make_directories(&self, path: &Path, mode: Mode) -> Result<OwnedFd, Errno> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {}
            result => return result,
        }
        // Mostly it is only the last directory that is missing.
        match self.make_last(path, mode) {
            Some(made) => Ok(made),
            None => self.make_missing(&clean(path), mode, 0),
        }
    }

    fn make_last(&self, path: &Path, mode: Mode) -> Option<OwnedFd> {
        let (above, name) = (path.parent()?, path.file_name()?);
        let directory = self.open(above, OFlags::PATH | OFlags::DIRECTORY).ok()?;
        rustix::fs::mkdirat(&directory, name, mode).ok()?;
        enter(&directory, name).ok()
    }

    /// Makes the missing part of a clean path. A dangling link is expanded by hand, for the kernel does not make what
    /// a link points to.
    fn make_missing(&self, path: &Path, mode: Mode, links: usize) -> Result<OwnedFd, Errno> {
        if links > PATIENCE {
            return Err(Errno::LOOP);
        }
        let parts: Vec<_> = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        let mut directory = self.open(Path::new("."), OFlags::PATH | OFlags::DIRECTORY)?;
        let mut so_far = PathBuf::from("/");
        for (position, part) in parts.iter().enumerate() {
            let next = so_far.join(part);
            directory = match self.open(&next, OFlags::PATH | OFlags::DIRECTORY) {
                Err(Errno::NOENT) => match rustix::fs::mkdirat(&directory, part.as_os_str(), mode) {
                    Ok(()) | Err(Errno::EXIST) => match enter(&directory, part.as_os_str()) {
                        Err(Errno::NOTDIR | Errno::LOOP) => {
                            let target = rustix::fs::readlinkat(&directory, part.as_os_str(), Vec::new())?;
                            let mut expanded = so_far.join(std::ffi::OsStr::from_bytes(target.as_bytes()));
                            expanded.extend(&parts[position + 1..]);
                            return self.make_missing(&clean(&expanded), mode, links + 1);
                        }
                        result => result?,
                    },
                    Err(error) => return Err(error),
                },
                result => result?,
            };
            so_far = next;
        }
        Ok(directory)
    }

    /// Opens a file, making an empty one where nothing is, with the directories above it; also where a link points to
    /// that dangles. What is there already is opened as `O_PATH`, whatever it is.
    ///
    /// # Errors
    /// `EINVAL` for a path without a last name; those of openat2(2), mkdirat(2).
    pub fn make_file(&self, path: &Path, mode: Mode, directories: Mode) -> Result<OwnedFd, Errno> {
        let mut path = clean(path);
        for _ in 0..PATIENCE {
            match self.open(&path, OFlags::PATH) {
                Err(Errno::NOENT) => {}
                result => return result,
            }
            let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(Errno::INVAL);
            };
            let directory = self.make_directories(above, directories)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
            match rustix::fs::openat(&directory, name, flags, mode) {
                // A link that dangles: go where it points.
                Err(Errno::EXIST) => {
                    if let Ok(target) = rustix::fs::readlinkat(&directory, name, Vec::new()) {
                        path = clean(&above.join(std::ffi::OsStr::from_bytes(target.as_bytes())));
                    }
                }
                result => return result,
            }
        }
        Err(Errno::LOOP)
    }
}

impl AsFd for Beneath {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

fn enter(directory: &OwnedFd, name: &std::ffi::OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    const MODE: Mode = Mode::RWXU;

    fn beneath(path: &Path) -> Beneath {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Beneath::new(rustix::fs::open(path, flags, Mode::empty()).expect("a directory"))
    }

    fn entries(path: &Path) -> usize {
        std::fs::read_dir(path).expect("a directory").count()
    }

    #[test]
    fn dangling_links_are_made_where_they_point_inside() {
        let directory = tempfile::tempdir().expect("a directory");
        let inside = directory.path().join("root");
        std::fs::create_dir_all(inside.join("var")).expect("mkdir");
        symlink("/run", inside.join("var/run")).expect("link");
        symlink("../../../../outside/file", inside.join("var/file")).expect("link");
        symlink("loop", inside.join("loop")).expect("link");
        let root = beneath(&inside);
        root.make_directories(Path::new("/var/run/lock/deep"), MODE)
            .expect("made");
        assert!(inside.join("run/lock/deep").is_dir());
        root.make_file(Path::new("/var/file"), MODE, MODE).expect("made");
        assert!(inside.join("outside/file").is_file());
        assert!(root.make_directories(Path::new("/loop/x"), MODE).is_err());
        assert!(root.make_directories(Path::new("/outside/file/x"), MODE).is_err());
        assert_eq!(entries(directory.path()), 1);
    }

    #[test]
    fn links_and_magic_links_on_the_way_are_refused_where_they_must_be() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("a")).expect("mkdir");
        symlink("a", directory.path().join("link")).expect("link");
        symlink("/proc/self/fd/0", directory.path().join("magic")).expect("link");
        let root = beneath(directory.path());
        let strict =
            |path: &str| root.open_with(path.as_bytes(), OFlags::PATH, Mode::empty(), ResolveFlags::NO_SYMLINKS);
        assert!(strict("a").is_ok() && strict("").is_ok());
        assert_eq!(strict("link").map(drop), Err(Errno::LOOP));
        assert!(root.open(Path::new("link"), OFlags::PATH).is_ok());
        assert!(root.open(Path::new("magic"), OFlags::RDONLY).is_err());
    }

    #[test]
    fn the_directory_knows_itself_by_any_name() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("a")).expect("mkdir");
        symlink("/", directory.path().join("top")).expect("link");
        let root = beneath(directory.path());
        let is = |path: &str| {
            let file = root.open(Path::new(path), OFlags::PATH).expect("a file");
            root.is(file.as_fd()).expect("an answer")
        };
        assert!(is("") && is("top") && is("a/../..") && !is("a"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn clean_paths_have_only_names(path in "[./a-c]{0,30}") {
            let cleaned = clean(Path::new(&path));
            prop_assert!(cleaned.is_absolute());
            prop_assert!(cleaned.components().skip(1).all(|part| matches!(part, Component::Normal(_))));
        }

        #[test]
        fn nothing_is_made_outside_whatever_links_there_are(
            links in proptest::collection::vec(("[ab]", "(/|\\.\\./|)([ab]|\\.\\.|c)(/([ab]|\\.\\.))?"), 0..5),
            wanted in proptest::collection::vec("[abc]|\\.\\.", 1..5),
        ) {
            let directory = tempfile::tempdir().expect("a directory");
            let inside = directory.path().join("jail/root");
            std::fs::create_dir_all(&inside).expect("mkdir");
            for (name, target) in &links {
                let _ = symlink(target, inside.join(name));
            }
            let path: PathBuf = Path::new("/").join(wanted.iter().collect::<PathBuf>());
            let root = beneath(&inside);
            let _ = root.make_directories(&path, MODE);
            let _ = root.make_file(&path.join("file"), MODE, MODE);
            prop_assert_eq!(entries(directory.path()), 1);
            prop_assert_eq!(entries(&directory.path().join("jail")), 1);
        }
    }
}
