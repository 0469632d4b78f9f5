//! What is being made or removed, so that the next start finds what a crash left of it.

use crate::{Error, Images};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tierce_oci::{ChainId, ImageId};
use tierce_store::Collection;

/// What a piece of work is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The stack of its image, bottom first: layers that it may have registered, or is about to remove.
    pub(crate) layers: Vec<ChainId>,
    /// Its image, when that is to have a name in the end or else not to be here. `None` where it may stay nameless.
    pub(crate) image: Option<ImageId>,
}

/// One record for each pull, load, commit, import and removal under way.
#[derive(Debug)]
pub(crate) struct Journal(Collection<Entry>);

impl Journal {
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        Ok(Self(Collection::open(directory)?))
    }

    /// Work that has not ended. Damaged records are reported and dropped: what they were about cannot be known.
    pub(crate) fn load(&self) -> Result<Vec<(String, Entry)>, Error> {
        let loaded = self.0.load()?;
        for damaged in loaded.damaged {
            tracing::warn!(record = damaged.name, error = %damaged.error, "a record of interrupted work is damaged");
            self.0.remove(&damaged.name)?;
        }
        Ok(loaded.records)
    }

    /// Notes what work is about, durably, before it changes anything.
    pub(crate) fn begin(&self, work: &str, entry: &Entry) -> Result<(), Error> {
        Ok(self.0.put(work, entry)?)
    }

    /// Forgets a piece of work.
    pub(crate) fn end(&self, work: &str) -> Result<(), Error> {
        self.0.remove(work)?;
        Ok(())
    }

    /// An image is here to stay, nameless or not: no work under way takes it away after a crash.
    pub(crate) fn keep(&self, image: &ImageId) -> Result<(), Error> {
        for (work, mut entry) in self.load()? {
            if entry.image.as_ref() == Some(image) {
                entry.image = None;
                self.begin(&work, &entry)?;
            }
        }
        Ok(())
    }
}

/// Ends what a crash has interrupted: images that were to be named or removed and have no name go, and layers that no
/// image and no container has.
pub(crate) fn clear_interrupted(images: &Images) -> Result<(), Error> {
    for (work, entry) in images.journal.load()? {
        tracing::info!(work, "clearing up after work that was interrupted");
        if let Some(id) = entry.image.filter(|id| is_bare(images, id)) {
            tracing::info!(%id, "removing an image that was not named yet, or no more");
            images.records.remove(&id)?;
        }
        for (chain, bytes) in images.release_layers(&entry.layers)? {
            tracing::info!(%chain, bytes, "removed a layer that nothing needs");
        }
        images.journal.end(&work)?;
    }
    Ok(())
}

/// Whether an image is here that has no name, and that no other was made from.
fn is_bare(images: &Images, id: &ImageId) -> bool {
    images.records.get(id).is_some() && images.names.of(id).is_empty() && images.records.children(id).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Removal;
    use crate::testing::{Stage, entries};
    use tierce_oci::Reference;
    use tierce_testkit::layout::{Compression, Layer};

    fn stage() -> (Stage, ImageId, Entry) {
        let stage = Stage::new();
        let layers = [
            Layer::of(&[("etc/a", b"a")], Compression::Gzip),
            Layer::of(&[("etc/b", b"b")], Compression::Zstd),
        ];
        let id = stage.image(&layers, "app:one");
        let entry = Entry {
            layers: ChainId::stack(&stage.images.get(&id).unwrap().config.rootfs.diff_ids),
            image: Some(id.clone()),
        };
        (stage, id, entry)
    }

    fn untag(stage: &Stage) {
        stage
            .images
            .names
            .remove(&[Reference::parse("app:one").unwrap()])
            .unwrap();
    }

    #[tokio::test]
    async fn an_image_that_is_named_stays_and_one_that_lost_its_name_is_removed_to_the_end() {
        let (stage, id, entry) = stage();
        stage.images.journal.begin("removal-1-1", &entry).unwrap();
        let stage = stage.reopen();
        assert!(stage.images.get(&id).is_ok());
        assert!(entries(&stage.root.path().join("tmp/work")).is_empty());
        stage.images.journal.begin("removal-1-1", &entry).unwrap();
        untag(&stage);
        stage.reopen().assert_empty().await;
    }

    #[test]
    fn an_image_that_is_to_stay_nameless_does() {
        let (stage, id, entry) = stage();
        stage.images.journal.begin("pull-1-1", &entry).unwrap();
        untag(&stage);
        stage.images.journal.keep(&id).unwrap();
        let stage = stage.reopen();
        assert!(stage.images.get(&id).is_ok());
    }

    #[tokio::test]
    async fn a_removal_leaves_no_entry_whether_it_works_or_not() {
        let (stage, id, _) = stage();
        let work = || entries(&stage.root.path().join("tmp/work"));
        stage
            .images
            .tag("app:one", &Reference::parse("other:one").unwrap())
            .unwrap();
        stage.images.remove(&id.to_string(), Removal::default()).unwrap_err();
        stage.images.remove("app:one", Removal::default()).unwrap();
        assert!(work().is_empty() && stage.images.get(&id).is_ok());
        stage.images.remove("other:one", Removal::default()).unwrap();
        assert!(work().is_empty());
        stage.assert_empty().await;
    }
}
