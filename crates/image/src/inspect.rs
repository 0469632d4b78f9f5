//! All that is known of one image.

use crate::list::split;
use crate::{Details, Error, Images};

impl Images {
    /// The details of the image that `name` means.
    ///
    /// # Errors
    /// As [`Self::resolve`]; layer errors.
    pub fn inspect(&self, name: &str) -> Result<Details, Error> {
        let image = self.find(name)?;
        let (repo_tags, repo_digests) = split(&self.names.of(&image.id));
        let driver_data = match image.chain_id() {
            Some(chain) => self.layers.driver_data(&chain)?,
            None => std::collections::BTreeMap::new(),
        };
        Ok(Details {
            repo_tags,
            repo_digests,
            size: crate::list::size(self, &image),
            driver: self.layers.driver().to_owned(),
            driver_data,
            image: (*image).clone(),
        })
    }
}
