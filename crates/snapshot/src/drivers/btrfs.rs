//! `btrfs`: a subvolume for each layer, a snapshot of it for each that lies on top.
//!
//! ```text
//! <data root>/btrfs/              0710
//! ├── subvolumes/                 0710
//! │   ├── <id>/                   subvolume: the whole tree, parents included; read-only when it is committed
//! │   └── <id>.staged/            subvolume: a layer's changes, until they are committed
//! └── quotas/<id>                 a container's limit in bytes, as text
//! ```
//! Docker's layout is the same but for the staged subvolumes, and that its layers are writable.
//!
//! # How layers are stacked
//! Layers are unpacked at the same time, each into a subvolume of its own that knows no parent. [`Snapshotter::commit`]
//! takes a snapshot of the parent and puts the changes into it. Nothing can be renamed from one subvolume to another, so
//! files are made anew and share their extents with the staged ones: no data is copied. A bottom layer just gets its
//! name.
//!
//! # What a crash leaves
//! A subvolume is deleted at once or not at all. Those of a layer or container are found by its name, so whoever wrote
//! the name down before (the layer database) removes what is half made.

use crate::merge::{merge, settle};
use crate::{CacheId, Error, Kind, Layout, Mount, Snapshotter, options, tree};
use rustix::fs::{AtFlags, CWD, Mode, chmodat, statfs};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tierce_sys::btrfs;

/// Name of the driver and of its directory.
pub const NAME: &str = "btrfs";

const OPAQUE: &CStr = c"trusted.overlay.opaque";

/// The driver.
#[derive(Debug)]
pub struct Btrfs {
    subvolumes: PathBuf,
    quotas: PathBuf,
    /// No container may have a smaller limit.
    min_space: u64,
}

impl Btrfs {
    /// Checks that the data root is on btrfs and opens (creates) `<data root>/btrfs`.
    ///
    /// - `options`: `--storage-opt` values; `btrfs.min_space=<size>` refuses containers with a smaller limit, and
    ///   switches the accounting of the file system on.
    ///
    /// # Errors
    /// [`Error::Unusable`] with the cure; [`Error::Option`]; file errors.
    pub fn open(data_root: &Path, options: &[String]) -> Result<Self, Error> {
        let mut min_space = None;
        for (key, value) in options::own(NAME, options)? {
            match &*key {
                "btrfs.min_space" => min_space = Some(options::size(NAME, &key, value)?),
                _ => return Err(options::refuse(NAME, &format!("{key}={value}"), "unknown option")),
            }
        }
        fs::create_dir_all(data_root).map_err(Error::io("create the directory", data_root))?;
        let home = data_root.join(NAME);
        // The driver's directory may be a mount of its own.
        let tried = if home.is_dir() { &home } else { data_root };
        let stat = statfs(tried).map_err(Error::io("look at the file system of", tried))?;
        if stat.f_type as u32 != btrfs::MAGIC {
            return Err(Error::Unusable {
                driver: NAME,
                root: data_root.to_owned(),
                missing: format!(
                    "its file system is not btrfs; choose a --data-root on one (mkfs.btrfs DEVICE && mount DEVICE {})",
                    data_root.display()
                ),
            });
        }
        let subvolumes = home.join("subvolumes");
        let at = tree::open(data_root)?;
        tree::make_dir(&at, NAME, 0o710).map_err(Error::io("create the directory", &home))?;
        tree::make_dir(tree::open(&home)?, "subvolumes", 0o710)
            .map_err(Error::io("create the directory", &subvolumes))?;
        if min_space.is_some() {
            enable_quota(&home)?;
        }
        Ok(Self {
            subvolumes,
            quotas: home.join("quotas"),
            min_space: min_space.unwrap_or(0),
        })
    }

    fn dir(&self, id: &CacheId) -> PathBuf {
        self.subvolumes.join(id.as_str())
    }

    fn staged(&self, id: &CacheId) -> PathBuf {
        self.subvolumes.join(format!("{id}.staged"))
    }

