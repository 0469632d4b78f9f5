//! The messages of containerd's own services, as far as the supervisor serves and the engine asks for them.
//!
//! Names, tags and types are those of containerd's `api/services/*/v1/*.proto`, so its clients (`ctr`) understand the
//! supervisor. As in [`crate::messages`], fields numbered from 1000 on are ours: every other reader skips them, and where
//! they are absent from a request the answer is containerd's.

pub mod containers;
pub mod daemon;
pub mod tasks;

use crate::messages::{Any, Envelope};

/// The header that names whose containers are meant.
pub const NAMESPACE: &str = "containerd-namespace";

/// `containerd.services.events.v1.Events`.
pub const EVENTS: &str = "containerd.services.events.v1.Events";

/// Hear what happens; the answer is a stream of [`Envelope`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubscribeRequest {
    /// Which events; none: all.
    #[prost(string, repeated, tag = "1")]
    pub filters: Vec<String>,
}

/// Type names under which the documents of the runtime specification travel.
pub const SPEC: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

impl Envelope {
    /// A container's record was written: topic and type name.
    pub const CONTAINER_CREATE: (&str, &str) = ("/containers/create", "containerd.events.ContainerCreate");
    /// It was changed.
    pub const CONTAINER_UPDATE: (&str, &str) = ("/containers/update", "containerd.events.ContainerUpdate");
    /// It was removed.
    pub const CONTAINER_DELETE: (&str, &str) = ("/containers/delete", "containerd.events.ContainerDelete");
}

/// A container's record was written or removed; `ContainerCreate`, `ContainerUpdate`, `ContainerDelete`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContainerEvent {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its image; not of a removed one.
    #[prost(string, tag = "2")]
    pub image: String,
    /// Its runtime; not of a removed one.
    #[prost(message, optional, tag = "3")]
    pub runtime: Option<RuntimeName>,
}

/// Name of a runtime, with options.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RuntimeName {
    /// `io.containerd.tierce.v2`
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it shall do differently.
    #[prost(message, optional, tag = "2")]
    pub options: Option<Any>,
}
