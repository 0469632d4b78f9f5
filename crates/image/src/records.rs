//! `imagedb`: configurations by id, and what is known of locally made images.
//!
//! Source: moby `image/fs.go`, `image/store.go`. A file whose bytes are not those of its name is reported and left out.

use crate::{Error, Image};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tierce_oci::{Digest, ImageConfig, ImageId};

/// The images by id, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Records {
    content: PathBuf,
    metadata: PathBuf,
    images: RwLock<BTreeMap<ImageId, Arc<Image>>>,
}

/// What an abbreviated id fits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    None,
    /// One image.
    One(ImageId),
    /// So many.
    Many(usize),
}

impl Records {
    /// Opens the database in `root` (`image/<driver>/imagedb`) and reads all images.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let content = root.join("content/sha256");
        let metadata = root.join("metadata/sha256");
        tierce_fsops::create_dir_all(&content, 0o700)?;
        tierce_fsops::create_dir_all(&metadata, 0o700)?;
        let records = Self {
            content,
            metadata,
            images: RwLock::default(),
        };
        records.remove_leftovers()?;
        let mut images = BTreeMap::new();
        for name in tierce_fsops::names(&records.content)? {
            let Some(id) = name
                .to_str()
                .and_then(|hex| Digest::from_sha256_hex(hex).ok())
                .map(ImageId)
            else {
                continue;
            };
            match records.read(&id) {
                Ok(image) => drop(images.insert(id, Arc::new(image))),
                Err(error) => tracing::error!(%id, %error, "an image is damaged and is left out"),
            }
        }
        *records.images.write().unwrap_or_else(PoisonError::into_inner) = images;
        Ok(records)
    }

    /// Removes what a crash has left: unfinished files, and what was known of images whose configuration is gone.
    fn remove_leftovers(&self) -> Result<(), Error> {
        tierce_fsops::remove_unfinished(&self.content)?;
        for name in tierce_fsops::names(&self.metadata)? {
            let directory = self.metadata.join(&name);
            let is_id = name.to_str().is_some_and(|hex| Digest::from_sha256_hex(hex).is_ok());
            if is_id && !tierce_fsops::exists(&self.content.join(&name)) {
                tracing::info!(path = %directory.display(), "removing what was known of an image that is gone");
                tierce_fsops::remove_dir_all(&directory)?;
            } else if is_id {
                tierce_fsops::remove_unfinished(&directory)?;
            }
        }
        Ok(())
    }

    fn read(&self, id: &ImageId) -> Result<Image, Error> {
        let path = self.content.join(id.hex());
        let raw = tierce_fsops::read(&path)?;
        let actual = Digest::sha256_of(&raw);
        if actual != id.0 {
            return Err(Error::Damaged {
                path,
                cause: format!("its digest is {actual}"),
            });
        }
        let text = |name: &str| -> Result<Option<String>, Error> {
            let bytes = tierce_fsops::read_if_exists(&self.metadata.join(id.hex()).join(name))?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
        };
        Ok(Image {
            id: id.clone(),
            config: ImageConfig::from_json(&raw)?,
            raw: raw.into(),
            parent: text("parent")?.and_then(|parent| parent.parse().ok()),
            last_updated: text("lastUpdated")?,
        })
    }

    /// The image of a full id.
    pub(crate) fn get(&self, id: &ImageId) -> Option<Arc<Image>> {
        self.images
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// All images, sorted by id.
    pub(crate) fn all(&self) -> Vec<Arc<Image>> {
        self.images
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The images that were made here from this one.
    pub(crate) fn children(&self, id: &ImageId) -> Vec<ImageId> {
        let images = self.images.read().unwrap_or_else(PoisonError::into_inner);
        images
            .values()
            .filter(|image| image.parent.as_ref() == Some(id))
            .map(|image| image.id.clone())
            .collect()
    }

    /// Looks up the first characters of an id, with or without `sha256:`.
    pub(crate) fn search(&self, prefix: &str) -> Found {
        let hex = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if hex.is_empty() || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Found::None;
        }
        let images = self.images.read().unwrap_or_else(PoisonError::into_inner);
        let mut fitting = images.keys().filter(|id| id.hex().starts_with(hex));
        match (fitting.next(), fitting.count()) {
            (None, _) => Found::None,
            (Some(id), 0) => Found::One(id.clone()),
            (Some(_), others) => Found::Many(others + 1),
        }
    }

    /// Adds an image by its configuration; one that is there already stays as it is.
    pub(crate) fn insert(&self, raw: &[u8], config: &ImageConfig) -> Result<ImageId, Error> {
        let id = ImageId(Digest::sha256_of(raw));
        if self.get(&id).is_some() {
            return Ok(id);
        }
        tierce_fsops::write_atomic(&self.content.join(id.hex()), raw, 0o600)?;
        let image = Image {
            id: id.clone(),
            raw: raw.into(),
            config: config.clone(),
            parent: None,
            last_updated: None,
        };
        self.images
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), Arc::new(image));
        Ok(id)
    }

    /// Notes that an image was named or made at `time` (RFC 3339).
    pub(crate) fn set_last_updated(&self, id: &ImageId, time: &str) -> Result<(), Error> {
        let directory = self.metadata.join(id.hex());
        tierce_fsops::create_dir_all(&directory, 0o700)?;
        tierce_fsops::write_atomic(&directory.join("lastUpdated"), time.as_bytes(), 0o600)?;
        self.change(id, |image| image.last_updated = Some(time.to_owned()));
        Ok(())
    }

    /// Notes which image an image was made from here.
    pub(crate) fn set_parent(&self, id: &ImageId, parent: &ImageId) -> Result<(), Error> {
        let directory = self.metadata.join(id.hex());
        tierce_fsops::create_dir_all(&directory, 0o700)?;
        tierce_fsops::write_atomic(&directory.join("parent"), parent.to_string().as_bytes(), 0o600)?;
        self.change(id, |image| image.parent = Some(parent.clone()));
        Ok(())
    }

    /// Notes that an image was made here from a container, as dockerd does for its builder's cache.
    pub(crate) fn set_built_locally(&self, id: &ImageId) -> Result<(), Error> {
        let directory = self.metadata.join(id.hex());
        tierce_fsops::create_dir_all(&directory, 0o700)?;
        Ok(tierce_fsops::write_atomic(
            &directory.join("builtLocally"),
            &[1],
            0o600,
        )?)
    }

    /// Removes an image; its children lose their parent.
    pub(crate) fn remove(&self, id: &ImageId) -> Result<(), Error> {
        for child in self.children(id) {
            tierce_fsops::remove_file(&self.metadata.join(child.hex()).join("parent"))?;
            self.change(&child, |image| image.parent = None);
        }
        // The configuration goes first: what is left without it is no image.
        tierce_fsops::remove_file(&self.content.join(id.hex()))?;
        tierce_fsops::sync_dir(&self.content)?;
        self.images.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(tierce_fsops::remove_dir_all(&self.metadata.join(id.hex()))?)
    }

    /// Leaves an image out of the table without touching its files.
    pub(crate) fn hide(&self, id: &ImageId) {
        self.images.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn change(&self, id: &ImageId, change: impl FnOnce(&mut Image)) {
        if let Some(image) = self.images.write().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            change(Arc::make_mut(image));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &[u8] = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;

    fn insert(records: &Records, raw: &[u8]) -> ImageId {
        records.insert(raw, &ImageConfig::from_json(raw).unwrap()).unwrap()
    }

    #[test]
    fn row_006_the_id_is_the_digest_of_the_configuration() {
        let root = tempfile::tempdir().unwrap();
        let records = Records::open(root.path()).unwrap();
        let id = insert(&records, CONFIG);
        let file = root.path().join("content/sha256").join(id.hex());
        assert_eq!(std::fs::read(&file).unwrap(), CONFIG);
        assert_eq!(Digest::sha256_of(&std::fs::read(file).unwrap()), id.0);
        let again = Records::open(root.path()).unwrap();
        assert_eq!(&*again.get(&id).unwrap().raw, CONFIG);
    }

    #[test]
    fn row_008_only_local_images_have_metadata() {
        let root = tempfile::tempdir().unwrap();
        let records = Records::open(root.path()).unwrap();
        let id = insert(&records, CONFIG);
        let metadata = root.path().join("metadata/sha256").join(id.hex());
        assert!(!metadata.exists());
        records.set_last_updated(&id, "2026-11-21T09:15:08.226290455Z").unwrap();
        assert_eq!(
            std::fs::read_to_string(metadata.join("lastUpdated")).unwrap(),
            "2026-11-21T09:15:08.226290455Z"
        );
        records.remove(&id).unwrap();
        assert!(!metadata.exists() && records.get(&id).is_none());
    }

    #[test]
    fn row_019_a_flipped_byte_on_disk_hides_the_image_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let records = Records::open(root.path()).unwrap();
        let bad = insert(&records, CONFIG);
        let good = insert(&records, &[CONFIG, b"\n"].concat());
        std::fs::write(root.path().join("content/sha256").join(bad.hex()), b"{}").unwrap();
        let again = Records::open(root.path()).unwrap();
        assert!(again.get(&bad).is_none());
        assert!(again.get(&good).is_some());
    }

    #[test]
    fn abbreviated_ids_are_found_or_ambiguous() {
        let root = tempfile::tempdir().unwrap();
        let records = Records::open(root.path()).unwrap();
        let ids: Vec<ImageId> = (0..40)
            .map(|space| insert(&records, &[CONFIG, " ".repeat(space).as_bytes()].concat()))
            .collect();
        assert_eq!(records.search(&ids[7].hex()[..12]), Found::One(ids[7].clone()));
        assert_eq!(records.search(&ids[7].to_string()), Found::One(ids[7].clone()));
        let many = (0..16)
            .map(|digit| records.search(&format!("{digit:x}")))
            .any(|found| matches!(found, Found::Many(_)));
        assert!(many);
        for odd in ["", "sha256:", "xyz", "A", "sha256"] {
            assert_eq!(records.search(odd), Found::None, "{odd}");
        }
    }
}
