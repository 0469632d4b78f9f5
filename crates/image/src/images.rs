//! The image store: its parts, and how they are opened.

use crate::Error;
use crate::distribution::Distribution;
use crate::journal::{Journal, clear_interrupted};
use crate::layers::Layers;
use crate::names::Names;
use crate::pull::Transfers;
use crate::reach::Reach;
use crate::records::Records;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tierce_content::Staging;
use tierce_oci::{ChainId, Platform};
use tierce_store::Leases;

/// Settings of the image store.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DR/image/<driver>`.
    pub metadata: PathBuf,
    /// Where transfers under way are kept, Docker's `DR/tmp`.
    pub staging: PathBuf,
    /// What a pull without `--platform` chooses.
    pub platform: Platform,
}

impl Config {
    /// The usual settings for a data root and a storage driver.
    pub fn new(data_root: &std::path::Path, driver: &str) -> Self {
        Self {
            metadata: data_root.join("image").join(driver),
            staging: data_root.join("tmp"),
            platform: Platform::host(),
        }
    }
}

/// The images of one storage driver.
///
/// All methods may be called from many threads. Those that are not `async` wait for the disk: call them where that is
/// allowed.
pub struct Images {
    pub(crate) config: Config,
    pub(crate) names: Names,
    pub(crate) records: Records,
    pub(crate) distribution: Distribution,
    pub(crate) layers: Layers,
    pub(crate) leases: Arc<Leases>,
    pub(crate) staging: Staging,
    pub(crate) journal: Journal,
    pub(crate) transfers: Transfers,
    pub(crate) reach: Arc<Reach>,
    /// Held while images, names and layers are put together or taken apart, so that no layer is removed between the
    /// moment somebody counts on it and the moment that shows.
    changing: Mutex<()>,
    sequence: AtomicU64,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Images {
    /// Opens the store. What interrupted work left behind is removed and told in the log; images whose files or layers
    /// are damaged or missing are reported there and left out.
    ///
    /// # Errors
    /// [`Error::Damaged`] when `repositories.json` cannot be read; file errors.
    pub fn open(
        config: Config,
        layers: Arc<tierce_layer::Store>,
        reach: Arc<Reach>,
        leases: Arc<Leases>,
    ) -> Result<Arc<Self>, Error> {
        tierce_fsops::create_dir_all(&config.metadata, 0o700)?;
        let images = Self {
            names: Names::open(&config.metadata.join("repositories.json"))?,
            records: Records::open(&config.metadata.join("imagedb"))?,
            distribution: Distribution::open(&config.metadata.join("distribution"))?,
            layers: Layers::new(layers),
            leases,
            staging: Staging::open(&config.staging.join("blobs"))?,
            journal: Journal::open(&config.staging.join("work"))?,
            transfers: Transfers::default(),
            reach,
            config,
            changing: Mutex::default(),
            sequence: AtomicU64::default(),
        };
        forget_lost(&images)?;
        leave_out_incomplete(&images);
        clear_interrupted(&images)?;
        images.layers.settle_soon();
        Ok(Arc::new(images))
    }

    /// Begins a change of several parts.
    pub(crate) fn change(&self) -> MutexGuard<'_, ()> {
        // The parts are each consistent at any moment; a panic between two changes leaves what a crash would.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for a piece of work, unique in this process.
    pub(crate) fn work_name(&self, kind: &str) -> String {
        format!(
            "{kind}-{}-{}",
            std::process::id(),
            self.sequence.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Removes those of `chains` (a stack, bottom first) that no image, container, or work under way needs. Returns
    /// what went, top first, with the bytes of each.
    pub(crate) fn release_layers(&self, chains: &[ChainId]) -> Result<Vec<(ChainId, u64)>, Error> {
        let _change = self.change();
        release_in_change(self, chains)
    }
}

/// [`Images::release_layers`] for who holds [`Images::change`] already.
pub(crate) fn release_in_change(images: &Images, chains: &[ChainId]) -> Result<Vec<(ChainId, u64)>, Error> {
    let used = used_layers(images);
    let candidates: HashSet<&ChainId> = chains
        .iter()
        .filter(|chain| !used.contains(chain) && images.layers.has(chain))
        .collect();
    // Before the layers go: afterwards nobody would know what to forget.
    for diff_id in images.layers.only_in(&candidates) {
        images.distribution.forget_layer(&diff_id)?;
    }
    images.layers.remove(&candidates)
}

/// Layers that an image has, or that somebody holds.
fn used_layers(images: &Images) -> HashSet<ChainId> {
    let leased = images.leases.held(tierce_store::ResourceKind::Layer);
    let leased = leased.into_iter().filter_map(|resource| resource.id.parse().ok());
    let of_images = images.records.all();
    let of_images = of_images
        .iter()
        .flat_map(|image| ChainId::stack(&image.config.rootfs.diff_ids));
    of_images.chain(leased).collect()
}

/// Removes the images whose layers a loss of power took: as if they had not been pulled.
fn forget_lost(images: &Images) -> Result<(), Error> {
    let repaired = images.layers.repaired();
    if repaired.distrusted == 0 {
        return Ok(());
    }
    let lost: HashSet<&ChainId> = repaired.lost.iter().collect();
    for image in images.records.all() {
        let stack = ChainId::stack(&image.config.rootfs.diff_ids);
        if stack.iter().any(|chain| lost.contains(chain)) {
            tracing::warn!(id = %image.id, "an image did not reach the disk before the power went; removing it");
            images.names.remove(&images.names.of(&image.id))?;
            images.records.remove(&image.id)?;
            images.release_layers(&stack)?;
        }
    }
    // Nothing else tells which layers it was about.
    let here = images.layers.by_diff_id();
    images.distribution.keep_only(|diff_id| here.contains_key(diff_id))
}

/// An image without its layers is none.
fn leave_out_incomplete(images: &Images) {
    for image in images.records.all() {
        if let Some(chain) = image.chain_id().filter(|chain| !images.layers.has(chain)) {
            tracing::error!(id = %image.id, %chain, "an image's layers are missing; it is left out");
            images.records.hide(&image.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Stage;
    use std::fs;
    use tierce_testkit::layout::{Compression, Layer};

    #[test]
    fn an_image_whose_layer_did_not_reach_the_disk_goes_with_its_names_and_no_other() {
        let layer = |name: &str| Layer::of(&[(name, b"content")], Compression::Gzip);
        let stage = Stage::new();
        let (base, lost) = (layer("base"), layer("lost"));
        let kept = stage.image(std::slice::from_ref(&base), "kept:1");
        let gone = stage.image(&[base, lost], "gone:1");
        // As after a start of the machine before anything was written back.
        let tmp = stage.metadata("layerdb/tmp");
        for mark in fs::read_dir(&tmp).unwrap() {
            let name = mark.unwrap().file_name().into_string().unwrap();
            let (_, layer) = name.strip_prefix("unsettled-").unwrap().split_once('-').unwrap();
            fs::rename(tmp.join(&name), tmp.join(format!("unsettled-earlier-{layer}"))).unwrap();
        }
        for tree in fs::read_dir(stage.root.path().join("vfs/dir")).unwrap() {
            let file = tree.unwrap().path().join("lost");
            if file.exists() {
                fs::write(file, "").unwrap();
            }
        }
        let stage = stage.reopen();
        assert!(stage.images.get(&kept).is_ok() && stage.images.get(&gone).is_err());
        let names = stage.images.names.all();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(
            fs::read_dir(stage.metadata("imagedb/content/sha256")).unwrap().count(),
            1
        );
        assert_eq!(fs::read_dir(stage.root.path().join("vfs/dir")).unwrap().count(), 1);
    }
}
