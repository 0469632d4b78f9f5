//! The manifest that an image came with: at the registry that it came from, an image keeps its digest.
//!
//! No manifest is kept here (row 17), and one made anew is in Docker's form whatever the image came in. When the registry
//! has every blob of the manifest that the image was pulled by, that very document is put again.

use super::Pusher;
use super::layer::There;
use crate::Image;
use bytes::Bytes;
use std::collections::HashMap;
use tierce_oci::{DiffId, Digest, Index, Manifest, Reference, media_type};
use tierce_registry::FetchedManifest;

/// A manifest to put.
pub(super) struct Document {
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
}

impl Pusher {
    /// The manifest of `image` to put: the one it came with where that fits what the registry has now, else `made`.
    pub(super) async fn original_or(
        &self,
        made: Document,
        image: &Image,
        target: &Reference,
        layers: &HashMap<DiffId, There>,
    ) -> Document {
        let digest = Digest::sha256_of(&made.bytes);
        let known: Vec<Reference> = self
            .images
            .names
            .all()
            .into_iter()
            .filter(|(name, id)| *id == image.id && name.domain() == target.domain())
            .map(|(name, _)| name)
            .filter(|name| name.digest().is_some())
            .collect();
        if known.iter().any(|name| name.digest() == Some(&digest)) {
            return made;
        }
        for name in known {
            match self.fetch_original(&name, image).await {
                Ok(fetched) => {
                    if let Some(original) = fetched.and_then(|fetched| fitting(fetched, image, layers)) {
                        return original;
                    }
                }
                Err(error) => tracing::debug!(%error, %name, "the manifest that an image came with cannot be had"),
            }
        }
        made
    }

    /// The manifest behind a name with a digest; of an index, that of the image's platform.
    async fn fetch_original(&self, name: &Reference, image: &Image) -> Result<Option<FetchedManifest>, crate::Error> {
        let repository = self
            .images
            .reach
            .terms()
            .registry
            .repository(name, self.credentials.clone());
        let Some(digest) = name.digest() else { return Ok(None) };
        let fetched = repository.manifest(digest.as_str()).await?;
        if !media_type::is_index(&fetched.media_type) {
            return Ok(Some(fetched));
        }
        let index = Index::from_json(&fetched.bytes)?;
        match index.choose(&image.config.platform()) {
            Some(entry) => Ok(Some(repository.manifest(entry.digest.as_str()).await?)),
            None => Ok(None),
        }
    }
}

/// A fetched manifest, if it is of this image and of the very blobs that the registry has.
fn fitting(fetched: FetchedManifest, image: &Image, layers: &HashMap<DiffId, There>) -> Option<Document> {
    let media_type = [media_type::OCI_MANIFEST, media_type::DOCKER_MANIFEST]
        .into_iter()
        .find(|known| *known == fetched.media_type)?;
    let manifest = Manifest::from_json(&fetched.bytes).ok()?;
    let diff_ids = &image.config.rootfs.diff_ids;
    let same_layers = manifest.layers.len() == diff_ids.len()
        && manifest
            .layers
            .iter()
            .zip(diff_ids)
            .all(|(layer, diff_id)| layers.get(diff_id).is_some_and(|there| there.digest == layer.digest));
    (manifest.config.digest == image.id.0 && same_layers).then_some(Document {
        media_type,
        bytes: fetched.bytes,
    })
}
