//! From what a user typed to an image.
//!
//! Source: moby `daemon/images/image.go` (`GetImage`): a full id, a name with tag or digest, then an abbreviated id.

use crate::records::Found;
use crate::{Error, Image, Images};
use std::sync::Arc;
use tierce_oci::{Digest, ImageId, Reference};

impl Images {
    /// The id of the image that `name` means: a full or abbreviated id, or a reference.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Ambiguous`] with Docker's text; [`Error::Document`] when `name` is no reference.
    pub fn resolve(&self, name: &str) -> Result<ImageId, Error> {
        self.find(name).map(|image| image.id.clone())
    }

    /// The image that `name` means.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn find(&self, name: &str) -> Result<Arc<Image>, Error> {
        if let Some(id) = full_id(name) {
            return self.records.get(&id).ok_or_else(|| Error::NotFound(id.to_string()));
        }
        let reference = Reference::parse(name)?;
        if let Some(image) = self.names.get(&reference).and_then(|id| self.records.get(&id)) {
            return Ok(image);
        }
        let shown = reference.with_default_tag().familiar();
        match self.records.search(name) {
            Found::One(id) => self.records.get(&id).ok_or(Error::NotFound(shown)),
            Found::None => Err(Error::NotFound(shown)),
            Found::Many(count) => Err(Error::Ambiguous { name: shown, count }),
        }
    }

    /// The image of a full id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, id: &ImageId) -> Result<Arc<Image>, Error> {
        self.records.get(id).ok_or_else(|| Error::NotFound(id.to_string()))
    }
}

/// `sha256:<64 hex>` or the 64 hexadecimal characters alone.
fn full_id(name: &str) -> Option<ImageId> {
    name.parse::<Digest>()
        .or_else(|_| Digest::from_sha256_hex(name))
        .ok()
        .map(ImageId)
}

/// Whether `name` is (the beginning of) the id, and not a reference.
pub(crate) fn is_id_prefix(id: &ImageId, name: &str) -> bool {
    !name.is_empty() && (id.to_string().starts_with(name) || id.hex().starts_with(name))
}
