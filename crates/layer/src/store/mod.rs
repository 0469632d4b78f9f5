//! Docker's layer database over a storage driver.
//!
//! ```text
//! <data root>/image/<driver>/layerdb/
//! ├── sha256/<chain id>/          0700  one layer
//! │   ├── cache-id                name of its snapshot
//! │   ├── diff                    diff id
//! │   ├── parent                  chain id of the layer below; not on a bottom layer
//! │   ├── size                    sum of its files' sizes
//! │   └── tar-split.json.gz       what its archive had besides them
//! ├── sha256/<chain id>-<random>-removing/   a layer being removed
//! ├── mounts/<container>/         0755  one container's layer
//! │   ├── mount-id  init-id       names of its snapshots
//! │   └── parent                  chain id of the image's topmost layer
//! └── tmp/
//!     ├── ingest-<cache id>/      0700  a layer being made
//!     └── unsettled-<boot>-…           a layer that the disk may not have yet
//! ```
//!
//! # What a crash leaves, and why nothing is lost or left over
//! - A layer is made in `tmp/ingest-<cache id>` (the name tells the snapshot, so nothing needs to be read back) and in
//!   the driver's directory, then renamed to its chain id. So a layer that has its name is complete; what is still in
//!   `tmp` at the next start is removed with its snapshot.
//! - Nobody waits for the disk: a mark in `tmp` says that a layer is not settled there, and whether power was lost
//!   before it was. See [`unsettled`].
//! - A layer is removed by renaming it to `…-removing`, a sync of `sha256`, then its snapshot, then its records. What
//!   is found so at the next start is removed to the end.
//! - A container's layer is not synced at all, for it is on the way of every `run` and is empty at first. The name of
//!   its snapshots follows from the container's, so what a crash leaves half made is found and removed; the engine then
//!   makes it anew from the container's own (synced) record.
//! - Nothing else is ever removed: snapshots that other programs keep in the driver's directory (dockerd's builder has
//!   some that no record here names) stay.

mod ingest;
mod records;
mod removal;
mod repair;
mod rw;
mod unsettled;

pub use ingest::Ingest;
pub use removal::Removed;
pub use repair::Repaired;
pub use rw::RwLayer;
pub use unsettled::Boot;

use crate::{Error, diff, tar_split};
use records::Records;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tierce_fsops as fsops;
use tierce_oci::{ChainId, DiffId, Digest, Hasher};
use tierce_snapshot::{CacheId, Snapshotter};

/// One layer in its stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Identifier of the stack up to this layer.
    pub chain_id: ChainId,
    /// Digest of the layer's own archive.
    pub diff_id: DiffId,
    /// The stack below.
    pub parent: Option<ChainId>,
    /// Name of its snapshot.
    pub cache_id: CacheId,
    /// Sum of the sizes of its files.
    pub size: u64,
}

type Layers = HashMap<ChainId, Layer>;

/// The layer database. All methods may be called from any thread.
pub struct Store {
    records: Records,
    driver: Arc<dyn Snapshotter>,
    layers: RwLock<Layers>,
    repaired: Repaired,
    boot: Boot,
    /// The file system keeps the order of names, so that layers may settle later.
    in_order: bool,
    /// Held by who settles.
    settling: Mutex<()>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens (creates) the database and mends what a crash has left.
    ///
    /// - `layerdb`: `<data root>/image/<driver>/layerdb`. One process at a time (the daemon's lock sees to it).
    ///
    /// # Errors
    /// File errors. Damaged layers are no error: they are left out, see [`Self::repaired`].
    pub fn open(layerdb: &Path, driver: Arc<dyn Snapshotter>) -> Result<Self, Error> {
        Self::open_in(layerdb, driver, Boot::current()?)
    }

    /// [`Self::open`] in a boot of the caller's choice.
    ///
    /// # Errors
    /// As there.
    pub fn open_in(layerdb: &Path, driver: Arc<dyn Snapshotter>, boot: Boot) -> Result<Self, Error> {
        let records = Records::open(layerdb)?;
        let mut repaired = repair::repair(&records, &*driver)?;
        let mut layers = records.layers(&*driver, &mut repaired)?;
        records.distrust(&boot, &*driver, &mut layers, &mut repaired)?;
        Ok(Self {
            in_order: unsettled::keeps_order(layerdb, &driver.diff_dir(&CacheId::random()?)),
            records,
            driver,
            layers: RwLock::new(layers),
            repaired,
            boot,
            settling: Mutex::default(),
        })
    }

    /// What was mended and what is damaged, found when the database was opened.
    pub fn repaired(&self) -> &Repaired {
        &self.repaired
    }

    /// The storage driver below.
    pub fn driver(&self) -> &Arc<dyn Snapshotter> {
        &self.driver
    }

