//! Volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::nullable;

/// One volume, in lists and alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Volume {
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    /// Name of its driver.
    pub driver: String,
    /// User's labels; `null` when there are none.
    pub labels: Option<BTreeMap<String, String>>,
    /// Where it lies on the host.
    pub mountpoint: String,
    /// Its name.
    pub name: String,
    /// Options given to the driver; `null` when there are none.
    pub options: Option<BTreeMap<String, String>>,
    /// `local` or `global`.
    pub scope: String,
    /// What the driver says about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<BTreeMap<String, serde_json::Value>>,
    /// Only in `system/df`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<VolumeUsage>,
}

/// How much a volume holds and for how many containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeUsage {
    /// Number of containers that hold it; -1 when unknown.
    pub ref_count: i64,
    /// Bytes on disk; -1 when unknown.
    pub size: i64,
}

/// Answer of `GET /volumes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeList {
    /// The volumes.
    #[serde(deserialize_with = "nullable::or_default")]
    pub volumes: Vec<Volume>,
    /// Drivers that could not be asked.
    pub warnings: Option<Vec<String>>,
}

/// Body of `POST /volumes/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeCreate {
    /// Driver; empty = `local`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable::or_default")]
    pub driver: String,
    /// Its options.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub driver_opts: BTreeMap<String, String>,
    /// User's labels.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub labels: BTreeMap<String, String>,
    /// Name; empty = one is made up.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable::or_default")]
    pub name: String,
}

/// Answer of `POST /volumes/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumesPruned {
    /// Names of what is gone.
    pub volumes_deleted: Option<Vec<String>>,
    /// Bytes freed.
    pub space_reclaimed: u64,
}
