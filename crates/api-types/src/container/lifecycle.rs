//! The smaller operations: wait, top, changes, update, prune.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::nullable;

/// What `POST /containers/{id}/wait` waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// Not running now, or the end of this run.
    #[default]
    NotRunning,
    /// The end of the next run, also when it does not run now.
    NextExit,
    /// Its removal.
    Removed,
}

impl fmt::Display for WaitCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRunning => "not-running",
            Self::NextExit => "next-exit",
            Self::Removed => "removed",
        })
    }
}

impl FromStr for WaitCondition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" | "not-running" => Ok(Self::NotRunning),
            "next-exit" => Ok(Self::NextExit),
            "removed" => Ok(Self::Removed),
            _ => Err(format!("invalid condition: {text:?}")),
        }
    }
}

/// Answer of `POST /containers/{id}/wait`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitResponse {
    /// Exit code of the run.
    pub status_code: i64,
    /// Why waiting or the container itself failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
}

/// The failure in a [`WaitResponse`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WaitError {
    /// What went wrong.
    pub message: String,
}

/// Answer of `GET /containers/{id}/top`: a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TopResponse {
    /// One row a process.
    #[serde(deserialize_with = "nullable::or_default")]
    pub processes: Vec<Vec<String>>,
    /// The heads of the columns.
    #[serde(deserialize_with = "nullable::or_default")]
    pub titles: Vec<String>,
}

/// One difference between a container and its image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Change {
    /// Where.
    pub path: String,
    /// 0 modified, 1 added, 2 deleted.
    pub kind: u8,
}

/// Body of `POST /containers/{id}/update`: the resources and the restart policy of a host configuration; all that is
/// not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UpdateRequest(pub serde_json::Map<String, serde_json::Value>);

/// Body of `POST /containers/{id}/checkpoints`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckpointRequest {
    /// Its name.
    #[serde(rename = "CheckpointID")]
    pub checkpoint_id: String,
    /// Directory to keep it in; empty: the container's own.
    pub checkpoint_dir: String,
    /// End the container with it.
    pub exit: bool,
}

/// A checkpoint, in the answer of `GET /containers/{id}/checkpoints`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Checkpoint {
    /// Its name.
    pub name: String,
}

/// Answer of `POST /containers/{id}/update`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateResponse {
    /// What was changed or ignored.
    pub warnings: Option<Vec<String>>,
}

/// Answer of `POST /containers/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainersPruned {
    /// Ids of what is gone.
    pub containers_deleted: Option<Vec<String>>,
    /// Bytes freed.
    pub space_reclaimed: u64,
}
