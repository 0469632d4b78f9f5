//! The network: a group of endpoints that reach each other.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::drivers::{self, bridge::Options};

/// A network as it is known to callers; [`crate::document`] is its form on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// 64 hex.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// When it was created.
    pub created: jiff::Timestamp,
    /// What it is made of.
    pub kind: NetworkKind,
    /// IPv4 subnet, gateway; `None` for host and none.
    pub ipam: Option<Ipam>,
    /// No way out.
    pub internal: bool,
    /// Labels as given.
    pub labels: BTreeMap<String, String>,
    /// Driver options as given, for inspect.
    pub options: BTreeMap<String, String>,
}

/// Driver and its parsed options.
#[derive(Debug, Clone, PartialEq)]
pub enum NetworkKind {
    /// Linux bridge.
    Bridge(Options),
    /// The host's stack.
    Host,
    /// Only `lo`.
    None,
}

/// Addresses of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipam {
    /// The subnet.
    pub subnet: Ipv4Net,
    /// The containers' default gateway.
    pub gateway: Ipv4Addr,
    /// Part of the subnet from which addresses are taken by themselves.
    pub allocation: Option<Ipv4Net>,
    /// The user named the subnet (then `--ip` is allowed).
    pub configured: bool,
}

impl Network {
    /// Docker's driver name: `bridge`, `host`, `null`.
    pub fn driver(&self) -> &'static str {
        drivers::of(&self.kind).name()
    }

    /// Whether it is one of `bridge`, `host`, `none`.
    pub fn is_predefined(&self) -> bool {
        is_predefined(&self.name)
    }
}

/// Whether `name` is one of the predefined networks.
pub(crate) fn is_predefined(name: &str) -> bool {
    matches!(name, "bridge" | "host" | "none" | "default")
}
