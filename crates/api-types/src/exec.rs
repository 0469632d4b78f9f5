//! Further processes in a running container.

use serde::{Deserialize, Serialize};

use crate::nullable;

/// Body of `POST /containers/{id}/exec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecCreate {
    /// User, as `name`, `uid`, `name:group`; empty = the container's.
    #[serde(deserialize_with = "nullable::or_default")]
    pub user: String,
    /// With all capabilities.
    #[serde(deserialize_with = "nullable::or_default")]
    pub privileged: bool,
    /// On a terminal.
    #[serde(deserialize_with = "nullable::or_default")]
    pub tty: bool,
    /// First size of the terminal: height, width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u16; 2]>,
    /// Whether the client sends its standard input.
    #[serde(deserialize_with = "nullable::or_default")]
    pub attach_stdin: bool,
    /// Whether the client wants standard error.
    #[serde(deserialize_with = "nullable::or_default")]
    pub attach_stderr: bool,
    /// Whether the client wants standard output.
    #[serde(deserialize_with = "nullable::or_default")]
    pub attach_stdout: bool,
    /// Key sequence that detaches; empty = the daemon's. Go reads names of members in any case, and docker-py relies on
    /// that.
    #[serde(deserialize_with = "nullable::or_default", alias = "detachKeys")]
    pub detach_keys: String,
    /// Further environment.
    #[serde(deserialize_with = "nullable::or_default")]
    pub env: Vec<String>,
    /// Working directory; empty = the container's.
    #[serde(deserialize_with = "nullable::or_default")]
    pub working_dir: String,
    /// Command and arguments.
    #[serde(deserialize_with = "nullable::or_default")]
    pub cmd: Vec<String>,
}

/// Answer of `POST /containers/{id}/exec`, and of other operations that make something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IdResponse {
    /// The new id.
    pub id: String,
}

/// Body of `POST /exec/{id}/start`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExecStart {
    /// Do not attach.
    #[serde(deserialize_with = "nullable::or_default")]
    pub detach: bool,
    /// Whether the client knows that it is a terminal.
    #[serde(deserialize_with = "nullable::or_default")]
    pub tty: bool,
    /// First size of the terminal: height, width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u16; 2]>,
}

/// Answer of `GET /exec/{id}/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecInspect {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Whether it runs.
    #[serde(rename = "Running")]
    pub running: bool,
    /// How it ended; `null` before.
    #[serde(rename = "ExitCode")]
    pub exit_code: Option<i64>,
    /// What runs.
    #[serde(rename = "ProcessConfig")]
    pub process_config: ProcessConfig,
    /// Whether its standard input is open.
    #[serde(rename = "OpenStdin")]
    pub open_stdin: bool,
    /// Whether its standard error is.
    #[serde(rename = "OpenStderr")]
    pub open_stderr: bool,
    /// Whether its standard output is.
    #[serde(rename = "OpenStdout")]
    pub open_stdout: bool,
    /// Whether it can be removed.
    #[serde(rename = "CanRemove")]
    pub can_remove: bool,
    /// Its container.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// Its own detach keys, as bytes in base64 or nothing.
    #[serde(rename = "DetachKeys")]
    pub detach_keys: Option<String>,
    /// Host pid; 0 before it starts.
    #[serde(rename = "Pid")]
    pub pid: u32,
}

/// What an exec runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessConfig {
    /// On a terminal.
    pub tty: bool,
    /// The command.
    pub entrypoint: String,
    /// Its arguments.
    #[serde(deserialize_with = "nullable::or_default")]
    pub arguments: Vec<String>,
    /// With all capabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// As whom.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
}
