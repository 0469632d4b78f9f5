//! Content that a later entry of the same archive replaces.
//!
//! tar-split stands for a file's content by its name in the unpacked layer. When an archive has a name twice, the first
//! content would be lost; so it is moved aside, and put into the tar-split file at the end.

use crate::Error;
use crate::crc64::Crc64;
use crate::tar_split::Shadowed;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Directories nested deeper than this are not walked: an archive that replaces such a tree is refused.
const MAX_DEPTH: usize = 128;

/// Files put aside.
pub(super) struct Shadow {
    directory: PathBuf,
    contents: Shadowed,
    replaced: bool,
}

impl Shadow {
    /// Files will be put into `directory`, which is made when the first one comes.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            contents: Shadowed::new(),
            replaced: false,
        }
    }

    /// The files, by size and checksum.
    pub(super) fn contents(&self) -> &Shadowed {
        &self.contents
    }

    /// Whether anything was replaced, so that sizes summed up are wrong.
    pub(super) fn replaced(&self) -> bool {
        self.replaced
    }

    pub(super) fn mark_replaced(&mut self) {
        self.replaced = true;
    }

    /// Moves a regular file out of the layer.
    pub(super) fn put_aside(&mut self, parent: impl AsFd, base: &[u8], name: &[u8]) -> Result<(), Error> {
        if let Err(error) = fs::create_dir(&self.directory)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(Error::io("create the directory", &self.directory)(error));
        }
        let path = self.directory.join(self.contents.len().to_string());
        match renameat(&parent, base, CWD, &path) {
            Ok(()) => {}
            Err(Errno::XDEV) => copy(&parent, base, &path, name)?,
            Err(error) => return Err(Error::entry("put its former content aside", name)(error)),
        }
        let key = sum(&path)?;
        match self.contents.entry(key) {
            Entry::Vacant(place) if key.0 > 0 => {
                place.insert(path);
            }
            // Nothing is in it, or the same content was put aside before.
            _ => fs::remove_file(&path).map_err(Error::io("remove", &path))?,
        }
        Ok(())
    }

    /// Removes a directory tree from the layer, its files by [`Self::put_aside`].
    pub(super) fn put_tree_aside(&mut self, parent: impl AsFd, base: &[u8], name: &[u8]) -> Result<(), Error> {
        self.tree(parent.as_fd(), base, name, 0)
    }

    fn tree(&mut self, parent: impl AsFd, base: &[u8], name: &[u8], depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::refused(name, "it replaces a directory that is nested too deep"));
        }
        let fail = || Error::entry::<Errno>("replace the directory", name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(&parent, base, flags, Mode::empty()).map_err(fail())?;
        for entry in Dir::read_from(&directory).map_err(fail())? {
            let entry = entry.map_err(fail())?;
            let child = entry.file_name().to_bytes();
            match entry.file_type() {
                _ if child == b"." || child == b".." => {}
                FileType::Directory => self.tree(&directory, child, name, depth + 1)?,
                FileType::RegularFile => self.put_aside(&directory, child, name)?,
                _ => unlinkat(&directory, child, AtFlags::empty()).map_err(fail())?,
            }
        }
        unlinkat(parent, base, AtFlags::REMOVEDIR).map_err(fail())
    }
}

/// Size and checksum of a file.
fn sum(path: &Path) -> Result<(u64, u64), Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut crc = Crc64::default();
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if count == 0 {
            return Ok((size, crc.finish()));
        }
        crc.update(&buffer[..count]);
        size += count as u64;
    }
}

/// For a layer and a layer database on different file systems.
fn copy(parent: impl AsFd, base: &[u8], to: &Path, name: &[u8]) -> Result<(), Error> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let from: OwnedFd = openat(&parent, base, flags, Mode::empty()).map_err(Error::entry("open", name))?;
    let mut target = File::create_new(to).map_err(Error::io("create", to))?;
    std::io::copy(&mut File::from(from), &mut target).map_err(Error::io("write", to))?;
    unlinkat(parent, base, AtFlags::empty()).map_err(Error::entry("remove", name))
}
