//! `vfs`: a full copy for each snapshot. Slow and big, but it works on every file system.
//!
//! ```text
//! <data root>/vfs/                0710
//! └── dir/                        0700
//!     ├── <id>/                   the whole tree, parents included
//!     └── <id>.staged/            a layer's changes, until they are committed
//! ```
//! Docker's layout is the same but for the staged directories.

use crate::merge::{merge, settle};
use crate::{CacheId, Error, Kind, Layout, Mount, Snapshotter, options, tree};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Name of the driver and of its directory.
pub const NAME: &str = "vfs";

const OPAQUE: &std::ffi::CStr = c"trusted.overlay.opaque";

/// The driver.
#[derive(Debug)]
pub struct Vfs {
    root: PathBuf,
}

impl Vfs {
    /// Opens (creates) `<data root>/vfs`.
    ///
    /// # Errors
    /// [`Error::Option`] for any `vfs.*` option (there is none that works without quotas); file errors.
    pub fn open(data_root: &Path, options: &[String]) -> Result<Self, Error> {
        if let Some((key, value)) = options::own(NAME, options)?.first() {
            return Err(options::refuse(
                NAME,
                &format!("{key}={value}"),
                "vfs has no options here",
            ));
        }
        let home = data_root.join(NAME);
        let root = home.join("dir");
        fs::create_dir_all(data_root).map_err(Error::io("create the directory", data_root))?;
        for (path, mode) in [(&home, 0o710), (&root, 0o700)] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(path)
                .map_err(Error::io("create", path))?;
        }
        Ok(Self { root })
    }

    fn dir(&self, id: &CacheId) -> PathBuf {
        self.root.join(id.as_str())
    }

    fn staged(&self, id: &CacheId) -> PathBuf {
        self.root.join(format!("{id}.staged"))
    }

    fn check(&self, id: &CacheId) -> Result<PathBuf, Error> {
        let dir = self.dir(id);
        if dir.is_dir() {
            Ok(dir)
        } else {
            Err(Error::NotFound {
                id: id.to_string(),
                root: self.root.clone(),
            })
        }
    }

    /// Makes `dir`, as a copy of the parent's tree or empty.
    fn copy_parent(&self, parent: Option<&CacheId>, dir: &Path) -> Result<(), Error> {
        if let Some(parent) = parent {
            return tree::copy(&self.check(parent)?, dir);
        }
        fs::create_dir(dir).map_err(Error::io("create the directory", dir))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).map_err(Error::io("set the mode of", dir))
    }
}

impl Snapshotter for Vfs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn status(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn stage(&self, id: &CacheId) -> Result<PathBuf, Error> {
        if self.dir(id).exists() || self.staged(id).exists() {
            return Err(Error::Exists(id.to_string()));
        }
        let staged = self.staged(id);
        self.copy_parent(None, &staged)?;
        Ok(staged)
    }

    fn commit(&self, id: &CacheId, parent: Option<&CacheId>) -> Result<(), Error> {
        let staged = self.staged(id);
        if !staged.is_dir() {
            return Err(Error::NotFound {
                id: id.to_string(),
                root: self.root.clone(),
            });
        }
        let dir = self.dir(id);
        if parent.is_none() {
            settle(&staged, OPAQUE)?;
            return fs::rename(&staged, &dir).map_err(Error::io("move into place", &dir));
        }
        self.copy_parent(parent, &dir)?;
        merge(&staged, &dir, OPAQUE)?;
        tree::remove(&staged)
    }

    fn create(&self, id: &CacheId, parent: Option<&CacheId>, kind: Kind) -> Result<(), Error> {
        if matches!(kind, Kind::Container { size: Some(_) }) {
            // moby's `quota.ErrQuotaNotSupported`.
            let text = "Filesystem does not support, or has not enabled quotas";
            return Err(Error::StorageOption(text.to_owned()));
        }
        let dir = self.dir(id);
        if dir.exists() {
            return Err(Error::Exists(id.to_string()));
        }
        self.copy_parent(parent, &dir)
    }

    fn diff_dir(&self, id: &CacheId) -> PathBuf {
        let staged = self.staged(id);
        if staged.exists() { staged } else { self.dir(id) }
    }

    fn mounts(&self, id: &CacheId) -> Result<Vec<Mount>, Error> {
        let dir = self.check(id)?;
        let source = dir.to_string_lossy().into_owned();
        let options = vec!["rw".to_owned(), "rbind".to_owned()];
        Ok(vec![Mount {
            kind: "bind".to_owned(),
            source,
            target: dir,
            options,
        }])
    }

    fn layout(&self, id: &CacheId) -> Result<Layout, Error> {
        Ok(Layout::Tree { root: self.check(id)? })
    }

    fn remove(&self, id: &CacheId) -> Result<(), Error> {
        tree::remove(&self.staged(id))?;
        tree::remove(&self.dir(id))
    }
}

#[cfg(test)]
mod tests {
    use super::Vfs;
    use crate::conformance;

    #[test]
    fn row_060_vfs_conforms() {
        conformance::run(&|root| Ok(std::sync::Arc::new(Vfs::open(root, &[])?)));
    }
}