    /// The layer at the top of a stack.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, chain_id: &ChainId) -> Result<Layer, Error> {
        self.read()
            .get(chain_id)
            .cloned()
            .ok_or_else(|| Error::NotFound(chain_id.to_string()))
    }

    /// Whether the stack is there.
    pub fn contains(&self, chain_id: &ChainId) -> bool {
        self.read().contains_key(chain_id)
    }

    /// All layers, in no order.
    pub fn layers(&self) -> Vec<Layer> {
        self.read().values().cloned().collect()
    }

    /// The layers of a stack, topmost first.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn stack(&self, chain_id: &ChainId) -> Result<Vec<Layer>, Error> {
        let layers = self.read();
        let mut stack = Vec::new();
        let mut next = Some(chain_id);
        while let Some(id) = next {
            let layer = layers.get(id).ok_or_else(|| Error::NotFound(id.to_string()))?;
            next = layer.parent.as_ref();
            stack.push(layer.clone());
        }
        Ok(stack)
    }

    /// Sum of the sizes of a stack's layers: the size of an image.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn stack_size(&self, chain_id: &ChainId) -> Result<u64, Error> {
        Ok(self.stack(chain_id)?.iter().map(|layer| layer.size).sum())
    }

    /// Begins a new layer. Any number of them may be made at the same time.
    ///
    /// # Errors
    /// File errors, [`Error::Snapshot`].
    pub fn ingest(&self) -> Result<Ingest, Error> {
        Ingest::begin(&self.records, &self.driver)
    }

    /// Puts an unpacked layer on top of `parent`, from the bottom up, mostly without waiting for the disk: see [`Self::settle`]. When the stack is there already, the new copy is
    /// thrown away and the old one returned.
    ///
    /// The caller compares the diff id with the image's configuration **before**.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the parent is not there; file errors. The layer is then gone.
    pub fn register(&self, ingest: Ingest, parent: Option<&ChainId>) -> Result<Layer, Error> {
        let parent = parent.map(|parent| self.get(parent)).transpose()?;
        let chain_id = ingest.chain_id(parent.as_ref())?;
        if let Ok(layer) = self.get(&chain_id) {
            return Ok(layer);
        }
        let ready = ingest.complete(parent.as_ref())?;
        // Two pulls may bring the same layer: the first one to get here wins.
        let mut layers = self.write();
        if let Some(layer) = layers.get(&chain_id) {
            return Ok(layer.clone());
        }
        // Nothing may have removed the parent meanwhile; else this layer would stand on nothing.
        if let Some(parent) = parent.filter(|parent| !layers.contains_key(&parent.chain_id)) {
            return Err(Error::NotFound(parent.chain_id.to_string()));
        }
        self.records.mark_unsettled(&self.boot, ready.layer())?;
        let layer = ready.publish(&self.records)?;
        layers.insert(chain_id, layer.clone());
        drop(layers);
        if !self.in_order {
            self.settle()?;
        }
        Ok(layer)
    }

    /// Writes the uncompressed archive of a stack's topmost layer, bit for bit as it came. Returns its length.
    ///
    /// A layer without a tar-split file (another program made it) is packed from its files; the archive may turn out to
    /// be another one, which is known at its end only.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Rebuild`] when files have changed on disk; errors of the output.
    pub fn tar_stream(&self, chain_id: &ChainId, mut output: impl Write) -> Result<u64, Error> {
        let layer = self.get(chain_id)?;
        let tar_split = self.records.tar_split(chain_id);
        if !fsops::exists(&tar_split) {
            return self.pack(&layer, output);
        }
        tar_split::assemble(&tar_split, &self.driver.diff_dir(&layer.cache_id), &mut output)
    }

    /// Packs the files of a layer, and checks that they give its archive.
    fn pack(&self, layer: &Layer, output: impl Write) -> Result<u64, Error> {
        let below = layer.parent.as_ref().map(|parent| self.get(parent)).transpose()?;
        let below = below.map(|below| self.driver.layout(&below.cache_id)).transpose()?;
        let packed = diff::pack_changes(
            &self.driver.layout(&layer.cache_id)?,
            below.as_ref(),
            self.driver.user_xattr(),
            Measured::new(output),
        )?;
        let (diff_id, length) = packed.finish();
        if diff_id == layer.diff_id.0 {
            return Ok(length);
        }
        Err(Error::Rebuild {
            layer: layer.chain_id.to_string(),
            reason: format!(
                "it has no tar-split file, and its files give the archive {diff_id} instead of {}",
                layer.diff_id
            ),
        })
    }

    /// Length of the archive that [`Self::tar_stream`] writes; files are read only where there is no tar-split file.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`].
    pub fn tar_length(&self, chain_id: &ChainId) -> Result<u64, Error> {
        let layer = self.get(chain_id)?;
        let tar_split = self.records.tar_split(chain_id);
        if !fsops::exists(&tar_split) {
            return self.pack(&layer, io::sink());
        }
        tar_split::length(&tar_split)
    }

    fn read(&self) -> RwLockReadGuard<'_, Layers> {
        // The map is never left half changed, so a panic elsewhere does not spoil it.
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer that counts and hashes what goes through it.
struct Measured<W> {
    output: W,
    hasher: Hasher,
    length: u64,
}

impl<W> Measured<W> {
    fn new(output: W) -> Self {
        Self {
            output,
            hasher: Hasher::default(),
            length: 0,
        }
    }

    fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.length)
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests;
