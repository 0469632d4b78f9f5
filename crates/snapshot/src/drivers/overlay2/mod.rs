//! `overlay2`: each snapshot holds its own changes, the kernel shows the union.
//!
//! On disk, exactly as Docker's classic store (moby `daemon/graphdriver/overlay2/overlay.go`):
//!
//! ```text
//! <data root>/overlay2/                     0710
//! ├── l/                                    0700
//! │   └── <26 of A–Z 2–7> -> ../<id>/diff   short names, so that the mount options stay below one page
//! └── <id>/                                 0710
//!     ├── diff/                             0755  the snapshot's own files
//!     ├── link                              0644  its short name
//!     ├── lower                             0644  "l/A:l/B:…", topmost first; not on a bottom layer
//!     ├── work/                             0700  scratch space of the kernel; not on a bottom layer
//!     ├── merged/                           0700  mount point; only while mounted
//!     └── committed                         0600  empty: the snapshot is read-only
//! ```
//!
//! Nothing here is synced: a layer counts only when the layer database names it (after one `syncfs`), and a container's
//! layer holds nothing that its creator could not make again.

mod cleanup;
mod commit;
mod mounts;
mod probe;

pub use probe::Features;

use crate::{CacheId, Error, Kind, Layout, Mount, Snapshotter, options, tree};
use std::path::{Path, PathBuf};

/// Name of the driver and of its directory.
pub const NAME: &str = "overlay2";

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

/// The driver.
#[derive(Debug)]
pub struct Overlay2 {
    root: PathBuf,
    features: Features,
}

impl Overlay2 {
    /// Checks that overlay works here and opens (creates) `<data root>/overlay2`.
    ///
    /// - `options`: `--storage-opt` values; `overlay2.override_kernel_check` is accepted and has no effect, as with
    ///   Docker.
    ///
    /// # Errors
    /// [`Error::Unusable`] naming the failed check and its cure; [`Error::Option`]; file errors.
    pub fn open(data_root: &Path, options: &[String]) -> Result<Self, Error> {
        for (key, value) in options::own(NAME, options)? {
            let refuse = |reason| options::refuse(NAME, &format!("{key}={value}"), reason);
            match &*key {
                "overlay2.override_kernel_check" => {}
                "overlay2.size" => return Err(refuse("quotas of container layers are not served")),
                _ => return Err(refuse("unknown option")),
            }
        }
        let root = data_root.join(NAME);
        // As dockerd: the data root itself is 0710, so that users other than root do not see into the layers.
        std::fs::create_dir_all(data_root).map_err(Error::io("create the directory", data_root))?;
        let at = tree::open(data_root)?;
        tree::make_dir(&at, NAME, 0o710).map_err(Error::io("create the directory", &root))?;
        let features = probe::probe(data_root, &root)?;
        tree::make_dir(tree::open(&root)?, LINKS, 0o700).map_err(Error::io("create the directory", &root))?;
        Ok(Self { root, features })
    }

    /// What the probe found.
    pub fn features(&self) -> &Features {
        &self.features
    }

    fn dir(&self, id: &CacheId) -> PathBuf {
        self.root.join(id.as_str())
    }

    fn not_found(&self, id: &CacheId) -> Error {
        Error::NotFound {
            id: id.to_string(),
            root: self.root.clone(),
        }
    }
}

impl Snapshotter for Overlay2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn status(&self) -> Vec<(String, String)> {
        self.features.status()
    }

    fn stage(&self, id: &CacheId) -> Result<PathBuf, Error> {
        self.make(id)?;
        Ok(self.diff_dir(id))
    }

    fn commit(&self, id: &CacheId, parent: Option<&CacheId>) -> Result<(), Error> {
        self.stack(id, parent)?;
        self.mark_committed(id)
    }

    fn create(&self, id: &CacheId, parent: Option<&CacheId>, kind: Kind) -> Result<(), Error> {
        self.make(id)?;
        self.stack(id, parent)?;
        match kind {
            Kind::Init => self.mark_committed(id),
            Kind::Container { .. } => Ok(()),
        }
    }

    fn diff_dir(&self, id: &CacheId) -> PathBuf {
        self.dir(id).join(DIFF)
    }

    fn mounts(&self, id: &CacheId) -> Result<Vec<Mount>, Error> {
        self.mounts_of(id)
    }

    fn layout(&self, id: &CacheId) -> Result<Layout, Error> {
        self.layout_of(id)
    }

    fn remove(&self, id: &CacheId) -> Result<(), Error> {
        self.remove_snapshot(id)
    }

    fn user_xattr(&self) -> bool {
        self.features.user_xattr
    }
}

#[cfg(test)]
mod tests;
