//! Content that a later entry of the same archive replaces.
//!
//! tar-split stands for a file's content by its name in the unpacked layer. When an archive has a name twice, the first
//! content would be lost; so it is moved aside, and put into the tar-split file at the end.

use super::beneath::Beneath;
use crate::Error;
use crate::crc64::Crc64;
use crate::tar_split::Shadowed;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Most files of different content that one archive may replace; each costs memory. Honest ones replace a handful.
const MOST: usize = 1 << 20;

/// Files put aside.
pub(super) struct Shadow {
    path: PathBuf,
    directory: OwnedFd,
    contents: Shadowed,
    /// Inodes of files with several names that are kept already. They cannot be used again while they are kept.
    kept: HashSet<u64>,
    /// Files that were moved, for their names.
    count: u64,
    /// Directories that were moved, for their names.
    directories: u64,
    replaced: bool,
}

impl Shadow {
    /// Files will be put into `directory`, which is made.
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        if let Err(error) = fs::create_dir(path)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(Error::io("create the directory", path)(error));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty()).map_err(Error::io("open the directory", path))?;
        Ok(Self {
            path: path.to_owned(),
            directory,
            contents: Shadowed::new(),
            kept: HashSet::new(),
            count: 0,
            directories: 0,
            replaced: false,
        })
    }

    /// A file in the directory that has no name.
    pub(super) fn nameless_file(&self) -> Result<File, Error> {
        const NAME: &str = "nameless";
        let file = self.open(NAME, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        unlinkat(&self.directory, NAME, AtFlags::empty()).map_err(Error::io("remove", &self.path.join(NAME)))?;
        Ok(file)
    }

    /// The directory, for another user of it.
    pub(super) fn share(&self) -> Result<OwnedFd, Error> {
        self.directory.try_clone().map_err(Error::Room)
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
    ///
    /// The work is bounded by the archive's length: empty files and further names of a file that is kept already are
    /// only removed, since an archive could have a million names for one big file.
    pub(super) fn put_aside(&mut self, parent: impl AsFd, base: &[u8], stat: &Stat, name: &[u8]) -> Result<(), Error> {
        if stat.st_size == 0 || (stat.st_nlink > 1 && self.kept.contains(&stat.st_ino)) {
            return unlinkat(parent, base, AtFlags::empty()).map_err(Error::entry("remove", name));
        }
        if self.contents.len() == MOST || self.kept.len() == MOST {
            return Err(Error::Limit {
                limit: MOST as u64,
                unit: "replaced files",
                subject: format!("{:?} is one more", crate::error::printable(name)),
            });
        }
        let number = self.count.to_string();
        self.count += 1;
        let moved = match renameat(&parent, base, &self.directory, &number) {
            Ok(()) => true,
            Err(Errno::XDEV) => {
                self.copy(&parent, base, &number, name)?;
                false
            }
            Err(error) => return Err(Error::entry("put its former content aside", name)(error)),
        };
        let kept = match self.contents.entry(self.sum(&number)?) {
            Entry::Vacant(place) => {
                place.insert(self.path.join(&number));
                true
            }
            // The same content was put aside before.
            Entry::Occupied(_) => false,
        };
        if moved && stat.st_nlink > 1 {
            self.kept.insert(stat.st_ino);
        } else if !kept {
            let removed = unlinkat(&self.directory, &number, AtFlags::empty());
            removed.map_err(Error::io("remove", &self.path.join(&number)))?;
        }
        Ok(())
    }

    /// Removes a directory tree from the layer, its files by [`Self::put_aside`].
    ///
    /// Directories in it are first moved to the layer's root, under names that nothing has, so that no depth matters.
    pub(super) fn put_tree_aside(
        &mut self,
        root: &Beneath,
        parent: impl AsFd,
        base: &[u8],
        name: &[u8],
    ) -> Result<(), Error> {
        let fail = || Error::entry::<Errno>("replace the directory", name);
        let root = root.opened(b"").fd;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut pending = vec![self.move_up(&parent, base, root).map_err(fail())?];
        while let Some(moved) = pending.pop() {
            let directory = openat(root, &moved, flags, Mode::empty()).map_err(fail())?;
            for entry in Dir::read_from(&directory).map_err(fail())? {
                let entry = entry.map_err(fail())?;
                let child = entry.file_name();
                if child == c"." || child == c".." {
                    continue;
                }
                let stat = statat(&directory, child, AtFlags::SYMLINK_NOFOLLOW).map_err(fail())?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {
                        pending.push(self.move_up(&directory, child.to_bytes(), root).map_err(fail())?);
                    }
                    FileType::RegularFile => self.put_aside(&directory, child.to_bytes(), &stat, name)?,
                    _ => unlinkat(&directory, child, AtFlags::empty()).map_err(fail())?,
                }
            }
            unlinkat(root, &moved, AtFlags::REMOVEDIR).map_err(fail())?;
        }
        Ok(())
    }

    /// Moves a directory to the layer's root; its name there.
    fn move_up(&mut self, parent: impl AsFd, base: &[u8], root: impl AsFd) -> Result<CString, Errno> {
        loop {
            let name = CString::new(format!(".replaced-{}", self.directories)).map_err(|_| Errno::INVAL)?;
            self.directories += 1;
            match renameat_with(&parent, base, &root, &name, RenameFlags::NOREPLACE) {
                // The layer has that name, too.
                Err(Errno::EXIST) => {}
                result => return result.map(|()| name),
            }
        }
    }

    fn open(&self, number: &str, flags: OFlags) -> Result<File, Error> {
        let opened = openat(&self.directory, number, flags | OFlags::CLOEXEC, Mode::RUSR);
        opened
            .map(File::from)
            .map_err(Error::io("open", &self.path.join(number)))
    }

    /// Size and checksum of a file put aside.
    fn sum(&self, number: &str) -> Result<(u64, u64), Error> {
        let mut file = self.open(number, OFlags::RDONLY)?;
        let mut crc = Crc64::default();
        let mut buffer = vec![0; 64 << 10];
        let mut size = 0;
        loop {
            let count = file.read(&mut buffer);
            let count = count.map_err(Error::io("read", &self.path.join(number)))?;
            if count == 0 {
                return Ok((size, crc.finish()));
            }
            crc.update(&buffer[..count]);
            size += count as u64;
        }
    }

    /// For a layer and a layer database on different file systems.
    fn copy(&self, parent: impl AsFd, base: &[u8], number: &str, name: &[u8]) -> Result<(), Error> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let from = openat(&parent, base, flags, Mode::empty()).map_err(Error::entry("open", name))?;
        let mut target = self.open(number, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        std::io::copy(&mut File::from(from), &mut target).map_err(Error::io("write", &self.path.join(number)))?;
        unlinkat(parent, base, AtFlags::empty()).map_err(Error::entry("remove", name))
    }
}
