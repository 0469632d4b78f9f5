//! The layer store, as this room asks it.

use crate::Error;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Write};
use std::sync::Arc;
use tierce_layer::{Applied, Ingest, Limits, Store};
use tierce_oci::{ChainId, DiffId};

/// The layers of one storage driver.
pub(crate) struct Layers(Arc<Store>);

impl Layers {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    /// Whether a layer (and all below it) is there.
    pub(crate) fn has(&self, chain: &ChainId) -> bool {
        self.0.contains(chain)
    }

    /// Bytes of the layer's own files; 0 when it is not there.
    pub(crate) fn size(&self, chain: &ChainId) -> u64 {
        self.0.get(chain).map_or(0, |layer| layer.size)
    }

    /// Bytes of the files of all layers.
    pub(crate) fn total_size(&self) -> u64 {
        self.0.layers().iter().map(|layer| layer.size).sum()
    }

    /// Name of the storage driver.
    pub(crate) fn driver(&self) -> &'static str {
        self.0.driver().name()
    }

    /// `GraphDriver.Data` of a layer.
    pub(crate) fn driver_data(&self, chain: &ChainId) -> Result<BTreeMap<String, String>, Error> {
        let layer = self.0.get(chain)?;
        let layout = self
            .0
            .driver()
            .layout(&layer.cache_id)
            .map_err(tierce_layer::Error::from)?;
        Ok(layout.graph_data())
    }

    /// Unpacks an archive into a directory of its own, not registered yet.
    pub(crate) fn unpack(&self, archive: impl Read + Send) -> Result<(Ingest, Applied), Error> {
        let mut ingest = self.0.ingest()?;
        let applied = ingest.apply(archive, &Limits::default())?;
        Ok((ingest, applied))
    }

    /// Writes the archive of the layer on top of a stack, bit for bit as it came.
    pub(crate) fn archive(&self, chain: &ChainId, output: impl Write) -> Result<u64, tierce_layer::Error> {
        self.0.tar_stream(chain, output)
    }

    /// Length of what [`Self::archive`] writes.
    pub(crate) fn archive_length(&self, chain: &ChainId) -> Result<u64, Error> {
        Ok(self.0.tar_length(chain)?)
    }

    /// A stack for each layer that is here, by the digest of the layer's archive.
    pub(crate) fn by_diff_id(&self) -> HashMap<DiffId, ChainId> {
        let layers = self.0.layers().into_iter();
        layers.map(|layer| (layer.diff_id, layer.chain_id)).collect()
    }

    /// Archives of `chains` that no other layer is made of.
    pub(crate) fn only_in(&self, chains: &HashSet<&ChainId>) -> Vec<DiffId> {
        let (inside, outside): (Vec<_>, Vec<_>) = self
            .0
            .layers()
            .into_iter()
            .partition(|layer| chains.contains(&layer.chain_id));
        let others: HashSet<DiffId> = outside.into_iter().map(|layer| layer.diff_id).collect();
        let only = inside.into_iter().map(|layer| layer.diff_id);
        only.filter(|diff_id| !others.contains(diff_id)).collect()
    }

    /// Makes a layer of what a container has changed, not registered yet.
    pub(crate) fn unpack_changes(&self, container: &str) -> Result<(Ingest, Applied), Error> {
        let changed = self.0.rw(container)?;
        let mut ingest = self.0.ingest()?;
        let applied = ingest.apply_changes(&changed)?;
        Ok((ingest, applied))
    }

    /// Unpacks once more what is here on another stack.
    pub(crate) fn unpack_again(&self, chain: &ChainId) -> Result<(Ingest, Applied), Error> {
        let (reader, writer) = std::io::pipe().map_err(tierce_layer::Error::Read)?;
        std::thread::scope(|scope| {
            let packing = scope.spawn(move || self.archive(chain, std::io::BufWriter::new(writer)).map(drop));
            let unpacked = self.unpack(reader);
            match packing.join() {
                // When unpacking fails, packing fails too for want of a reader: the first error is the one to tell.
                Ok(packed) => unpacked.and_then(|unpacked| packed.map(|()| unpacked).map_err(Error::from)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Puts an unpacked layer on top of `below`.
    pub(crate) fn register(&self, ingest: Ingest, below: Option<&ChainId>) -> Result<(), Error> {
        self.0.register(ingest, below)?;
        Ok(())
    }

    /// Lets the disk catch up with what was registered, beside everything else: see [`Store::settle`].
    pub(crate) fn settle_soon(&self) {
        let store = self.0.clone();
        let settle = move || match store.settle() {
            Ok(0) => {}
            Ok(layers) => tracing::debug!(layers, "layers are on the disk"),
            Err(error) => tracing::warn!(%error, "layers may not be on the disk yet; the next start tries again"),
        };
        if let Err(error) = std::thread::Builder::new()
            .name("layer-settle".to_owned())
            .spawn(settle)
        {
            tracing::warn!(%error, "no thread to settle layers; the next start tries again");
        }
    }

    /// What was found and mended at the start.
    pub(crate) fn repaired(&self) -> &tierce_layer::Repaired {
        self.0.repaired()
    }

    /// Removes those of `candidates` that are below no container and no other layer. Returns what went with its bytes,
    /// topmost first.
    ///
    /// Layers that are no candidates stay, also when no image of ours has them: a builder's cache in the same data root
    /// may.
    pub(crate) fn remove(&self, candidates: &HashSet<&ChainId>) -> Result<Vec<(ChainId, u64)>, Error> {
        let all = self.0.layers().into_iter().map(|layer| layer.chain_id);
        let keep: HashSet<ChainId> = all.filter(|chain| !candidates.contains(chain)).collect();
        let removed = self.0.remove_unused(&keep)?;
        Ok(removed
            .into_iter()
            .map(|removed| (removed.layer.chain_id, removed.layer.size))
            .collect())
    }
}
