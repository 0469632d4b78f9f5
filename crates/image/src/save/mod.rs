//! Save: images as one archive, in the form that dockerd 28 writes, which is an OCI layout with Docker's own list beside.
//!
//! ```text
//! blobs/sha256/<hex>   layers (uncompressed, bit for bit as they came), configurations, OCI manifests
//! index.json           OCI index; names in annotations
//! manifest.json        Docker's list: configuration, names and layers of each image
//! oci-layout
//! repositories         name -> tag -> topmost layer, for the oldest readers
//! ```
//! The entries are in the order of their names and carry no time of their own, so the same images give the same archive.
//! It is made as it is read: the length of each layer's archive is known beforehand ([`tierce_layer::Store::tar_length`]),
//! and nothing is written to disk. The blobs of version 1 configurations that dockerd adds, and that nothing in the
//! archive refers to, are left out.
//!
//! Source: moby `daemon/internal/image/tarexport/save.go`, OCI image-spec `image-layout.md`.

mod documents;

use crate::hold::Hold;
use crate::{Error, Image, Images};
use documents::{Documents, SavedLayer};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use tierce_layer::tar::{Entry, EntryKind, Writer};
use tierce_oci::{ChainId, DiffId, Digest, ImageId, Platform, Reference};

/// Images chosen to be saved; they stay while this lives.
pub struct Saving {
    images: Arc<Images>,
    chosen: Vec<Chosen>,
    _hold: Hold,
}

/// One image with the names it is saved under.
struct Chosen {
    image: Arc<Image>,
    /// Full references with tags.
    names: Vec<Reference>,
}

/// An image, and the name it is saved under by one argument.
type Named = (Arc<Image>, Option<Reference>);

/// A blob of the archive.
struct Blob {
    /// When it was made: as its image, in seconds since 1970.
    made: i64,
    content: BlobContent,
}

enum BlobContent {
    Layer { chain: ChainId, length: u64 },
    Document(Vec<u8>),
}

impl Images {
    /// Chooses the images to save. A name without a tag means all tags of the repository.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoReference`]; [`Error::NoExportPlatform`] when an image is for another platform;
    /// [`Error::NothingToSave`] when one has no layers.
    pub fn saving(self: &Arc<Self>, names: &[String], platform: Option<&Platform>) -> Result<Saving, Error> {
        let mut chosen: Vec<Chosen> = Vec::new();
        for name in names {
            for (image, reference) in named_to_save(self, name)? {
                if let Some(platform) = platform
                    && image.config.platform().distance(platform) != Some(0)
                {
                    return Err(Error::NoExportPlatform(platform.to_string()));
                }
                if image.config.rootfs.diff_ids.is_empty() {
                    return Err(Error::NothingToSave);
                }
                let index = chosen.iter().position(|one| one.image.id == image.id);
                let index = index.unwrap_or_else(|| {
                    chosen.push(Chosen {
                        image,
                        names: Vec::new(),
                    });
                    chosen.len() - 1
                });
                let names = &mut chosen[index].names;
                names.extend(reference.filter(|reference| !names.contains(reference)));
            }
        }
        let held: Vec<Arc<Image>> = chosen.iter().map(|chosen| chosen.image.clone()).collect();
        Ok(Saving {
            images: self.clone(),
            _hold: Hold::of(self, "save", &held)?,
            chosen,
        })
    }
}

/// The images that an argument of `save` means, with the tag each is saved under.
fn named_to_save(images: &Images, name: &str) -> Result<Vec<Named>, Error> {
    let by_id = |name: &str| Ok(vec![(images.find(name)?, None)]);
    let is_id = name.parse::<Digest>().is_ok() || Digest::from_sha256_hex(name).is_ok();
    if is_id || name.starts_with("sha256:") {
        return by_id(name);
    }
    let reference = Reference::parse(name)?;
    if reference.tag().is_some() || reference.digest().is_some() {
        let id = images.names.get(&reference).ok_or(Error::NoReference)?;
        let tag = Some(reference).filter(|reference| reference.digest().is_none());
        return Ok(vec![(images.get(&id)?, tag)]);
    }
    let all = images.names.all().into_iter();
    let of_name = all.filter(|(known, _)| known.name() == reference.name());
    let found: Vec<_> = of_name
        .map(|(known, id)| Ok((images.get(&id)?, Some(known).filter(|known| known.digest().is_none()))))
        .collect::<Result<_, Error>>()?;
    if !found.is_empty() {
        return Ok(found);
    }
    by_id(name).map_err(|error| match error {
        Error::NotFound(_) => Error::NotFound(name.to_owned()),
        other => other,
    })
}

