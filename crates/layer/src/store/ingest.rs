//! Layers being made.

use super::records::{INGEST, Records};
use super::{Layer, RwLayer};
use crate::apply::{Applied, Target, apply};
use crate::marks::{Marks, opaque_attribute};
use crate::{Error, Limits};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};
use std::fs::{self, DirBuilder};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierce_fsops as fsops;
use tierce_oci::{ChainId, DiffId};
use tierce_snapshot::{CacheId, Layout, Snapshotter, tree};

/// A layer being made; dropped without [`super::Store::register`], it leaves nothing behind.
pub struct Ingest {
    id: CacheId,
    directory: PathBuf,
    driver: Arc<dyn Snapshotter>,
    applied: Option<Applied>,
    /// Registered: the snapshot and the records are the layer's now.
    kept: bool,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("id", &self.id)
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}

impl Ingest {
    pub(super) fn begin(records: &Records, driver: &Arc<dyn Snapshotter>) -> Result<Self, Error> {
        let id = CacheId::random()?;
        let directory = records.tmp().join(format!("{INGEST}{id}"));
        // First the record, then what it stands for: a crash between them leaves only an empty directory.
        DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(Error::io("create the directory", &directory))?;
        Ok(Self {
            id,
            directory,
            driver: driver.clone(),
            applied: None,
            kept: false,
        })
    }

    /// Unpacks the layer's stream: plain, gzip or zstd, told by its first bytes. Once for an ingest.
    ///
    /// Reads `input` on another thread; blocks until all is unpacked.
    ///
    /// # Errors
    /// See [`crate::apply::apply`]; [`Error::Exists`] when something was unpacked before.
    pub fn apply(&mut self, input: impl Read + Send, limits: &Limits) -> Result<Applied, Error> {
        if self.applied.is_some() {
            return Err(Error::Exists(self.id.to_string()));
        }
        let directory = self.driver.stage(&self.id)?;
        let target = Target {
            directory: &directory,
            tar_split: &self.directory.join("tar-split.json.gz"),
            aside: &self.aside(),
            user_xattr: self.driver.user_xattr(),
        };
        let applied = apply(input, &target, &limits.for_directory(&directory))?;
        tree::remove(&self.aside())?;
        self.applied = Some(applied.clone());
        Ok(applied)
    }

    /// Makes the layer of what a container has changed (for `commit`).
    ///
    /// # Errors
    /// Those of packing and of [`Self::apply`].
    pub fn apply_changes(&mut self, container: &RwLayer) -> Result<Applied, Error> {
        let (reader, writer) = std::io::pipe().map_err(Error::Read)?;
        std::thread::scope(|scope| {
            let packing = scope.spawn(move || container.pack(writer).map(drop));
            let applied = self.apply(reader, &Limits::default());
            match packing.join() {
                // When unpacking fails, packing fails too for want of a reader: the first error is the one to tell.
                Ok(packed) => applied.and_then(|applied| packed.map(|()| applied)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Digest of what was unpacked.
    pub fn diff_id(&self) -> Option<&DiffId> {
        self.applied.as_ref().map(|applied| &applied.diff_id)
    }

    fn aside(&self) -> PathBuf {
        self.directory.join("aside")
    }

    fn applied(&self) -> Result<&Applied, Error> {
        self.applied
            .as_ref()
            .ok_or_else(|| Error::NotFound(format!("{} (nothing was unpacked)", self.id)))
    }

    pub(super) fn chain_id(&self, parent: Option<&Layer>) -> Result<ChainId, Error> {
        Ok(ChainId::of(
            parent.map(|parent| &parent.chain_id),
            &self.applied()?.diff_id,
        ))
    }

    /// Stacks the snapshot on its parent and writes the records.
    pub(super) fn complete(self, parent: Option<&Layer>) -> Result<Ready, Error> {
        let applied = self.applied()?.clone();
        let layer = Layer {
            chain_id: self.chain_id(parent)?,
            diff_id: applied.diff_id,
            parent: parent.map(|parent| parent.chain_id.clone()),
            cache_id: self.id.clone(),
            size: applied.size,
        };
        if let (true, Some(parent)) = (applied.unfinished.opaque_root, parent) {
            hide_parent(&*self.driver, &self.id, &parent.cache_id)?;
        }
        self.driver.commit(&self.id, parent.map(|parent| &parent.cache_id))?;
        let write = |name: &str, content: &str| fsops::write(&self.directory.join(name), content.as_bytes(), 0o644);
        write("cache-id", layer.cache_id.as_str())?;
        write("diff", &layer.diff_id.to_string())?;
        write("size", &layer.size.to_string())?;
        if let Some(parent) = &layer.parent {
            write("parent", &parent.to_string())?;
        }
        Ok(Ready { ingest: self, layer })
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let removed = self
            .driver
            .remove(&self.id)
            .and_then(|()| tree::remove(&self.directory));
        if let Err(error) = removed {
            // The next start finds the directory and removes both.
            tracing::warn!(%error, layer = %self.id, "unfinished layer stays until the next start");
        }
    }
}

/// A layer that is complete on disk but for its name.
pub(super) struct Ready {
    ingest: Ingest,
    layer: Layer,
}

impl Ready {
    /// What it will be.
    pub(super) fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Gives the layer its name.
    pub(super) fn publish(mut self, records: &Records) -> Result<Layer, Error> {
        let path = records.layer(&self.layer.chain_id);
        // What is there under the name was found damaged at the start: it makes way.
        if path.exists() {
            set_damaged_aside(&path)?;
        }
        fsops::rename(&self.ingest.directory, &path)?;
        self.ingest.kept = true;
        Ok(self.layer.clone())
    }
}

/// Moves damaged records to a name that is removed at the next start.
fn set_damaged_aside(path: &Path) -> Result<(), Error> {
    let id = CacheId::random()?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!("-{}{}", &id.as_str()[..16], super::records::REMOVING));
    fs::rename(path, Path::new(&name)).map_err(Error::io("move aside", path))
}

/// Makes the layer's root opaque, which overlay cannot say by an attribute: each name below gets a whiteout.
fn hide_parent(driver: &dyn Snapshotter, id: &CacheId, parent: &CacheId) -> Result<(), Error> {
    let own = driver.diff_dir(id);
    let layout = driver.layout(parent)?;
    let marks = Marks::of(&layout, driver.user_xattr());
    let below = match layout {
        Layout::Overlay { upper, mut lowers, .. } => {
            lowers.push(upper);
            lowers
        }
        Layout::Tree { root } => vec![root],
    };
    let opaque = opaque_attribute(driver.user_xattr());
    for directory in below {
        for name in tree::names(&directory)?.iter().filter(|name| !marks.is_mark(name)) {
            let path = own.join(name);
            match path.symlink_metadata() {
                Ok(found) if found.is_dir() => {
                    setxattr(&path, opaque, b"y", XattrFlags::empty()).map_err(Error::io("make opaque", &path))?;
                }
                Ok(_) => {}
                Err(_) => mknodat(CWD, &path, FileType::CharacterDevice, Mode::empty(), 0)
                    .map_err(Error::io("make the whiteout", &path))?,
            }
        }
    }
    Ok(())
}
