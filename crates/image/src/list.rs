//! The lines of `images`.

use crate::{Image, Images, Summary};
use std::collections::{HashMap, HashSet};
use tierce_oci::{ChainId, ImageId, Reference};

impl Images {
    /// All images, the newest first. Filters are the caller's, who finds what they need in the [`Summary`].
    pub fn list(&self) -> Vec<Summary> {
        let images = self.records.all();
        let parents: HashSet<&ImageId> = images.iter().filter_map(|image| image.parent.as_ref()).collect();
        let mut users: HashMap<ChainId, usize> = HashMap::new();
        for image in &images {
            for chain in ChainId::stack(&image.config.rootfs.diff_ids) {
                *users.entry(chain).or_default() += 1;
            }
        }
        let mut references: HashMap<ImageId, Vec<Reference>> = HashMap::new();
        for (reference, id) in self.names.all() {
            references.entry(id).or_default().push(reference);
        }
        let mut list: Vec<Summary> = images
            .iter()
            .map(|image| {
                summary(
                    self,
                    image,
                    references.get(&image.id).map_or(&[][..], Vec::as_slice),
                    parents.contains(&image.id),
                    &users,
                )
            })
            .collect();
        list.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
        list
    }

    /// Bytes of all layers, each counted once, those that only containers or a builder need among them: `LayersSize` of
    /// `system df`, and what lies on the disk.
    pub fn layers_size(&self) -> u64 {
        self.layers.total_size()
    }
}

/// Bytes of all layers of an image.
pub(crate) fn size(images: &Images, image: &Image) -> u64 {
    ChainId::stack(&image.config.rootfs.diff_ids)
        .iter()
        .map(|chain| images.layers.size(chain))
        .sum()
}

/// One line; `has_children` = another image was made from it, `users` counts the images that have a layer.
fn summary(
    store: &Images,
    image: &Image,
    references: &[Reference],
    has_children: bool,
    users: &HashMap<ChainId, usize>,
) -> Summary {
    let (mut size, mut shared_size) = (0, 0);
    for chain in ChainId::stack(&image.config.rootfs.diff_ids) {
        let bytes = store.layers.size(&chain);
        size += bytes;
        if users.get(&chain).is_some_and(|users| *users > 1) {
            shared_size += bytes;
        }
    }
    let (repo_tags, repo_digests) = split(references);
    let nameless = repo_tags.is_empty() && repo_digests.is_empty();
    Summary {
        id: image.id.clone(),
        parent: image.parent.clone(),
        dangling: repo_tags.is_empty() && !has_children,
        intermediate: nameless && has_children,
        repo_tags,
        repo_digests,
        created: image.created_unix(),
        created_at: image.created_at(),
        size,
        shared_size,
        containers: crate::remove::users(store, &image.id).len() as u64,
        labels: labels(image),
        platform: image.config.platform(),
    }
}

/// Labels of an image's configuration.
pub(crate) fn labels(image: &Image) -> std::collections::BTreeMap<String, String> {
    image
        .config
        .config
        .as_ref()
        .and_then(|config| config.labels.clone())
        .unwrap_or_default()
}

/// Tags and digests in familiar form.
pub(crate) fn split(references: &[Reference]) -> (Vec<String>, Vec<String>) {
    let (digests, tags): (Vec<&Reference>, Vec<&Reference>) =
        references.iter().partition(|reference| reference.digest().is_some());
    let familiar = |references: Vec<&Reference>| references.into_iter().map(Reference::familiar).collect();
    (familiar(tags), familiar(digests))
}
