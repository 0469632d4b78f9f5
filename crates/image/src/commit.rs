//! Commit: an image from what a container has changed.
//!
//! Source: moby `daemon/images/image_commit.go`, `image/image.go` (`NewChildImage`).

use crate::import::record_made;
use crate::made::{HistoryEntry, Made};
use crate::{Error, Images};
use std::sync::Arc;
use tierce_oci::container::Config;
use tierce_oci::{Digest, ImageId, Platform, Reference};

/// Digest of an archive without entries: two empty blocks. A container that changed nothing makes no layer.
const EMPTY_ARCHIVE: [u8; 1024] = [0; 1024];

/// What to make an image of besides the container's files.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Full id of the container.
    pub container: String,
    /// How the container was made.
    pub container_config: Config,
    /// How containers of the new image run.
    pub config: Config,
    /// The container's image, where it is known.
    pub parent: Option<ImageId>,
    /// What the container runs on; counts where the image does not tell.
    pub platform: Platform,
    /// Who did it.
    pub author: String,
    /// Message.
    pub comment: String,
    /// Name for the image; none leaves it nameless.
    pub name: Option<Reference>,
}

impl Images {
    /// Makes an image of a container's image and changes. The container must not write meanwhile.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the parent has gone; [`Error::BadTag`]; layer and file errors. Nothing stays then.
    pub fn commit(self: &Arc<Self>, commit: &Commit) -> Result<ImageId, Error> {
        if let Some(name) = &commit.name {
            crate::tag::check_target(name)?;
        }
        let parent = commit.parent.as_ref().map(|parent| self.get(parent)).transpose()?;
        let (ingest, applied) = self.layers.unpack_changes(&commit.container)?;
        let empty = applied.diff_id.0 == Digest::sha256_of(&EMPTY_ARCHIVE);

        let created = jiff::Timestamp::now().to_string();
        let platform = match &parent {
            Some(parent) => parent.config.platform(),
            None => commit.platform.clone(),
        };
        let command = commit.container_config.cmd.as_ref().map(|words| words.join(" "));
        let mut made = Made::new(&platform, &commit.config, &created);
        made.author = &commit.author;
        made.container = &commit.container;
        made.container_config = Some(&commit.container_config);
        if let Some(parent) = &parent {
            made.history = parent.config.history.iter().map(HistoryEntry::from).collect();
            made.rootfs.diff_ids = parent.config.rootfs.diff_ids.iter().collect();
            made.os_features = parent.config.extra.get("os.features");
            made.os_version = parent.config.extra.get("os.version");
        }
        made.history.push(HistoryEntry {
            created: Some(&created),
            author: &commit.author,
            created_by: command.as_deref().unwrap_or_default(),
            comment: &commit.comment,
            empty_layer: empty,
        });
        if !empty {
            made.rootfs.diff_ids.push(&applied.diff_id);
        }
        let raw = made.to_json()?;
        let id = record_made(
            self,
            &raw,
            (!empty).then_some(ingest),
            commit.parent.as_ref(),
            commit.name.as_ref(),
        )?;
        self.records.set_built_locally(&id)?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Stage;
    use std::sync::Arc;
    use tierce_oci::container::StrSlice;
    use tierce_testkit::layout::{Compression, Layer};

    fn commit_of(container: &str, parent: Option<&ImageId>) -> Commit {
        Commit {
            container: container.to_owned(),
            container_config: Config {
                cmd: Some(StrSlice(vec!["sh".to_owned(), "-c".to_owned(), "make it".to_owned()])),
                ..Config::default()
            },
            config: Config::default(),
            parent: parent.cloned(),
            platform: Platform::host(),
            author: "A. U. Thor".to_owned(),
            comment: "a message".to_owned(),
            name: Some(Reference::parse("made:one").unwrap()),
        }
    }

    /// A container of an image that wrote a file.
    fn container(stage: &Stage, id: &ImageId, content: Option<&[u8]>) {
        let chain = stage.images.get(id).unwrap().chain_id();
        let layer = stage
            .layers
            .create_rw("c", chain.as_ref(), None, &mut tierce_layer::docker_init_layer)
            .unwrap();
        if let Some(content) = content {
            let root = stage
                .layers
                .driver()
                .layout(&layer.mount_id)
                .unwrap()
                .upper()
                .to_owned();
            std::fs::write(root.join("new"), content).unwrap();
        }
    }

    #[test]
    fn row_066_a_commit_is_the_images_layers_and_one_whose_archive_is_the_diff() {
        let stage = Stage::new();
        let layers = [Layer::of(&[("etc/a", b"a")], Compression::Gzip)];
        let parent = stage.image(&layers, "base:one");
        container(&stage, &parent, Some(b"written"));
        let mut diff = Vec::new();
        stage.layers.rw("c").unwrap().pack(&mut diff).unwrap();
        let id = stage.images.commit(&commit_of("c", Some(&parent))).unwrap();
        let (before, after) = (
            stage.images.get(&parent).unwrap(),
            stage.images.find("made:one").unwrap(),
        );
        assert_eq!(after.id, id);
        let diff_ids = &after.config.rootfs.diff_ids;
        assert_eq!(diff_ids.len(), 2);
        assert_eq!(diff_ids[0], before.config.rootfs.diff_ids[0]);
        assert_eq!(diff_ids[1].0, Digest::sha256_of(&diff));
        let mut archive = Vec::new();
        stage
            .layers
            .tar_stream(&after.chain_id().unwrap(), &mut archive)
            .unwrap();
        assert!(archive == diff);
        assert_eq!(after.parent, Some(parent.clone()));
        let step = after.config.history.last().unwrap();
        assert_eq!(
            (&*step.created_by, &*step.comment, &*step.author),
            ("sh -c make it", "a message", "A. U. Thor")
        );
        assert_eq!(after.config.history.len(), before.config.history.len() + 1);
        // Row 5: nothing made here has a digest.
        assert!(stage.images.inspect("made:one").unwrap().repo_digests.is_empty());
        // Members are sorted as Docker sorts them, and the file is found again.
        let text = std::str::from_utf8(&after.raw).unwrap();
        let members = [
            "architecture",
            "author",
            "config",
            "container",
            "container_config",
            "created",
            "history",
            "os",
        ];
        let places: Vec<_> = members
            .iter()
            .map(|name| text.find(&format!("\"{name}\":")).unwrap())
            .collect();
        assert!(places.is_sorted(), "{text}");
        assert!(stage.leases.held(tierce_store::ResourceKind::Layer).is_empty());
        let stage = stage.reopen();
        assert_eq!(stage.images.get(&id).unwrap().parent, Some(parent));
    }

    #[test]
    fn a_container_that_changed_nothing_makes_no_layer() {
        let stage = Stage::new();
        let parent = stage.image(&[Layer::of(&[("etc/a", b"a")], Compression::Gzip)], "base:one");
        container(&stage, &parent, None);
        let id = stage.images.commit(&commit_of("c", Some(&parent))).unwrap();
        let made = stage.images.get(&id).unwrap();
        assert_eq!(made.config.rootfs.diff_ids.len(), 1);
        assert!(made.config.history.last().unwrap().empty_layer);
        assert_eq!(stage.images.history("made:one").unwrap()[0].size, 0);
    }

    #[test]
    fn a_commit_that_cannot_be_leaves_nothing() {
        let stage = Stage::new();
        let parent = stage.image(&[Layer::of(&[("etc/a", b"a")], Compression::Gzip)], "base:one");
        container(&stage, &parent, Some(b"x"));
        let gone = ImageId(Digest::sha256_of(b"gone"));
        let count = || crate::testing::entries(&stage.root.path().join("vfs/dir")).len();
        let before = count();
        assert!(stage.images.commit(&commit_of("c", Some(&gone))).is_err());
        assert!(stage.images.commit(&commit_of("absent", Some(&parent))).is_err());
        let refused = Commit {
            name: Some(Reference::parse("sha256:one").unwrap()),
            ..commit_of("c", Some(&parent))
        };
        assert!(stage.images.commit(&refused).is_err());
        assert_eq!((count(), stage.images.list().len()), (before, 1));
        assert_eq!(Arc::strong_count(&stage.layers), 2);
    }
}
