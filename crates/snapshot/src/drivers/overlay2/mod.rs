//! `overlay2`: each snapshot holds its own changes (`crate::stacks` draws them), the kernel shows the union.

mod probe;
mod quota;

pub use probe::Features;
use quota::Quota;

use crate::stacks::Stacks;
use crate::{CacheId, Error, Kind, Layout, Mount, Snapshotter, Union, options};
use std::path::{Path, PathBuf};

/// Name of the driver and of its directory.
pub const NAME: &str = "overlay2";

/// The driver.
#[derive(Debug)]
pub struct Overlay2 {
    stacks: Stacks,
    features: Features,
    quota: Quota,
}

impl Overlay2 {
    /// Checks that overlay works here and opens (creates) `<data root>/overlay2`.
    ///
    /// - `options`: `--storage-opt` values; `overlay2.size` is the limit of containers that name none,
    ///   `overlay2.override_kernel_check` is accepted and has no effect, as with Docker.
    ///
    /// # Errors
    /// [`Error::Unusable`] naming the failed check and its cure; [`Error::Option`]; file errors.
    pub fn open(data_root: &Path, options: &[String]) -> Result<Self, Error> {
        let mut size = None;
        for (key, value) in options::own(NAME, options)? {
            match &*key {
                "overlay2.override_kernel_check" => {}
                "overlay2.size" => size = Some(options::size(NAME, &key, value)?),
                _ => return Err(options::refuse(NAME, &format!("{key}={value}"), "unknown option")),
            }
        }
        let root = Stacks::make_root(data_root, NAME)?;
        let features = probe::probe(data_root, &root)?;
        let quota = Quota::open(&root, features.backing, size)?;
        let stacks = Stacks::open(root, Union::Kernel)?;
        Ok(Self {
            stacks,
            features,
            quota,
        })
    }

    /// What the probe found.
    pub fn features(&self) -> &Features {
        &self.features
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
        self.stacks.make(id, |_| Ok(()))?;
        Ok(self.diff_dir(id))
    }

    fn commit(&self, id: &CacheId, parent: Option<&CacheId>) -> Result<(), Error> {
        self.stacks.stack(id, parent)?;
        self.stacks.mark_committed(id)
    }

    fn create(&self, id: &CacheId, parent: Option<&CacheId>, kind: Kind) -> Result<(), Error> {
        let size = match kind {
            Kind::Container { size } => self.quota.size(size)?,
            Kind::Init => None,
        };
        self.stacks
            .make(id, |dir| size.map_or(Ok(()), |size| self.quota.limit(dir, size)))?;
        self.stacks.stack(id, parent)?;
        match kind {
            Kind::Init => self.stacks.mark_committed(id),
            Kind::Container { .. } => Ok(()),
        }
    }

    fn diff_dir(&self, id: &CacheId) -> PathBuf {
        self.stacks.diff_dir(id)
    }

    fn mounts(&self, id: &CacheId) -> Result<Vec<Mount>, Error> {
        self.stacks.mounts(id, "overlay", self.features.mount_options())
    }

    fn layout(&self, id: &CacheId) -> Result<Layout, Error> {
        self.stacks.layout(id)
    }

    fn remove(&self, id: &CacheId) -> Result<(), Error> {
        self.stacks.remove(id)
    }

    fn user_xattr(&self) -> bool {
        self.features.user_xattr
    }
}

#[cfg(test)]
mod tests;
