//! A hold on layers for as long as somebody reads them.

use crate::{Error, Image, Images};
use std::sync::Arc;
use tierce_oci::ChainId;
use tierce_store::{Lease, Resource};

/// Keeps the layers of images from being removed. Ends when dropped.
pub(crate) struct Hold {
    images: Arc<Images>,
    name: String,
}

impl Hold {
    /// Holds the layers of images that are here.
    ///
    /// # Errors
    /// [`Error::NotFound`] when one of them has just gone.
    pub(crate) fn of(images: &Arc<Images>, kind: &str, held: &[Arc<Image>]) -> Result<Self, Error> {
        let hold = Self {
            images: images.clone(),
            name: images.work_name(kind),
        };
        let _change = images.change();
        for image in held {
            images.get(&image.id)?;
            for chain in ChainId::stack(&image.config.rootfs.diff_ids) {
                images
                    .leases
                    .hold(Resource::layer(chain.to_string()), Lease::new(&hold.name));
            }
        }
        Ok(hold)
    }

    /// Holds a stack as well, which may be about to come.
    pub(crate) fn add(&self, chain: &ChainId) {
        self.images
            .leases
            .hold(Resource::layer(chain.to_string()), Lease::new(&self.name));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.images.leases.release_all(&self.name);
    }
}
