//! The real image store, layer store and network controller behind the engine's seams ([`crate::parts`]).

use crate::container::requests::Difference;
use crate::parts::{DiskUse, ImageFacts, ImageSource, RootMount, Rootfs, Sandboxes};
use std::collections::BTreeMap;
use std::sync::Arc;
use tierce_fault::BoxFault;
use tierce_network::{Alive, Connect, Join, Network, Sandbox};
use tierce_oci::ChainId;
use tierce_snapshot::Layout;

/// The image store.
pub(crate) struct ImageStore(pub(crate) Arc<tierce_image::Images>);

impl ImageSource for ImageStore {
    fn resolve(&self, name: &str) -> Result<ImageFacts, BoxFault> {
        let image = self.0.find(name)?;
        Ok(ImageFacts {
            id: image.id.to_string(),
            chain: image.chain_id(),
            config: image.config.config.clone().unwrap_or_default(),
            os: image.config.os.clone(),
            architecture: image.config.architecture.clone(),
            variant: image.config.variant.clone(),
        })
    }

    fn descendants(&self, name: &str) -> Vec<String> {
        let Ok(base) = self.0.find(name) else { return Vec::new() };
        let below = &base.config.rootfs.diff_ids;
        let mut found = vec![base.id.to_string()];
        if below.is_empty() {
            return found;
        }
        for summary in self.0.list() {
            let descends = self
                .0
                .get(&summary.id)
                .is_ok_and(|image| image.config.rootfs.diff_ids.starts_with(below));
            if descends && summary.id != base.id {
                found.push(summary.id.to_string());
            }
        }
        found
    }
}

/// The layer store.
pub(crate) struct LayerStore(pub(crate) Arc<tierce_layer::Store>);

impl Rootfs for LayerStore {
    fn driver(&self) -> String {
        self.0.driver().name().to_owned()
    }

    fn status(&self) -> Vec<(String, String)> {
        self.0.driver().status()
    }

    fn create(
        &self,
        container: &str,
        parent: Option<&ChainId>,
        options: &BTreeMap<String, String>,
    ) -> Result<(), BoxFault> {
        let size = tierce_snapshot::container_size(options)?;
        self.0
            .create_rw(container, parent, size, &mut tierce_layer::docker_init_layer)?;
        Ok(())
    }

    fn mount(&self, container: &str) -> Result<RootMount, BoxFault> {
        let mounts = self.0.rw(container)?.mounts()?;
        let target = mounts.first().map(|mount| mount.target.clone()).unwrap_or_default();
        let mounts = mounts
            .into_iter()
            .map(|mount| tierce_task::Mount {
                kind: mount.kind,
                source: mount.source,
                // The shim mounts each at the root itself.
                target: String::new(),
                options: mount.options,
            })
            .collect();
        Ok(RootMount { target, mounts })
    }

    fn layout(&self, container: &str) -> Result<Layout, BoxFault> {
        Ok(self.0.driver().layout(&self.0.rw(container)?.mount_id)?)
    }

    fn image(&self, chain: &ChainId) -> Result<Layout, BoxFault> {
        Ok(self.0.driver().layout(&self.0.get(chain)?.cache_id)?)
    }

    fn usage(&self, container: &str) -> Result<DiskUse, BoxFault> {
        let layer = self.0.rw(container)?;
        let image = match &layer.parent {
            Some(chain) => self.0.stack_size(chain)?,
            None => 0,
        };
        Ok(DiskUse {
            own: layer.usage()?,
            image,
        })
    }

    fn changes(&self, container: &str) -> Result<Vec<Difference>, BoxFault> {
        Ok(self.0.rw(container)?.changes()?)
    }

    fn remove(&self, container: &str) -> Result<(), BoxFault> {
        match self.0.remove_rw(container) {
            // An earlier removal was cut short when the layer was gone already.
            Ok(()) | Err(tierce_layer::Error::NoContainerLayer(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The network controller.
pub(crate) struct NetworkController(pub(crate) Arc<tierce_network::Controller>);

impl Sandboxes for NetworkController {
    fn network(&self, name: &str) -> Result<Arc<Network>, BoxFault> {
        Ok(self.0.network(name)?)
    }

    fn join(&self, wish: Join) -> Result<Arc<Sandbox>, BoxFault> {
        Ok(self.0.join(wish)?)
    }

    fn connect(&self, wish: Connect) -> Result<Arc<Sandbox>, BoxFault> {
        Ok(self.0.connect(&wish)?)
    }

    fn disconnect(&self, wish: Connect) -> Result<Arc<Sandbox>, BoxFault> {
        Ok(self.0.disconnect(&wish)?)
    }

    fn sandbox(&self, container: &str) -> Option<Arc<Sandbox>> {
        self.0.sandbox(container)
    }

    fn rename(&self, container: &str, name: &str) -> Result<(), BoxFault> {
        Ok(self.0.rename(container, name)?)
    }

    fn unlink(&self, container: &str, linked: &str) -> Result<(), BoxFault> {
        Ok(self.0.unlink(container, linked)?)
    }

    fn leave(&self, container: &str) -> Result<(), BoxFault> {
        Ok(self.0.leave(container)?)
    }

    fn restore(&self, alive: &[String]) -> Result<Vec<String>, BoxFault> {
        let alive: Vec<Alive> = alive
            .iter()
            .map(|container| Alive {
                container: container.clone(),
            })
            .collect();
        Ok(self.0.restore(&alive)?.iter().map(ToString::to_string).collect())
    }
}
