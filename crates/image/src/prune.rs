//! Removing what nobody uses.
//!
//! Source: moby `daemon/images/image_prune.go`.

use crate::list::labels;
use crate::remove::remove_in_change;
use crate::{Error, Image, Images, Prune, Pruned, Removal};
use tierce_fault::{Fault, Kind};
use tierce_oci::Reference;

impl Images {
    /// Removes images without a tag, or with [`Prune::all`] all images, that no container uses; of those that are used, all
    /// names but the last.
    ///
    /// # Errors
    /// File and layer errors; images that are in use are passed over.
    pub fn prune(&self, prune: &Prune) -> Result<Pruned, Error> {
        let _change = self.change();
        let mut pruned = Pruned::default();
        for image in self.records.all() {
            for name in prunable_names(self, &image, prune) {
                match remove_in_change(self, &name, Removal::default()) {
                    Ok((removed, reclaimed)) => {
                        pruned.removed.extend(removed);
                        pruned.reclaimed += reclaimed;
                    }
                    // In use, or gone with a child that was pruned before.
                    Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {
                        tracing::debug!(%name, %error, "not pruned");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(pruned)
    }
}

/// What to remove of an image: its names, its id when it has none, or nothing.
fn prunable_names(images: &Images, image: &Image, prune: &Prune) -> Vec<String> {
    let references = images.names.of(&image.id);
    let tagged = references.iter().any(|reference| reference.digest().is_none());
    if (tagged && !prune.all) || !prune.matches(image) {
        return Vec::new();
    }
    if references.is_empty() {
        // A nameless image with children goes with the last of them.
        let has_children = !images.records.children(&image.id).is_empty();
        return if has_children {
            Vec::new()
        } else {
            vec![image.id.to_string()]
        };
    }
    references.iter().map(Reference::familiar).collect()
}

impl Prune {
    fn matches(&self, image: &Image) -> bool {
        let labels = labels(image);
        let has = |(key, value): &(String, Option<String>)| {
            labels
                .get(key)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        self.until.is_none_or(|until| image.created_unix() < until)
            && self.labels.iter().all(has)
            && !self.without_labels.iter().any(has)
    }
}
