//! The manifest of a pushed image, as dockerd writes it: Docker's schema 2, indented by three spaces, members in the
//! order of its types. Source: distribution `manifest/schema2/manifest.go`.

use super::layer::There;
use crate::{Error, Image};
use serde::Serialize;
use std::collections::HashMap;
use tierce_oci::{DiffId, Digest, media_type};
use tierce_registry::Written;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: &'static str,
    config: Entry,
    layers: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: &'static str,
    size: u64,
    digest: Digest,
}

/// The manifest of an image whose configuration and layers the registry has.
pub(super) fn document(config: &Written, image: &Image, layers: &HashMap<DiffId, There>) -> Result<Vec<u8>, Error> {
    let mut entries = Vec::new();
    for diff_id in &image.config.rootfs.diff_ids {
        let there = layers.get(diff_id).ok_or_else(|| Error::Task {
            task: "the upload of a layer",
            cause: format!("{diff_id} is missing"),
        })?;
        let uncompressed = there.digest == diff_id.0;
        entries.push(Entry {
            media_type: if uncompressed {
                media_type::DOCKER_LAYER
            } else {
                media_type::DOCKER_LAYER_GZIP
            },
            size: there.size,
            digest: there.digest.clone(),
        });
    }
    let document = Document {
        schema_version: 2,
        media_type: media_type::DOCKER_MANIFEST,
        config: Entry {
            media_type: media_type::DOCKER_CONFIG,
            size: config.size,
            digest: config.digest.clone(),
        },
        layers: entries,
    };
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut writer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    document.serialize(&mut writer).map_err(|error| Error::Task {
        task: "writing a manifest",
        cause: error.to_string(),
    })?;
    Ok(bytes)
}