    /// Opens the subvolume of a snapshot.
    fn subvolume(&self, id: &CacheId) -> Result<OwnedFd, Error> {
        match tree::open(&self.dir(id)) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Err(Error::NotFound {
                id: id.to_string(),
                root: self.subvolumes.clone(),
            }),
            opened => opened,
        }
    }

    /// Makes the subvolume `path`, empty or as a snapshot of the parent's.
    fn make(&self, id: &CacheId, path: &Path, parent: Option<&CacheId>) -> Result<(), Error> {
        let (above, name) = self.split(path)?;
        let made = match parent {
            Some(parent) => btrfs::snapshot(self.subvolume(parent)?, &above, &name),
            None => btrfs::create(&above, &name),
        };
        match made {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(Error::Exists(id.to_string())),
            Err(error) => return Err(Error::io("make the subvolume", path)(error)),
        }
        if parent.is_none() {
            // Whatever the umask.
            chmodat(CWD, path, Mode::from_raw_mode(0o755), AtFlags::empty())
                .map_err(Error::io("set the mode of", path))?;
        }
        Ok(())
    }

    /// Limits a container's subvolume, and writes it down as Docker does.
    fn limit(&self, id: &CacheId, size: u64) -> Result<(), Error> {
        if size == 0 {
            return Err(Error::StorageOption("btrfs: invalid storage size: 0B".to_owned()));
        }
        if size < self.min_space {
            let text = format!("btrfs: storage size cannot be less than {} bytes", self.min_space);
            return Err(Error::StorageOption(text));
        }
        let path = self.dir(id);
        enable_quota(&self.subvolumes)?;
        btrfs::limit(self.subvolume(id)?, size).map_err(Error::io("limit the subvolume", &path))?;
        let record = self.quotas.join(id.as_str());
        fs::create_dir_all(&self.quotas).map_err(Error::io("create the directory", &self.quotas))?;
        fs::write(&record, size.to_string()).map_err(Error::io("write", &record))
    }

    /// Deletes a subvolume with those nested in it; that it is not there is no error.
    fn delete(&self, path: &Path) -> Result<(), Error> {
        let (above, name) = self.split(path)?;
        let number = match tree::open(path) {
            Ok(subvolume) => btrfs::subvolume_id(&subvolume).ok(),
            Err(_) => None,
        };
        match btrfs::destroy(&above, &name) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY) => {
                // Programs in the container have made subvolumes of their own.
                let subvolume = tree::open(path)?;
                btrfs::set_read_only(&subvolume, false).map_err(Error::io("make writable", path))?;
                drop(subvolume);
                tree::remove(path)?;
            }
            // Without the privilege, or no subvolume at all.
            Err(Errno::PERM | Errno::ACCESS | Errno::NOTTY | Errno::INVAL) => tree::remove(path)?,
            Err(error) => return Err(Error::io("delete the subvolume", path)(error)),
        }
        if let Some(number) = number {
            // Without quotas, or where the kernel does it by itself, there is nothing to forget.
            let _ = btrfs::forget_quota(&above, number);
        }
        Ok(())
    }

    /// The directory that a subvolume lies in, opened, and the subvolume's name there.
    fn split(&self, path: &Path) -> Result<(OwnedFd, CString), Error> {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let name = CString::new(name).map_err(|_| Error::InvalidId(path.display().to_string()))?;
        Ok((tree::open(&self.subvolumes)?, name))
    }
}

fn enable_quota(home: &Path) -> Result<(), Error> {
    btrfs::enable_quota(tree::open(home)?).map_err(Error::io("switch quotas on at", home))
}

impl Snapshotter for Btrfs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn status(&self) -> Vec<(String, String)> {
        vec![("Btrfs".to_owned(), String::new())]
    }

    fn stage(&self, id: &CacheId) -> Result<PathBuf, Error> {
        if self.dir(id).exists() {
            return Err(Error::Exists(id.to_string()));
        }
        let staged = self.staged(id);
        self.make(id, &staged, None)?;
        Ok(staged)
    }

    fn commit(&self, id: &CacheId, parent: Option<&CacheId>) -> Result<(), Error> {
        let (staged, dir) = (self.staged(id), self.dir(id));
        if !staged.is_dir() {
            return Err(Error::NotFound {
                id: id.to_string(),
                root: self.subvolumes.clone(),
            });
        }
        if parent.is_some() {
            self.make(id, &dir, parent)?;
            merge(&staged, &dir, OPAQUE)?;
            self.delete(&staged)?;
        } else {
            settle(&staged, OPAQUE)?;
            fs::rename(&staged, &dir).map_err(Error::io("move into place", &dir))?;
        }
        btrfs::set_read_only(self.subvolume(id)?, true).map_err(Error::io("make read-only", &dir))
    }

    fn create(&self, id: &CacheId, parent: Option<&CacheId>, kind: Kind) -> Result<(), Error> {
        self.make(id, &self.dir(id), parent)?;
        match kind {
            Kind::Container { size: Some(size) } => self.limit(id, size),
            Kind::Container { size: None } | Kind::Init => Ok(()),
        }
    }

    fn diff_dir(&self, id: &CacheId) -> PathBuf {
        let staged = self.staged(id);
        if staged.exists() { staged } else { self.dir(id) }
    }

    fn mounts(&self, id: &CacheId) -> Result<Vec<Mount>, Error> {
        let dir = self.dir(id);
        let read_only = btrfs::is_read_only(self.subvolume(id)?).unwrap_or(false);
        let access = if read_only { "ro" } else { "rw" };
        Ok(vec![Mount {
            kind: "bind".to_owned(),
            source: dir.to_string_lossy().into_owned(),
            target: dir,
            options: vec![access.to_owned(), "rbind".to_owned()],
        }])
    }

    fn layout(&self, id: &CacheId) -> Result<Layout, Error> {
        self.subvolume(id)?;
        Ok(Layout::Tree { root: self.dir(id) })
    }

    fn remove(&self, id: &CacheId) -> Result<(), Error> {
        tree::remove(&self.quotas.join(id.as_str()))?;
        self.delete(&self.staged(id))?;
        self.delete(&self.dir(id))
    }
}

#[cfg(test)]
mod tests;