impl Saving {
    /// The images, in the order of their names in the request.
    pub fn ids(&self) -> Vec<ImageId> {
        self.chosen.iter().map(|chosen| chosen.image.id.clone()).collect()
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// Errors of layers that cannot be rebuilt and of the output. What was written then is no archive.
    pub fn write(self, output: impl Write) -> Result<(), Error> {
        let failed = |error: io::Error| Error::Layer(tierce_layer::Error::Read(error));
        let (mut blobs, mut lengths) = (BTreeMap::new(), BTreeMap::new());
        let mut made = 0;
        for chosen in &self.chosen {
            made = chosen.image.created_unix();
            let diff_ids = &chosen.image.config.rootfs.diff_ids;
            for (diff_id, chain) in diff_ids.iter().zip(ChainId::stack(diff_ids)) {
                if !lengths.contains_key(diff_id) {
                    let length = self.images.layers.archive_length(&chain)?;
                    lengths.insert(diff_id.clone(), length);
                    let content = BlobContent::Layer { chain, length };
                    blobs.insert(diff_id.0.clone(), Blob { made, content });
                }
            }
            let content = BlobContent::Document(chosen.image.raw.to_vec());
            blobs.insert(chosen.image.id.0.clone(), Blob { made, content });
        }
        let documents = self.documents(&lengths)?;
        for manifest in &documents.manifests {
            let content = BlobContent::Document(manifest.clone());
            blobs.insert(Digest::sha256_of(manifest), Blob { made: 0, content });
        }
        let mut writer = Writer::new(BufWriter::with_capacity(128 << 10, output));
        for directory in ["blobs/", "blobs/sha256/"] {
            writer
                .begin(&entry(directory, EntryKind::Directory, 0, made))
                .map_err(failed)?;
        }
        for (digest, blob) in &blobs {
            let name = format!("blobs/sha256/{}", digest.hex());
            match &blob.content {
                BlobContent::Document(bytes) => file(&mut writer, &name, bytes, blob.made).map_err(failed)?,
                BlobContent::Layer { chain, length } => {
                    let entry = entry(&name, EntryKind::File, *length, blob.made);
                    writer.begin(&entry).map_err(failed)?;
                    self.images.layers.archive(chain, Content(&mut writer))?;
                }
            }
        }
        for (name, bytes) in &documents.files {
            file(&mut writer, name, bytes, 0).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        Ok(())
    }

    fn documents(&self, lengths: &BTreeMap<DiffId, u64>) -> Result<Documents, Error> {
        let images: Vec<documents::SavedImage<'_>> = self
            .chosen
            .iter()
            .map(|chosen| {
                let parent = chosen.image.parent.as_ref();
                documents::SavedImage {
                    image: &chosen.image,
                    names: &chosen.names,
                    // Only a parent that is in the archive too is of use to a reader.
                    parent: parent.filter(|parent| self.chosen.iter().any(|other| other.image.id == **parent)),
                    layers: chosen
                        .image
                        .config
                        .rootfs
                        .diff_ids
                        .iter()
                        .map(|diff_id| SavedLayer {
                            diff_id,
                            length: lengths.get(diff_id).copied().unwrap_or_default(),
                        })
                        .collect(),
                }
            })
            .collect();
        documents::documents(&images)
    }
}

/// `made`: in seconds since 1970, as dockerd sets it.
fn entry(name: &str, kind: EntryKind, size: u64, made: i64) -> Entry {
    let mut entry = Entry::new(name.into(), kind);
    entry.mode = if kind == EntryKind::Directory { 0o755 } else { 0o644 };
    entry.size = size;
    entry.mtime = (made, 0);
    entry
}

fn file(writer: &mut Writer<impl Write>, name: &str, bytes: &[u8], made: i64) -> io::Result<()> {
    writer.begin(&entry(name, EntryKind::File, bytes.len() as u64, made))?;
    writer.write_content(bytes)
}

/// The content of the entry begun last, as an output.
struct Content<'a, W>(&'a mut Writer<W>);

impl<W: Write> Write for Content<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_content(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
