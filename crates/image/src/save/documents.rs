//! The documents of a saved archive: pure, from what the images say.

use crate::{Error, Image};
use serde::Serialize;
use std::collections::BTreeMap;
use tierce_oci::{DiffId, Digest, ImageId, Reference, media_type};

/// A layer in the archive.
pub(super) struct SavedLayer<'a> {
    pub(super) diff_id: &'a DiffId,
    /// Bytes of its archive.
    pub(super) length: u64,
}

/// An image in the archive.
pub(super) struct SavedImage<'a> {
    pub(super) image: &'a Image,
    pub(super) names: &'a [Reference],
    pub(super) parent: Option<&'a ImageId>,
    /// Bottom first.
    pub(super) layers: Vec<SavedLayer<'a>>,
}

/// What stands beside layers and configurations.
pub(super) struct Documents {
    /// OCI manifests, one for each image.
    pub(super) manifests: Vec<Vec<u8>>,
    /// Files outside `blobs/`, sorted by name.
    pub(super) files: BTreeMap<&'static str, Vec<u8>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

/// A descriptor with the members in the order of Docker's own type.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerSource {
    media_type: &'static str,
    size: u64,
    digest: Digest,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item<'a> {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a ImageId>,
    layer_sources: BTreeMap<&'a DiffId, LayerSource>,
}

fn descriptor(media_type: &'static str, digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type,
        digest,
        size,
        annotations: BTreeMap::new(),
    }
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn json(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document).map_err(|error| Error::Task {
        task: "writing a document of the archive",
        cause: error.to_string(),
    })
}

/// As Go's encoder writes to a stream: with a line end.
fn json_line(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = json(document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn manifest(image: &SavedImage<'_>) -> Result<Vec<u8>, Error> {
    let layers = image.layers.iter();
    json(&Manifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST,
        config: descriptor(
            media_type::OCI_CONFIG,
            image.image.id.0.clone(),
            image.image.raw.len() as u64,
        ),
        layers: layers
            .map(|layer| descriptor(media_type::OCI_LAYER, layer.diff_id.0.clone(), layer.length))
            .collect(),
    })
}

/// The entries of the index: one for each name, or one without a name.
fn entries(image: &SavedImage<'_>, manifest: &[u8]) -> Vec<Descriptor> {
    let entry = || {
        descriptor(
            media_type::OCI_MANIFEST,
            Digest::sha256_of(manifest),
            manifest.len() as u64,
        )
    };
    if image.names.is_empty() {
        return vec![entry()];
    }
    let named = |name: &Reference| Descriptor {
        annotations: BTreeMap::from([
            ("io.containerd.image.name", name.to_string()),
            (
                "org.opencontainers.image.ref.name",
                name.tag().unwrap_or_default().to_owned(),
            ),
        ]),
        ..entry()
    };
    image.names.iter().map(named).collect()
}

fn item<'a>(image: &SavedImage<'a>) -> Item<'a> {
    let source = |layer: &SavedLayer<'a>| {
        let source = LayerSource {
            media_type: media_type::OCI_LAYER,
            size: layer.length,
            digest: layer.diff_id.0.clone(),
        };
        (layer.diff_id, source)
    };
    Item {
        config: blob(&image.image.id.0),
        repo_tags: (!image.names.is_empty()).then(|| image.names.iter().map(Reference::familiar).collect()),
        layers: image.layers.iter().map(|layer| blob(&layer.diff_id.0)).collect(),
        parent: image.parent,
        layer_sources: image.layers.iter().map(source).collect(),
    }
}

/// All documents of an archive of these images.
pub(super) fn documents(images: &[SavedImage<'_>]) -> Result<Documents, Error> {
    let (mut manifests, mut entries_of_index) = (Vec::new(), Vec::new());
    let mut repositories: BTreeMap<String, BTreeMap<&str, &str>> = BTreeMap::new();
    for image in images {
        let manifest = manifest(image)?;
        entries_of_index.extend(entries(image, &manifest));
        manifests.push(manifest);
        let top = image.layers.last().map_or("", |layer| layer.diff_id.hex());
        for name in image.names {
            let tags = repositories.entry(name.familiar_name()).or_default();
            tags.insert(name.tag().unwrap_or_default(), top);
        }
    }
    let index = Index {
        schema_version: 2,
        media_type: media_type::OCI_INDEX,
        manifests: entries_of_index,
    };
    let items: Vec<Item<'_>> = images.iter().map(item).collect();
    let mut files = BTreeMap::from([
        ("index.json", json(&index)?),
        ("manifest.json", json_line(&items)?),
        ("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec()),
    ]);
    if !repositories.is_empty() {
        files.insert("repositories", json_line(&repositories)?);
    }
    Ok(Documents { manifests, files })
}
