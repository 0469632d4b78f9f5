//! What clients ask of the supervisor itself: its version, its namespaces, leases.

use crate::messages::Timestamp;
use std::collections::BTreeMap;

/// `Version`.
pub const VERSION: &str = "containerd.services.version.v1.Version";
/// `Introspection`.
pub const INTROSPECTION: &str = "containerd.services.introspection.v1.Introspection";
/// `Namespaces`.
pub const NAMESPACES: &str = "containerd.services.namespaces.v1.Namespaces";
/// `Leases`.
pub const LEASES: &str = "containerd.services.leases.v1.Leases";

/// What serves.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct VersionResponse {
    /// Its version.
    #[prost(string, tag = "1")]
    pub version: String,
    /// What it was built from.
    #[prost(string, tag = "2")]
    pub revision: String,
    /// Ours: which of our own fields it knows; 0: none, it is containerd.
    #[prost(uint32, tag = "1000")]
    pub extensions: u32,
}

/// Our own fields as they are now.
pub const EXTENSIONS: u32 = 1;

/// The process that serves.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ServerResponse {
    /// Which one, over its restarts.
    #[prost(string, tag = "1")]
    pub uuid: String,
    /// Its process id.
    #[prost(uint64, tag = "2")]
    pub pid: u64,
    /// Its process id namespace.
    #[prost(uint64, tag = "3")]
    pub pidns: u64,
}

/// A namespace, and the answers of `Get` and `Create`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Namespace {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What its maker notes of it.
    #[prost(btree_map = "string, string", tag = "2")]
    pub labels: BTreeMap<String, String>,
}

/// One namespace.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OneNamespace {
    /// The namespace.
    #[prost(message, optional, tag = "1")]
    pub namespace: Option<Namespace>,
}

/// All namespaces.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListNamespacesResponse {
    /// The namespaces.
    #[prost(message, repeated, tag = "1")]
    pub namespaces: Vec<Namespace>,
}

/// A lease.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Lease {
    /// Its id; in a request it may be empty, and is invented.
    #[prost(string, tag = "1")]
    pub id: String,
    /// When it was made.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Timestamp>,
    /// What its maker notes of it.
    #[prost(btree_map = "string, string", tag = "3")]
    pub labels: BTreeMap<String, String>,
}

/// One lease.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OneLease {
    /// The lease.
    #[prost(message, optional, tag = "1")]
    pub lease: Option<Lease>,
}
