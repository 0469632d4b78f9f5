//! One layer to the registry, by the cheapest way there is.

use super::candidates::{Effort, to_check, to_mount};
use super::stream::LayerSource;
use super::{Pusher, blocking};
use crate::distribution::Home;
use crate::{Error, Message};
use std::sync::Arc;
use tierce_oci::{ChainId, DiffId, Digest, Reference};
use tierce_registry::{Mount, Upload, Written};

/// A layer to push.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) diff_id: DiffId,
    /// A stack with it on top.
    pub(super) chain: ChainId,
}

impl Layer {
    pub(super) fn short(&self) -> String {
        self.diff_id.0.short().to_owned()
    }
}

/// A layer as the registry has it.
pub(super) type There = Written;

impl Pusher {
    /// Sees to it that the registry has the layer, and notes its home.
    pub(super) async fn push_layer(&self, layer: &Layer) -> Result<There, Error> {
        let permit = if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            permit
        } else {
            self.progress.report(Message::milestone(layer.short(), "Waiting"));
            self.permits
                .clone()
                .acquire_owned()
                .await
                .map_err(|_| Error::Cancelled)?
        };
        let there = self.bring(layer).await?;
        drop(permit);
        let home = self.home(&there.digest);
        let (images, diff_id) = (self.images.clone(), layer.diff_id.clone());
        blocking("note the home of a layer", move || {
            images.distribution.note(&diff_id, home)
        })
        .await?;
        Ok(there)
    }

    async fn bring(&self, layer: &Layer) -> Result<There, Error> {
        let effort = Effort::for_size(self.images.layers.size(&layer.chain));
        let repository = Reference::parse(&self.name)?;
        let homes = self.images.distribution.homes(&layer.diff_id);
        // One look before the mounts, as a mount begins an upload where it is declined.
        let mut checks = to_check(&homes, &repository, true).into_iter();
        if let Some(there) = self.look(layer, checks.next()).await? {
            return Ok(there);
        }
        let mine = |home: &Home| home.hmac == self.home_of(home).hmac;
        let mut session = None;
        for home in to_mount(&homes, &repository, mine).into_iter().take(effort.mounts) {
            match self.mount(layer, &home).await {
                Ok(Ok(there)) => return Ok(there),
                Ok(Err(upload)) => session = upload.or(session),
                // A failure to mount is none of the push: the layer is at hand.
                Err(error) => tracing::info!(%error, from = home.source_repository, "a layer could not be mounted"),
            }
            if mine(&home) || home.hmac.is_empty() {
                self.images.distribution.forget(&layer.diff_id, &home)?;
            }
        }
        for digest in checks.take(effort.checks - 1).filter(|_| effort.others) {
            if let Some(there) = self.look(layer, Some(digest)).await? {
                return Ok(there);
            }
        }
        self.upload(layer, session).await
    }

    /// Looks for the layer under a digest.
    async fn look(&self, layer: &Layer, digest: Option<Digest>) -> Result<Option<There>, Error> {
        let Some(digest) = digest else { return Ok(None) };
        let there = self.repository.find_blob(&digest).await?;
        if there.is_some() {
            self.progress
                .report(Message::milestone(layer.short(), "Layer already exists"));
        }
        Ok(there)
    }

    /// Asks for the layer from another repository; where that is declined, there may be an upload to use.
    async fn mount(&self, layer: &Layer, home: &Home) -> Result<Result<There, Option<Upload>>, Error> {
        let source = Reference::parse(&home.source_repository)?;
        match self.repository.mount_blob(&home.digest, source.path()).await? {
            Mount::Declined(upload) => Ok(Err(Some(upload))),
            Mount::Mounted => {
                let Some(there) = self.repository.find_blob(&home.digest).await? else {
                    return Ok(Err(None));
                };
                self.progress.report(Message::milestone(
                    layer.short(),
                    format!("Mounted from {}", source.path()),
                ));
                Ok(Ok(there))
            }
        }
    }

    async fn upload(&self, layer: &Layer, session: Option<Upload>) -> Result<There, Error> {
        let short = layer.short();
        let source = LayerSource {
            images: self.images.clone(),
            chain: layer.chain.clone(),
            short: short.clone(),
            progress: Arc::clone(&self.progress),
        };
        let written = self.repository.push_blob(&source, session).await?;
        self.progress.report(Message::milestone(short, "Pushed"));
        Ok(written)
    }

    fn home(&self, digest: &Digest) -> Home {
        Home::signed(digest, &self.name, &self.key)
    }

    fn home_of(&self, home: &Home) -> Home {
        Home::signed(&home.digest, &home.source_repository, &self.key)
    }
}
