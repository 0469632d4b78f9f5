//! Push: an image here to a registry.
//!
//! Layers go up at once, some at a time, the topmost begun first as Docker does; then the configuration, then the
//! manifest. Of each layer, in this order: is it there under a digest that is known of it; can it be mounted from
//! another repository of the registry; else it is made anew from its files and sent while it is compressed ([`layer`],
//! [`stream`]). Nothing of it is written to disk. The manifest is made as dockerd makes it, unless the registry has the one
//! that the image came with and all its blobs ([`original`]).
//!
//! Source: moby `distribution/push_v2.go`.

mod candidates;
mod layer;
mod manifest;
mod original;
mod stream;

use crate::hold::Hold;
use crate::pull::blocking;
use crate::{Credentials, Error, Image, Images, Message, Progress, Published, Push};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use tierce_oci::{ChainId, DiffId, ImageId, Reference};
use tierce_registry::Destination;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

impl Images {
    /// Pushes the tag of `push`, or all tags of its repository. Returns one entry for each tag.
    ///
    /// # Errors
    /// With Docker's texts: [`Error::NothingToPush`], [`Error::NoTag`], [`Error::NoTags`], [`Error::PushByDigest`];
    /// failures of the registry and of layers. What was pushed before a failure stays there.
    pub async fn push(self: &Arc<Self>, push: Push, progress: Arc<dyn Progress>) -> Result<Vec<Published>, Error> {
        let name = push.reference.name();
        progress.report(Message::plain(format!("The push refers to repository [{name}]")));
        let tags = tags_to_push(self, &push.reference)?;
        if let Some(platform) = &push.platform {
            for (reference, id) in &tags {
                self.get(id)?.check_platform(&reference.familiar(), platform)?;
            }
        }
        let reach = self.reach.terms();
        let pusher = Pusher {
            images: self.clone(),
            repository: reach
                .registry
                .repository_to_push(&push.reference, push.credentials.clone()),
            name,
            key: push.credentials.clone().unwrap_or_default().fingerprint(),
            credentials: push.credentials,
            permits: Arc::new(Semaphore::new(reach.uploads)),
            progress,
        };
        let mut pushed = Vec::new();
        for (reference, id) in tags {
            pushed.push(pusher.push(&reference, &id).await?);
        }
        Ok(pushed)
    }
}

/// The tags that `reference` means: itself, or all of its repository.
fn tags_to_push(images: &Images, reference: &Reference) -> Result<Vec<(Reference, ImageId)>, Error> {
    let mut known = images.names.all();
    known.retain(|(known, _)| known.name() == reference.name());
    if known.is_empty() {
        return Err(Error::NothingToPush(reference.familiar_name()));
    }
    if reference.tag().is_some() {
        let id = images.names.get(reference).filter(|_| reference.digest().is_none());
        let id = id.ok_or_else(|| Error::NoTag(reference.familiar()))?;
        return Ok(vec![(reference.clone(), id)]);
    }
    if reference.digest().is_some() {
        return Err(Error::PushByDigest);
    }
    known.retain(|(known, _)| known.digest().is_none());
    if known.is_empty() {
        return Err(Error::NoTags(reference.familiar_name()));
    }
    Ok(known)
}

/// One push of one or more tags of a repository.
#[derive(Clone)]
struct Pusher {
    images: Arc<Images>,
    repository: Destination,
    /// Full name of the repository.
    name: String,
    credentials: Option<Credentials>,
    /// Fingerprint of the credentials, see [`crate::distribution`].
    key: String,
    permits: Arc<Semaphore>,
    progress: Arc<dyn Progress>,
}

impl Pusher {
    async fn push(&self, reference: &Reference, id: &ImageId) -> Result<Published, Error> {
        let image = self.images.get(id)?;
        let hold = Hold::of(&self.images, "push", std::slice::from_ref(&image))?;
        let layers = self.push_layers(&image).await?;
        let raw = Bytes::from(image.raw.to_vec());
        let config = match self.repository.find_blob(&image.id.0).await? {
            Some(there) => there,
            None => self.repository.put_blob(raw).await?,
        };
        let made = original::Document {
            media_type: tierce_oci::media_type::DOCKER_MANIFEST,
            bytes: Bytes::from(manifest::document(&config, &image, &layers)?),
        };
        let manifest = self.original_or(made, &image, reference, &layers).await;
        let tag = reference.tag().unwrap_or(tierce_oci::DEFAULT_TAG);
        let digest = self
            .repository
            .put_manifest(tag, manifest.media_type, manifest.bytes.clone())
            .await?;
        let published = Published {
            tag: tag.to_owned(),
            digest: digest.clone(),
            size: manifest.bytes.len() as u64,
        };
        let (images, by_digest, id) = (self.images.clone(), reference.with_digest(digest), id.clone());
        blocking("note the digest of an image", move || {
            let _change = images.change();
            // Removed meanwhile, it gets no name again.
            if images.get(&id).is_ok() {
                images.names.set(&[(by_digest, id)])?;
            }
            drop(hold);
            Ok(())
        })
        .await?;
        self.progress.report(Message::plain(format!(
            "{tag}: digest: {} size: {}",
            published.digest, published.size
        )));
        self.progress.report(Message::published(published.clone()));
        Ok(published)
    }

    /// Sees to it that the registry has every layer. Gives what it has by diff id.
    async fn push_layers(&self, image: &Arc<Image>) -> Result<HashMap<DiffId, layer::There>, Error> {
        let diff_ids = &image.config.rootfs.diff_ids;
        let chains = ChainId::stack(diff_ids);
        // The same archive may be in an image twice; it goes up once.
        let mut wanted: Vec<layer::Layer> = Vec::new();
        for (diff_id, chain) in diff_ids.iter().zip(&chains).rev() {
            if wanted.iter().all(|layer| layer.diff_id != *diff_id) {
                wanted.push(layer::Layer {
                    diff_id: diff_id.clone(),
                    chain: chain.clone(),
                });
            }
        }
        for layer in &wanted {
            self.progress.report(Message::milestone(layer.short(), "Preparing"));
        }
        let mut uploads = JoinSet::new();
        for layer in wanted {
            let pusher = self.clone();
            uploads.spawn(async move {
                let there = pusher.push_layer(&layer).await?;
                Ok::<_, Error>((layer.diff_id, there))
            });
        }
        let mut there = HashMap::new();
        // The first failure drops the others.
        while let Some(ended) = uploads.join_next().await {
            let (diff_id, blob) = ended.map_err(|error| Error::Task {
                task: "the upload of a layer",
                cause: error.to_string(),
            })??;
            there.insert(diff_id, blob);
        }
        Ok(there)
    }
}

#[cfg(test)]
mod tests;
