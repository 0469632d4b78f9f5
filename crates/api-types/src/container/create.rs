//! `POST /containers/create`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Config, HostConfig};
use crate::network::EndpointSettings;
use crate::nullable;

/// Its body: the container's configuration with two further members.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    /// What runs, and how it looks from inside.
    #[serde(flatten)]
    pub config: Config,
    /// What it takes from the host.
    #[serde(rename = "HostConfig", skip_serializing_if = "Option::is_none")]
    pub host_config: Option<HostConfig>,
    /// Which networks it joins.
    #[serde(rename = "NetworkingConfig", skip_serializing_if = "Option::is_none")]
    pub networking_config: Option<NetworkingConfig>,
}

/// Endpoints by network name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkingConfig {
    /// What is asked of each; `null` = the network's defaults.
    #[serde(deserialize_with = "nullable::or_default")]
    pub endpoints_config: BTreeMap<String, Option<EndpointSettings>>,
}

/// Its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateResponse {
    /// The new id, 64 hex digits.
    pub id: String,
    /// What was changed or ignored.
    #[serde(deserialize_with = "nullable::or_default")]
    pub warnings: Vec<String>,
}
