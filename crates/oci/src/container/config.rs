//! The portable half: what an image can say of its containers.

use super::nullable;
use crate::{Extra, is_default};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Go's `struct{}` as a map value: `{}`, or `null` when read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

impl<'de> Deserialize<'de> for Empty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object {}
        Option::<Object>::deserialize(deserializer).map(|_| Self {})
    }
}

/// A command line: a list of words, or (in requests) one string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct StrSlice(pub Vec<String>);

impl<'de> Deserialize<'de> for StrSlice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Words(Vec<String>),
            Word(String),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Words(words) => Self(words),
            Form::Word(word) => Self(vec![word]),
        })
    }
}

impl std::ops::Deref for StrSlice {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

/// What a container is, apart from the host it runs on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// Host name; empty: the short id.
    #[serde(deserialize_with = "nullable")]
    pub hostname: String,
    /// NIS domain name.
    #[serde(deserialize_with = "nullable")]
    pub domainname: String,
    /// `user[:group]` by name or number.
    #[serde(deserialize_with = "nullable")]
    pub user: String,
    /// Whether the creator wants stdin attached.
    #[serde(deserialize_with = "nullable")]
    pub attach_stdin: bool,
    /// Whether the creator wants stdout attached.
    #[serde(deserialize_with = "nullable")]
    pub attach_stdout: bool,
    /// Whether the creator wants stderr attached.
    #[serde(deserialize_with = "nullable")]
    pub attach_stderr: bool,
    /// Ports of the form `80/tcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// Whether it gets a terminal.
    #[serde(deserialize_with = "nullable")]
    pub tty: bool,
    /// Whether stdin stays open without anybody attached.
    #[serde(deserialize_with = "nullable")]
    pub open_stdin: bool,
    /// Whether stdin closes with the first client that leaves.
    #[serde(deserialize_with = "nullable")]
    pub stdin_once: bool,
    /// `NAME=value`; in requests also `NAME` alone, which removes the image's.
    pub env: Option<Vec<String>>,
    /// Arguments of the entry point, or the command where there is none.
    pub cmd: Option<StrSlice>,
    /// How its health is probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Windows only.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub args_escaped: bool,
    /// The image as the creator named it.
    #[serde(deserialize_with = "nullable")]
    pub image: String,
    /// Paths that get an anonymous volume.
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Working directory.
    #[serde(deserialize_with = "nullable")]
    pub working_dir: String,
    /// The program.
    pub entrypoint: Option<StrSlice>,
    /// No network at all.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub network_disabled: bool,
    /// Address of the first interface.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub mac_address: String,
    /// Build triggers.
    pub on_build: Option<Vec<String>>,
    /// Free-form labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Signal of a gentle stop.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub stop_signal: String,
    /// Seconds between that signal and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Shell of the build's shell forms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<StrSlice>,
    /// Members not known here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How a container's health is probed. Durations are nanoseconds; 0 means the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", "…"]`; empty: inherit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    /// Time between probes.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub interval: i64,
    /// Time after which a probe has failed.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub timeout: i64,
    /// Time in which failures do not count.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub start_period: i64,
    /// Time between probes in that period.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub retries: i64,
    /// Ours: what is done when it becomes unhealthy: `none` (or empty), `kill`, `restart`, `stop`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub on_failure: String,
}
