//! Events of `GET /events`: one JSON document a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Something that happened to an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventMessage {
    /// The action again; only for container and image events, for clients before API 1.22.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The object's id again, for the same clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The image name of a container event, for the same clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Kind of object: `container`, `image`, `network`, `volume`, `daemon`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened: `create`, `start`, `die`, `exec_create: sh`, …
    #[serde(rename = "Action")]
    pub action: String,
    /// To whom.
    #[serde(rename = "Actor")]
    pub actor: EventActor,
    /// `local` or `swarm`.
    pub scope: String,
    /// Seconds since 1970.
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// The object of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventActor {
    /// Its id (a name for images and volumes).
    #[serde(rename = "ID")]
    pub id: String,
    /// Its labels and what else the event tells (`image`, `name`, `exitCode`, `signal` …).
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}
