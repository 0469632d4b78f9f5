//! `containerd.services.containers.v1.Containers`: the records of containers, which tasks are made from.

use super::RuntimeName;
use crate::messages::{Any, Timestamp};
use std::collections::BTreeMap;

/// The service.
pub const SERVICE: &str = "containerd.services.containers.v1.Containers";

/// A container: what its task shall be, whether there is one or not.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Container {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What its maker notes of it.
    #[prost(btree_map = "string, string", tag = "2")]
    pub labels: BTreeMap<String, String>,
    /// Name of its image.
    #[prost(string, tag = "3")]
    pub image: String,
    /// What runs it.
    #[prost(message, optional, tag = "4")]
    pub runtime: Option<RuntimeName>,
    /// The runtime document, as JSON.
    #[prost(message, optional, tag = "5")]
    pub spec: Option<Any>,
    /// Who made its root file system.
    #[prost(string, tag = "6")]
    pub snapshotter: String,
    /// Under which name.
    #[prost(string, tag = "7")]
    pub snapshot_key: String,
    /// When it was made.
    #[prost(message, optional, tag = "8")]
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    #[prost(message, optional, tag = "9")]
    pub updated_at: Option<Timestamp>,
    /// What clients keep with it.
    #[prost(btree_map = "string, message", tag = "10")]
    pub extensions: BTreeMap<String, Any>,
    /// The sandbox it belongs to.
    #[prost(string, tag = "11")]
    pub sandbox: String,
}

/// One record, of which only the id counts: `GetContainerRequest`, `DeleteContainerRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContainerId {
    /// The id.
    #[prost(string, tag = "1")]
    pub id: String,
}

/// One record: `CreateContainerRequest`, and the answers of `Get`, `Create`, `Update` and `ListStream`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OneContainer {
    /// The record.
    #[prost(message, optional, tag = "1")]
    pub container: Option<Container>,
}

/// List records.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListContainersRequest {
    /// Which; none: all.
    #[prost(string, repeated, tag = "1")]
    pub filters: Vec<String>,
}

/// All records.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListContainersResponse {
    /// The records.
    #[prost(message, repeated, tag = "1")]
    pub containers: Vec<Container>,
}

/// Change a record.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UpdateContainerRequest {
    /// The new values.
    #[prost(message, optional, tag = "1")]
    pub container: Option<Container>,
    /// Which of them count; absent: all that may change.
    #[prost(message, optional, tag = "2")]
    pub update_mask: Option<FieldMask>,
}

/// `google.protobuf.FieldMask`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FieldMask {
    /// `labels`, `labels.<key>`, `spec`, …
    #[prost(string, repeated, tag = "1")]
    pub paths: Vec<String>,
}
