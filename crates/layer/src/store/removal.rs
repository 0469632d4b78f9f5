//! Removing layers that nothing needs.

use super::records::REMOVING;
use super::{Layer, Store};
use crate::Error;
use std::collections::HashSet;
use tierce_fsops as fsops;
use tierce_oci::ChainId;
use tierce_snapshot::{CacheId, tree};

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
            let path = self.records.layer(&layer.chain_id);
            let aside = format!(
                "{}-{}{REMOVING}",
                layer.chain_id.hex(),
                &CacheId::random()?.as_str()[..16]
            );
            let aside = self.records.sha256().join(aside);
            fsops::rename(&path, &aside)?;
            layers.remove(&layer.chain_id);
            leaving.push((layer, aside));
        }
        drop(layers);
        // Files must not go before the names have: else a power loss leaves a layer without them.
        fsops::sync_dir(&self.records.sha256())?;
        let mut removed = Vec::new();
        for (layer, aside) in leaving {
            self.driver.remove(&layer.cache_id)?;
            tree::remove(&aside)?;
            removed.push(Removed { layer });
        }
        Ok(removed)
    }
}
