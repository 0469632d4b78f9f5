//! Image documents: descriptors, manifests, indexes, configurations.
//!
//! Source: OCI image-spec `descriptor.md`, `manifest.md`, `image-index.md`, `config.md`; Docker's schema 2. These types
//! read; the bytes that were read are what is stored and hashed, so nothing is ever re-encoded for a digest.
//! Builders written in Go write an empty list as `null`, so `null` is read as the member's zero value.

use crate::container::{self, nullable};
use crate::{ChainId, DiffId, Digest, Error, Extra, Platform, is_default, json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where content is to be had, and what it must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of content it is.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub media_type: String,
    /// Digest of the bytes as transferred.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// What the content runs on (in an index).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Other places to have it from.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free-form labels.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One image for one platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2, or 1 for what is refused.
    pub schema_version: u32,
    /// What kind of manifest it is.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    #[serde(default, deserialize_with = "nullable")]
    pub layers: Vec<Descriptor>,
    /// Members not known here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Images of one name for several platforms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// What kind of index it is.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub media_type: String,
    /// The manifests.
    #[serde(default, deserialize_with = "nullable")]
    pub manifests: Vec<Descriptor>,
    /// Members not known here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An image's configuration document; its digest is the image's id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// `amd64` and its like.
    #[serde(default, deserialize_with = "nullable")]
    pub architecture: String,
    /// `linux` and its like.
    #[serde(default, deserialize_with = "nullable")]
    pub os: String,
    /// Variant of the architecture.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub variant: String,
    /// When it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub author: String,
    /// How a container of it runs by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<container::Config>,
    /// Its layers.
    #[serde(default, deserialize_with = "nullable")]
    pub rootfs: RootFs,
    /// How each layer came to be.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Members not known here: `container`, `docker_version`, `os.version`, …
    #[serde(flatten)]
    pub extra: Extra,
}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "type", default, deserialize_with = "nullable")]
    pub kind: String,
    /// Digests of the uncompressed layers, bottom first.
    #[serde(default, deserialize_with = "nullable")]
    pub diff_ids: Vec<DiffId>,
}

/// How one layer came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub created_by: String,
    /// By whom.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub author: String,
    /// With which remark.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub empty_layer: bool,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        json::parse("image manifest", bytes)
    }
}

impl Index {
    /// Reads an index or manifest list.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        json::parse("image index", bytes)
    }

    /// The manifest that suits `wanted` best; the first of equals, as Docker does.
    pub fn choose(&self, wanted: &Platform) -> Option<&Descriptor> {
        self.manifests
            .iter()
            .filter_map(|descriptor| Some((descriptor.platform.as_ref()?.distance(wanted)?, descriptor)))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, descriptor)| descriptor)
    }
}

impl ImageConfig {
    /// Reads an image configuration.
    ///
    /// # Errors
    /// [`Error::Json`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        json::parse("image configuration", bytes)
    }

    /// The platform it is built for.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: if self.os.is_empty() {
                "linux".to_owned()
            } else {
                self.os.clone()
            },
            variant: self.variant.clone(),
            extra: Extra::new(),
        }
    }

    /// The chain of all its layers; `None` for an image without layers.
    pub fn chain_id(&self) -> Option<ChainId> {
        ChainId::stack(&self.rootfs.diff_ids).pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_007_image_config_keeps_what_it_does_not_know() {
        let text = r#"{"architecture":"amd64","os":"linux","container":"abc","docker_version":"28","config":{"Env":["A=b"],"Frob":1},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = ImageConfig::from_json(text.as_bytes()).unwrap();
        assert_eq!(config.extra["docker_version"], "28");
        assert_eq!(config.config.as_ref().unwrap().extra["Frob"], 1);
        let again = ImageConfig::from_json(&serde_json::to_vec(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn null_is_read_as_nothing_as_go_reads_it() {
        let empty = Digest::sha256_of(b"");
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":null,"config":{{"digest":"{empty}","size":0,"urls":null,"annotations":null}},"layers":null}}"#
        );
        let manifest = Manifest::from_json(manifest.as_bytes()).unwrap();
        assert!(manifest.layers.is_empty() && manifest.config.urls.is_empty());
        let index = Index::from_json(br#"{"schemaVersion":2,"manifests":null}"#).unwrap();
        assert!(index.manifests.is_empty());
        let config = ImageConfig::from_json(
            br#"{"os":null,"config":null,"rootfs":{"type":"layers","diff_ids":null},"history":null}"#,
        )
        .unwrap();
        assert_eq!((config.chain_id(), config.history.len()), (None, 0));
        assert_eq!(config.platform().os, "linux");
        let config =
            ImageConfig::from_json(br#"{"rootfs":null,"history":[{"created_by":null,"empty_layer":null}]}"#).unwrap();
        assert_eq!(config.history, [History::default()]);
    }

    #[test]
    fn index_chooses_by_platform() {
        let digest = |seed: &str| Digest::sha256_of(seed.as_bytes());
        let entry = |platform: &str| Descriptor {
            media_type: crate::media_type::OCI_MANIFEST.to_owned(),
            digest: digest(platform),
            size: 1,
            platform: Some(platform.parse().unwrap()),
            urls: vec![],
            annotations: BTreeMap::new(),
        };
        let index = Index {
            schema_version: 2,
            media_type: String::new(),
            manifests: vec![entry("linux/arm/v6"), entry("linux/arm/v7"), entry("linux/amd64")],
            extra: Extra::new(),
        };
        let choose = |platform: &str| {
            index
                .choose(&platform.parse().unwrap())
                .map(|found| found.digest.clone())
        };
        assert_eq!(choose("linux/amd64"), Some(digest("linux/amd64")));
        assert_eq!(choose("linux/arm/v7"), Some(digest("linux/arm/v7")));
        assert_eq!(choose("linux/s390x"), None);
    }
}
