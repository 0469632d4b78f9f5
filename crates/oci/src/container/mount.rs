//! Mounts of the long form (`--mount`).

use super::nullable;
use crate::is_default;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One mount.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountConfig {
    /// `bind`, `volume`, `tmpfs`, `image`, …
    #[serde(rename = "Type", skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub kind: String,
    /// Path, volume name or image, by type.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub source: String,
    /// Path inside the container.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub target: String,
    /// Whether it is read-only.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub read_only: bool,
    /// Not used on Linux.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub consistency: String,
    /// Options of `bind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    /// Options of `volume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    /// Options of `image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_options: Option<ImageOptions>,
    /// Options of `tmpfs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// Options of a bind mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindOptions {
    /// `rprivate`, `rshared`, `rslave`, `private`, `shared`, `slave`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub propagation: String,
    /// Leave out mounts below the source.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub non_recursive: bool,
    /// Make a missing source directory.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub create_mountpoint: bool,
    /// Read-only holds for the mount itself only.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub read_only_non_recursive: bool,
    /// Fail where read-only cannot be made recursive.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub read_only_force_recursive: bool,
}

/// Options of a volume mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeOptions {
    /// Do not fill an empty volume from the image.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub no_copy: bool,
    /// Labels of a volume made for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Directory inside the volume.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub subpath: String,
    /// Driver of a volume made for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_config: Option<VolumeDriverConfig>,
}

/// Driver of a volume made for a mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeDriverConfig {
    /// Its name.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub name: String,
    /// Its options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<BTreeMap<String, String>>,
}

/// Options of an image mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageOptions {
    /// Directory inside the image.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub subpath: String,
}

/// Options of a tmpfs mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TmpfsOptions {
    /// Bytes; 0: no limit.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub size_bytes: i64,
    /// Permission bits; 0: 01777.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub mode: u32,
    /// Further options, each of one or two words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<Vec<String>>>,
}
