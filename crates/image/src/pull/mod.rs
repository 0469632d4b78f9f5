//! Pull: from a name at a registry to an image here.
//!
//! The order of requests is Docker's: manifest (of the platform, when there is an index); stop when the image is here
//! already; configuration; then those layers that are not here, all at once. A layer streams from the registry through
//! verification and decompression into its own directory; layers are registered from the bottom up as they are ready,
//! and the name is written last.
//!
//! A pull may be dropped at any await: what it began is taken back ([`crate::under_way`]), transfers that another pull waits
//! for go on ([`transfer`]).

mod manifest;
mod report;
mod transfer;
mod unpack;

use crate::under_way::UnderWay;
use crate::{Error, Images, Message, Progress, Pull, Pulled};
use bytes::Bytes;
use manifest::Chosen;
use std::sync::Arc;
use tierce_oci::{ChainId, ImageConfig, ImageId, Platform, Reference};
use tierce_registry::Repository;
use tokio::task::JoinSet;
use transfer::Blueprint;
pub(crate) use transfer::Transfers;

/// Larger configurations are refused; honest ones have some kilobytes.
const LONGEST_CONFIG: u64 = 16 << 20;

impl Images {
    /// Pulls what `pull` says, telling `progress` what happens. Returns one entry for each name.
    ///
    /// # Errors
    /// With Docker's texts: [`Error::NoManifest`], [`Error::NoRepository`], [`Error::Denied`], [`Error::NoPlatform`],
    /// [`Error::Schema1`]; failures of the registry and of layers. Nothing of an image that failed stays.
    pub async fn pull(self: &Arc<Self>, pull: Pull, progress: Arc<dyn Progress>) -> Result<Vec<Pulled>, Error> {
        let repository = self
            .reach
            .terms()
            .registry
            .repository(&pull.reference, pull.credentials.clone());
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
        let puller = Puller {
            images: self,
            repository: &repository,
            platform: pull.platform.as_ref(),
            progress,
        };
        let mut pulled = Vec::new();
        for reference in references {
            pulled.push(puller.pull(&reference).await?);
        }
        let newer = pulled.iter().any(|one| one.newer);
        let verdict = if newer {
            "Downloaded newer image"
        } else {
            "Image is up to date"
        };
        puller
            .progress
            .report(Message::plain(format!("Status: {verdict} for {shown}")));
        pulled.iter().try_for_each(|one| puller.warn_of_platform(one))?;
        Ok(pulled)
    }
}

/// One pull of one or more references of a repository.
struct Puller<'a> {
    images: &'a Arc<Images>,
    repository: &'a Repository,
    /// The platform asked for; the host's when absent.
    platform: Option<&'a Platform>,
    progress: Arc<dyn Progress>,
}

/// A configuration that is to be recorded: its bytes, and what they say.
type NewConfig = (Bytes, ImageConfig);

impl Puller<'_> {
    async fn pull(&self, reference: &Reference) -> Result<Pulled, Error> {
        let shown = reference.familiar();
        let asked = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or(tierce_oci::DEFAULT_TAG).to_owned(),
        };
        let fetched = self
            .repository
            .manifest(&asked)
            .await
            .map_err(|error| translated(error, reference))?;
        let label = if reference.digest().is_some() {
            shown.clone()
        } else {
            asked
        };
        self.progress
            .report(Message::of(label, format!("Pulling from {}", reference.path())));
        let digest = fetched.digest.clone();
        let wanted = self.platform.unwrap_or(&self.images.config.platform);
        let chosen = manifest::choose(self.repository, fetched, wanted, reference).await?;

        let mut under_way = UnderWay::begin(self.images.clone(), "pull");
        let id = ImageId(chosen.manifest.config.digest.clone());
        let new = if self.images.records.get(&id).is_some() {
            None
        } else {
            let raw = self
                .repository
                .read_blob(&chosen.manifest.config, LONGEST_CONFIG, "image config")
                .await
                .map_err(Error::Config)?;
            let config = manifest::check_config(&chosen, &raw)?;
            under_way = self.pull_layers(under_way, &chosen, &config).await?;
            Some((raw, config))
        };
        self.progress.report(Message::plain(format!("Digest: {digest}")));

        let (images, named, by_digest) = (
            self.images.clone(),
            reference.clone(),
            reference.with_digest(digest.clone()),
        );
        let recorded = id.clone();
        let newer = blocking("record an image", move || {
            let newer = record(&images, &recorded, new.as_ref(), &named, by_digest)?;
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
    async fn pull_layers(&self, under_way: UnderWay, chosen: &Chosen, config: &ImageConfig) -> Result<UnderWay, Error> {
        let chains = ChainId::stack(&config.rootfs.diff_ids);
        let (held, id) = (chains.clone(), ImageId(chosen.manifest.config.digest.clone()));
        let (under_way, missing) = blocking("hold layers", move || under_way.hold(&held, Some(&id))).await?;
        let short = |index: usize| chosen.manifest.layers[index].digest.short().to_owned();
        for index in 0..chains.len() {
            let status = if index < missing {
                "Already exists"
            } else {
                "Pulling fs layer"
            };
            self.progress.report(Message::milestone(short(index), status));
        }
        let mut reporters = JoinSet::new();
        let mut below = None;
        for index in missing..chains.len() {
            let watch = self.images.transfers.join(self.images, below.clone(), || Blueprint {
                stack: chains[..=index].to_vec(),
                diff_id: config.rootfs.diff_ids[index].clone(),
                blob: chosen.manifest.layers[index].clone(),
                repository: self.repository.clone(),
                given_up: Arc::default(),
            });
            below = Some(watch.clone());
            reporters.spawn(report::follow(watch, short(index), self.progress.clone()));
        }
        drop(below);
        // The first failure drops the others, and with them the transfers that nobody else waits for.
        while let Some(ended) = reporters.join_next().await {
            ended.map_err(|error| Error::Task {
                task: "the transfer of a layer",
                cause: error.to_string(),
            })??;
        }
        Ok(under_way)
    }

    fn warn_of_platform(&self, pulled: &Pulled) -> Result<(), Error> {
        let Some(wanted) = self.platform else { return Ok(()) };
        let have = self.images.get(&pulled.id)?.config.platform();
        if have.distance(wanted).is_none() {
            self.progress.report(Message::plain(format!(
                "WARNING: image with reference {} was found but its platform ({have}) does not match the specified \
                 platform ({wanted})",
                pulled.name
            )));
        }
        Ok(())
    }
}

/// Writes down an image whose layers are here: the configuration, then the names. Returns whether `named` is new or
/// moved. Nothing of a new image stays when that fails.
fn record(
    images: &Images,
    id: &ImageId,
    new: Option<&NewConfig>,
    named: &Reference,
    by_digest: Reference,
) -> Result<bool, Error> {
    let _change = images.change();
    let is_new = images.records.get(id).is_none();
    if let Some((raw, config)) = new {
        images.records.insert(raw, config)?;
    }
    // Without a new configuration, a removal may have come between the look at the records and now.
    images.get(id)?;
    let newer = images.names.get(named).as_ref() != Some(id);
    let mut names = vec![(by_digest, id.clone())];
    if named.digest().is_none() {
        names.push((named.clone(), id.clone()));
    }
    if let Err(error) = images.names.set(&names) {
        if is_new {
            // The first error is the one to tell.
            drop(images.records.remove(id));
        }
        return Err(error);
    }
    Ok(newer)
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
