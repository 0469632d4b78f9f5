//! `GET /containers/json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MountPoint;
use crate::network::EndpointSettings;
use crate::nullable::{self, is_zero};

/// One container of the list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerSummary {
    /// Its id.
    pub id: String,
    /// Its names, each with a slash before it.
    #[serde(deserialize_with = "nullable::or_default")]
    pub names: Vec<String>,
    /// The image as the user named it, or its id when that name moved on.
    pub image: String,
    /// The image's id.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// Path and arguments, joined by spaces.
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Ports, published and only exposed.
    #[serde(deserialize_with = "nullable::or_default")]
    pub ports: Vec<Port>,
    /// Bytes it wrote; only when sizes were asked for.
    #[serde(skip_serializing_if = "is_zero")]
    pub size_rw: i64,
    /// Bytes of its whole root file system; only when sizes were asked for.
    #[serde(skip_serializing_if = "is_zero")]
    pub size_root_fs: i64,
    /// User's labels.
    #[serde(deserialize_with = "nullable::or_default")]
    pub labels: BTreeMap<String, String>,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub state: String,
    /// The same for people: `Up 3 minutes`, `Exited (0) 2 hours ago`.
    pub status: String,
    /// The little of the host configuration that lists show.
    pub host_config: SummaryHostConfig,
    /// The networks it is on.
    pub network_settings: Option<SummaryNetworkSettings>,
    /// What is mounted into it.
    #[serde(deserialize_with = "nullable::or_default")]
    pub mounts: Vec<MountPoint>,
}

/// One port of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Port {
    /// Host address it is published on.
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// Port inside.
    pub private_port: u16,
    /// Port on the host; absent when not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    /// `tcp`, `udp`, `sctp`.
    #[serde(rename = "Type")]
    pub protocol: String,
}

/// Host configuration in lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SummaryHostConfig {
    /// Network mode as persisted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network_mode: String,
    /// Annotations handed to the runtime; since API 1.46.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// Network settings in lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SummaryNetworkSettings {
    /// Endpoints by network name.
    #[serde(deserialize_with = "nullable::or_default")]
    pub networks: BTreeMap<String, EndpointSettings>,
}
