//! Images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::container::GraphDriver;
use crate::nullable;

/// One image of `GET /images/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageSummary {
    /// Containers made of it; -1 when not counted.
    pub containers: i64,
    /// Seconds since 1970.
    pub created: i64,
    /// Its id, with `sha256:`.
    pub id: String,
    /// Labels of its configuration; `null` when there are none.
    pub labels: Option<BTreeMap<String, String>>,
    /// The image it was built on here; empty for pulled ones.
    pub parent_id: String,
    /// Names with the digest they were pulled by; instead of none `null`, in some answers.
    pub repo_digests: Option<Vec<String>>,
    /// Names with tags; likewise.
    pub repo_tags: Option<Vec<String>>,
    /// Bytes shared with other images; -1 when not computed.
    pub shared_size: i64,
    /// Bytes of all its layers.
    pub size: i64,
    /// The same; only before API 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<i64>,
}

/// Answer of `GET /images/{name}/json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageInspect {
    /// Its id, with `sha256:`.
    pub id: String,
    /// Names with tags.
    #[serde(deserialize_with = "nullable::or_default")]
    pub repo_tags: Vec<String>,
    /// Names with the digest they were pulled by.
    #[serde(deserialize_with = "nullable::or_default")]
    pub repo_digests: Vec<String>,
    /// The image it was built on here; empty for pulled ones.
    pub parent: String,
    /// Comment of its maker.
    pub comment: String,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// The container that it was made of; only before API 1.45.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// That container's configuration; only before API 1.45.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_config: Option<Value>,
    /// Version of the builder.
    pub docker_version: String,
    /// Its maker.
    pub author: String,
    /// Processor architecture.
    pub architecture: String,
    /// Its variant, such as `v8`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Operating system.
    pub os: String,
    /// Its version; Windows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Bytes of all its layers.
    pub size: i64,
    /// The same; only before API 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<i64>,
    /// Where its top layer lies.
    pub graph_driver: GraphDriver,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// What is known only here.
    pub metadata: ImageMetadata,
    /// What a container of it runs; as the image has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Digests of the unpacked layers, lowest first.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable::or_default")]
    pub layers: Vec<String>,
}

/// What this host knows of an image beside the image itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageMetadata {
    /// When it last got a name here, RFC 3339; year 1 when never.
    pub last_tag_time: String,
}

/// One step of `GET /images/{name}/history`, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HistoryItem {
    /// Comment of the step.
    pub comment: String,
    /// Seconds since 1970.
    pub created: i64,
    /// What made it.
    pub created_by: String,
    /// Image of this step, or `<missing>`.
    pub id: String,
    /// Bytes it added.
    pub size: i64,
    /// Names of the image of this step.
    pub tags: Option<Vec<String>>,
}

/// One outcome of `DELETE /images/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageDeleted {
    /// A name that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untagged: Option<String>,
    /// An image or layer that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
}

/// Answer of `POST /images/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImagesPruned {
    /// What is gone.
    pub images_deleted: Option<Vec<ImageDeleted>>,
    /// Bytes freed.
    pub space_reclaimed: u64,
}

/// Answer of `POST /build/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BuildPruned {
    /// Ids of what is gone.
    pub caches_deleted: Option<Vec<String>>,
    /// Bytes freed.
    pub space_reclaimed: u64,
}

/// A repository that a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoundRepository {
    /// How many people like it.
    pub star_count: i64,
    /// Whether Docker publishes it.
    pub is_official: bool,
    /// Name.
    pub name: String,
    /// Always false: the index no longer tells.
    pub is_automated: bool,
    /// What it is.
    pub description: String,
}
