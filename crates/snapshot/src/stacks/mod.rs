//! Snapshots that hold their own changes only, for drivers that mount unions.
//!
//! On disk, exactly as Docker's overlay2 and fuse-overlayfs (moby `daemon/graphdriver/overlay2/overlay.go`):
//!
//! ```text
//! <data root>/<driver>/                     0710
//! ├── l/                                    0700
//! │   └── <26 of A–Z 2–7> -> ../<id>/diff   short names, so that the mount options stay below one page
//! └── <id>/                                 0710
//!     ├── diff/                             0755  the snapshot's own files
//!     ├── link                              0644  its short name
//!     ├── lower                             0644  "l/A:l/B:…", topmost first; not on a bottom layer
//!     ├── work/                             0700  scratch space of the union; not on a bottom layer
//!     ├── merged/                           0700  mount point; only while mounted
//!     └── committed                         0600  empty: the snapshot is read-only
//! ```
//!
//! Nothing here is synced: a layer counts only when the layer database names it (after one `syncfs`), and a container's
//! layer holds nothing that its creator could not make again.

mod cleanup;
mod making;
mod showing;

use crate::layout::Union;
use crate::{CacheId, Error, tree};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Directory of the short names.
const LINKS: &str = "l";
const DIFF: &str = "diff";
const LINK: &str = "link";
const LOWER: &str = "lower";
const WORK: &str = "work";
const MERGED: &str = "merged";
const COMMITTED: &str = "committed";

/// Most layers below a snapshot, Docker's `maxDepth`; the kernel itself stops at 500.
const MAX_DEPTH: usize = 128;

/// The directory of a driver that mounts unions.
#[derive(Debug)]
pub(crate) struct Stacks {
    root: PathBuf,
    union: Union,
}

impl Stacks {
    /// Makes `<data root>/<name>`, so that it can be looked at.
    ///
    /// # Errors
    /// File errors.
    pub(crate) fn make_root(data_root: &Path, name: &str) -> Result<PathBuf, Error> {
        let root = data_root.join(name);
        // As dockerd: the data root itself is 0710, so that users other than root do not see into the layers.
        fs::create_dir_all(data_root).map_err(Error::io("create the directory", data_root))?;
        tree::make_dir(tree::open(data_root)?, name, 0o710).map_err(Error::io("create the directory", &root))?;
        Ok(root)
    }

    /// Opens the directory that [`Self::make_root`] made.
    ///
    /// - `union`: who will mount what lies in it.
    ///
    /// # Errors
    /// File errors.
    pub(crate) fn open(root: PathBuf, union: Union) -> Result<Self, Error> {
        tree::make_dir(tree::open(&root)?, LINKS, 0o700).map_err(Error::io("create the directory", &root))?;
        Ok(Self { root, union })
    }

    /// Where a snapshot's own files are.
    pub(crate) fn diff_dir(&self, id: &CacheId) -> PathBuf {
        self.dir(id).join(DIFF)
    }

    /// A snapshot's directory.
    pub(crate) fn dir(&self, id: &CacheId) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// The snapshot's directory, opened, if it is there.
    fn open_dir(&self, id: &CacheId) -> Result<OwnedFd, Error> {
        tree::open(&self.dir(id)).map_err(|_| self.not_found(id))
    }

    fn not_found(&self, id: &CacheId) -> Error {
        Error::NotFound {
            id: id.to_string(),
            root: self.root.clone(),
        }
    }
}
