//! The hold of work that makes an image on its layers, taken back when the work ends in whatever way.

use crate::journal::Entry;
use crate::{Error, Images};
use std::sync::Arc;
use tierce_oci::{ChainId, ImageId};
use tierce_store::{Lease, Resource};

/// A pull, load, commit or import under way. Dropped without [`Self::finish`] (an error, or nobody waits any more), it
/// removes the layers that were registered for it and nobody else needs.
pub(crate) struct UnderWay {
    images: Arc<Images>,
    name: String,
    chains: Vec<ChainId>,
    ended: bool,
}

impl UnderWay {
    /// Begins work of a kind (`pull`, `load`, …) that changes nothing yet.
    pub(crate) fn begin(images: Arc<Images>, kind: &str) -> Self {
        let name = images.work_name(kind);
        Self {
            images,
            name,
            chains: Vec::new(),
            ended: false,
        }
    }

    /// Holds the layers of a stack, present or to come. Gives back the work, and the index of the first layer that is
    /// not there.
    ///
    /// - `image`: the image that will be recorded, when it will be named too. If a crash comes between, it goes.
    pub(crate) fn hold(mut self, chains: &[ChainId], image: Option<&ImageId>) -> Result<(Self, usize), Error> {
        let images = self.images.clone();
        let _change = images.change();
        let missing = chains.iter().take_while(|chain| images.layers.has(chain)).count();
        let image = image.filter(|id| images.records.get(id).is_none());
        if missing < chains.len() || image.is_some() {
            let entry = Entry {
                layers: chains.to_vec(),
                image: image.cloned(),
            };
            images.journal.begin(&self.name, &entry)?;
        }
        for chain in chains {
            images
                .leases
                .hold(Resource::layer(chain.to_string()), Lease::new(&self.name));
        }
        self.chains = chains.to_vec();
        Ok((self, missing))
    }

    /// The image is recorded and named; its layers need no hold any more.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.ended = true;
        self.images.leases.release_all(&self.name);
        self.images.layers.settle_soon();
        self.images.journal.end(&self.name)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.ended || self.chains.is_empty() {
            return;
        }
        self.images.leases.release_all(&self.name);
        let (images, name, chains) = (
            self.images.clone(),
            std::mem::take(&mut self.name),
            std::mem::take(&mut self.chains),
        );
        let take_back = move || {
            // Transfers that still end take back their own layers, see `transfer`.
            if let Err(error) = images.release_layers(&chains).and_then(|_| images.journal.end(&name)) {
                tracing::warn!(work = name, %error, "the layers of failed work cannot be removed; the next start will");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(take_back)),
            Err(_) => take_back(),
        }
    }
}
