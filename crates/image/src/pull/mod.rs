//! Pull: from a name at a registry to an image here.
//!
//! The order of requests is Docker's: manifest (of the platform, when there is an index); stop when the image is here
//! already; configuration; then those layers that are not here, all at once. A layer streams from the registry through
//! verification and decompression into its own directory; layers are registered from the bottom up as they are ready,
//! and the name is written last.
//!
//! A pull may be dropped at any await: what it began is taken back ([`under_way`]), transfers that another pull waits
//! for go on ([`transfer`]).

mod journal;
mod manifest;
mod report;
mod transfer;
mod under_way;
mod unpack;

pub(crate) use journal::Journal;
pub(crate) use transfer::Transfers;

use crate::{Error, Images, Message, Progress, Pull, Pulled};
use manifest::Chosen;
use std::sync::Arc;
use tierce_oci::{ChainId, ImageConfig, ImageId, Reference};
use tierce_registry::Repository;
use tokio::task::JoinSet;
use transfer::Blueprint;
use under_way::UnderWay;

/// Larger configurations are refused; honest ones have some kilobytes.
const LONGEST_CONFIG: u64 = 16 << 20;

impl Images {
    /// Pulls what `pull` says, telling `progress` what happens. Returns one entry for each name.
    ///
    /// # Errors
    /// With Docker's texts: [`Error::NoManifest`], [`Error::NoRepository`], [`Error::Denied`], [`Error::NoPlatform`],
    /// [`Error::Schema1`]; failures of the registry and of layers. Nothing of an image that failed stays.
    pub async fn pull(self: &Arc<Self>, pull: Pull, progress: Arc<dyn Progress>) -> Result<Vec<Pulled>, Error> {
        let repository = self.registry.repository(&pull.reference, pull.credentials.clone());
        let mut references = vec![pull.reference.clone().with_default_tag()];
        let mut shown = references[0].familiar();
        if pull.all_tags {
            let tags = repository
                .tags()
                .await
                .map_err(|error| translated(error, &pull.reference))?;
            references = tags
                .iter()
                .map(|tag| pull.reference.with_tag(tag))
                .collect::<Result<_, _>>()?;
            shown = pull.reference.familiar_name();
        }
        let mut pulled = Vec::new();
        for reference in references {
            pulled.push(self.pull_one(&pull, &reference, &repository, &progress).await?);
        }
        let newer = pulled.iter().any(|one| one.newer);
        let verdict = if newer {
            "Downloaded newer image"
        } else {
            "Image is up to date"
        };
        progress.report(Message::plain(format!("Status: {verdict} for {shown}")));
        for one in &pulled {
            self.warn_of_platform(&pull, one, progress.as_ref())?;
        }
        Ok(pulled)
    }

    fn warn_of_platform(&self, pull: &Pull, pulled: &Pulled, progress: &dyn Progress) -> Result<(), Error> {
        let Some(wanted) = &pull.platform else { return Ok(()) };
        let have = self.get(&pulled.id)?.config.platform();
        if have.distance(wanted).is_none() {
            progress.report(Message::plain(format!(
                "WARNING: image with reference {} was found but its platform ({have}) does not match the specified \
                 platform ({wanted})",
                pulled.name
            )));
        }
        Ok(())
    }

    async fn pull_one(
        self: &Arc<Self>,
        pull: &Pull,
        reference: &Reference,
        repository: &Repository,
        progress: &Arc<dyn Progress>,
    ) -> Result<Pulled, Error> {
        let shown = reference.familiar();
        let asked = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or(tierce_oci::DEFAULT_TAG).to_owned(),
        };
        let fetched = repository
            .manifest(&asked)
            .await
            .map_err(|error| translated(error, reference))?;
        let label = if reference.digest().is_some() {
            shown.clone()
        } else {
            asked
        };
        progress.report(Message::of(label, format!("Pulling from {}", reference.path())));
        let digest = fetched.digest.clone();
        let wanted = pull.platform.as_ref().unwrap_or(&self.config.platform);
        let chosen = manifest::choose(repository, fetched, wanted, reference).await?;

        let mut under_way = UnderWay::begin(self.clone())?;
        let id = ImageId(chosen.manifest.config.digest.clone());
        let new = if self.records.get(&id).is_some() {
            None
        } else {
            let raw = repository.read_blob(&chosen.manifest.config, LONGEST_CONFIG).await?;
            let config = manifest::check_config(&chosen, &raw)?;
            self.pull_layers(&mut under_way, repository, &chosen, &config, progress)
                .await?;
            Some((raw, config))
        };
        progress.report(Message::plain(format!("Digest: {digest}")));

        let by_digest = reference.with_digest(digest.clone());
        let mut names = vec![(by_digest, id.clone())];
        if reference.digest().is_none() {
            names.push((reference.clone(), id.clone()));
        }
        let named = names.last().map(|(reference, _)| reference.clone());
        let images = self.clone();
        let newer = blocking("record an image", move || {
            let change = images.change();
            if let Some((raw, config)) = &new {
                images.records.insert(raw, config)?;
            }
            // A removal may have come between the look at the records and now.
            images.get(&names[0].1)?;
            let newer = named.and_then(|named| images.names.get(&named)).as_ref() != Some(&names[0].1);
            images.names.set(&names)?;
            drop(change);
            under_way.finish()?;
            Ok(newer)
        })
        .await?;
        Ok(Pulled {
            name: shown,
            id,
            digest,
            newer,
        })
    }

    /// Gets the layers that are not here.
    async fn pull_layers(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        repository: &Repository,
        chosen: &Chosen,
        config: &ImageConfig,
        progress: &Arc<dyn Progress>,
    ) -> Result<(), Error> {
        let chains = ChainId::stack(&config.rootfs.diff_ids);
        let missing = under_way.hold(&chains)?;
        let short = |index: usize| chosen.manifest.layers[index].digest.short().to_owned();
        for index in 0..chains.len() {
            let status = if index < missing {
                "Already exists"
            } else {
                "Pulling fs layer"
            };
            progress.report(Message::milestone(short(index), status));
        }
        let mut reporters = JoinSet::new();
        let mut below = None;
        for index in missing..chains.len() {
            let watch = self.transfers.join(self, below.clone(), || Blueprint {
                stack: chains[..=index].to_vec(),
                diff_id: config.rootfs.diff_ids[index].clone(),
                blob: chosen.manifest.layers[index].clone(),
                repository: repository.clone(),
            });
            below = Some(watch.clone());
            reporters.spawn(report::follow(watch, short(index), progress.clone()));
        }
        drop(below);
        // The first failure drops the others, and with them the transfers that nobody else waits for.
        while let Some(ended) = reporters.join_next().await {
            ended.map_err(|error| Error::Task {
                task: "the transfer of a layer",
                cause: error.to_string(),
            })??;
        }
        Ok(())
    }
}

/// Docker's text and kind for what a registry says about a reference.
fn translated(error: tierce_registry::Error, reference: &Reference) -> Error {
    let code = error.refusal().map(|refusal| refusal.code.clone()).unwrap_or_default();
    match code.as_str() {
        "MANIFEST_UNKNOWN" => Error::NoManifest {
            reference: reference.familiar(),
            source: error,
        },
        "NAME_UNKNOWN" => Error::NoRepository {
            name: reference.familiar_name(),
            source: error,
        },
        "DENIED" => Error::Denied {
            name: reference.familiar_name(),
            source: error,
        },
        _ => error.into(),
    }
}

/// Runs what waits for the disk on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    task: &'static str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Task {
        task,
        cause: error.to_string(),
    })?
}

#[cfg(test)]
mod tests;
