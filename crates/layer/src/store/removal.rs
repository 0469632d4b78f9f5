//! Removing layers that nothing needs.

use super::records::{REMOVING, Records, cache_id_in};
use super::{Layer, Store};
use crate::Error;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tierce_fsops as fsops;
use tierce_oci::ChainId;
use tierce_snapshot::{CacheId, Snapshotter, tree};

/// A layer that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// What it was.
    pub layer: Layer,
}

impl Store {
    /// Removes all layers but those in `keep`, those below them, and those below containers.
    ///
    /// `keep` must contain the topmost layers of all images, and those registered by pulls that have not yet written
    /// their image down. Returns what was removed, topmost first, as `docker rmi` lists it.
    ///
    /// # Errors
    /// File errors; what was removed until then stays removed, and the next start removes the rest of a layer that was
    /// begun.
    pub fn remove_unused(&self, keep: &HashSet<ChainId>) -> Result<Vec<Removed>, Error> {
        let mut layers = self.write();
        let mut needed = HashSet::new();
        let containers = self
            .containers()?
            .into_iter()
            .filter_map(|container| self.rw(&container).ok());
        let roots = keep
            .iter()
            .cloned()
            .chain(containers.filter_map(|container| container.parent));
        for root in roots {
            let mut next = Some(root);
            while let Some(id) = next {
                next = layers.get(&id).and_then(|layer| layer.parent.clone());
                if !needed.insert(id) {
                    break;
                }
            }
        }
        let mut unused: Vec<Layer> = layers
            .values()
            .filter(|layer| !needed.contains(&layer.chain_id))
            .cloned()
            .collect();
        if unused.is_empty() {
            return Ok(Vec::new());
        }
        let depth = |layer: &Layer| {
            std::iter::successors(layer.parent.as_ref(), |id| {
                layers.get(*id).and_then(|below| below.parent.as_ref())
            })
            .count()
        };
        unused.sort_by_cached_key(|layer| (std::cmp::Reverse(depth(layer)), layer.chain_id.clone()));
        let mut leaving = Vec::new();
        for layer in unused {
            let aside = self.records.set_aside(&layer.chain_id)?;
            layers.remove(&layer.chain_id);
            leaving.push((layer, aside));
        }
        drop(layers);
        // Files must not go before the names have: else a power loss leaves a layer without them.
        fsops::sync_dir(&self.records.sha256())?;
        if !self.in_order {
            // Nor may the records that tell of them be gone before the files are.
            for (layer, _) in &leaving {
                self.driver.remove(&layer.cache_id)?;
            }
            self.records.sync(&self.records.sha256())?;
        }
        let mut removed = Vec::new();
        for (layer, aside) in leaving {
            finish_removal(&*self.driver, &aside)?;
            self.records.unmark(&self.boot, &layer)?;
            removed.push(Removed { layer });
        }
        Ok(removed)
    }
}

impl Records {
    /// Takes a layer's name away, which is the moment of its removal; returns where its records are now.
    pub(super) fn set_aside(&self, chain_id: &ChainId) -> Result<PathBuf, Error> {
        let random = CacheId::random()?;
        let aside = format!("{}-{}{REMOVING}", chain_id.hex(), &random.as_str()[..16]);
        let aside = self.sha256().join(aside);
        fsops::rename(&self.layer(chain_id), &aside)?;
        Ok(aside)
    }
}

/// Removes the snapshot of a layer that was set aside, then its records.
pub(super) fn finish_removal(driver: &dyn Snapshotter, aside: &Path) -> Result<(), Error> {
    if let Some(id) = cache_id_in(aside) {
        driver.remove(&id)?;
    }
    Ok(tree::remove(aside)?)
}
