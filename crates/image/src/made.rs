//! The configuration documents of images made here, by `import` and `commit`: members sorted at the top, as Docker writes
//! them. Source: moby `image/image.go`.

use crate::Error;
use serde::Serialize;
use serde_json::Value;
use tierce_oci::container::Config;
use tierce_oci::{DiffId, History, Platform};

/// What the document says.
#[derive(Serialize)]
pub(crate) struct Made<'a> {
    pub(crate) architecture: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) author: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) comment: &'a str,
    pub(crate) config: &'a Config,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) container: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container_config: Option<&'a Config>,
    pub(crate) created: &'a str,
    pub(crate) history: Vec<HistoryEntry<'a>>,
    pub(crate) os: &'a str,
    #[serde(rename = "os.features", skip_serializing_if = "Option::is_none")]
    pub(crate) os_features: Option<&'a Value>,
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub(crate) os_version: Option<&'a Value>,
    pub(crate) rootfs: Rootfs<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) variant: &'a str,
}

/// `rootfs`.
#[derive(Serialize)]
pub(crate) struct Rootfs<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) diff_ids: Vec<&'a DiffId>,
}

/// An entry of `history` in the order of Docker's type.
#[derive(Serialize)]
pub(crate) struct HistoryEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) created_by: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) author: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) comment: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) empty_layer: bool,
}

impl<'a> From<&'a History> for HistoryEntry<'a> {
    fn from(entry: &'a History) -> Self {
        Self {
            created: entry.created.as_deref(),
            author: &entry.author,
            created_by: &entry.created_by,
            comment: &entry.comment,
            empty_layer: entry.empty_layer,
        }
    }
}

impl<'a> Made<'a> {
    /// A document for a platform without layers.
    pub(crate) fn new(platform: &'a Platform, config: &'a Config, created: &'a str) -> Self {
        Self {
            architecture: &platform.architecture,
            author: "",
            comment: "",
            config,
            container: "",
            container_config: None,
            created,
            history: Vec::new(),
            os: &platform.os,
            os_features: None,
            os_version: None,
            rootfs: Rootfs {
                kind: "layers",
                diff_ids: Vec::new(),
            },
            variant: &platform.variant,
        }
    }

    /// Its bytes.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Error> {
        tierce_store::to_json(self).map_err(|source| {
            Error::Record(tierce_store::Error::Encode {
                name: "image configuration".to_owned(),
                source,
            })
        })
    }
}
