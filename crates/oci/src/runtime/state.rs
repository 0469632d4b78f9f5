//! The state document that a runtime prints and hands to hooks. Source: runtime-spec `runtime.md#state`.

use crate::null_is_default;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a container stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Its status.
    pub status: Status,
    /// Host pid of its process; absent once stopped.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Option::is_none"
    )]
    pub pid: Option<i32>,
    /// Its bundle directory.
    pub bundle: PathBuf,
    /// Its annotations.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// The statuses of the specification, and `paused` as every runtime adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being created.
    Creating,
    /// The environment exists, the user's program has not been started.
    Created,
    /// The user's program runs.
    Running,
    /// It has ended.
    Stopped,
    /// All its tasks are frozen.
    Paused,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
        })
    }
}
