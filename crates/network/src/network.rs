//! The network: a group of endpoints that reach each other.

use std::collections::BTreeMap;

use tierce_ipam::Ipam;

use crate::drivers::{self, bridge::Options, ipvlan, macvlan};

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
    /// IPv4 subnet and gateway; `None` where there is no IPv4, and for host and none.
    pub ipam: Option<Ipam>,
    /// The same of IPv6.
    pub ipam6: Option<Ipam>,
    /// Whose settings it has.
    pub configuration: Configuration,
    /// Subnets that the user named, of families that the network has not: shown, and of no effect.
    pub idle: Vec<Ipam>,
    /// No way out.
    pub internal: bool,
    /// Containers of a swarm's user may join it: kept, and of no effect here.
    pub attachable: bool,
    /// Options of the address management as given, of no effect here.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Labels as given.
    pub labels: BTreeMap<String, String>,
    /// Driver options as given, for inspect.
    pub options: BTreeMap<String, String>,
}

/// Whose settings a network has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Configuration {
    /// Its own.
    #[default]
    Own,
    /// It is nothing but settings for others (`--config-only`).
    Only {
        /// Others have IPv4.
        ipv4: bool,
        /// Others have IPv6.
        ipv6: bool,
    },
    /// Those of the network of this name (`--config-from`).
    From(String),
}

/// Driver and its parsed options.
#[derive(Debug, Clone, PartialEq)]
pub enum NetworkKind {
    /// Linux bridge.
    Bridge(Options),
    /// Interfaces upon a parent, with hardware addresses of their own.
    Macvlan(macvlan::Options),
    /// Interfaces upon a parent, with its hardware address.
    Ipvlan(ipvlan::Options),
    /// The host's stack.
    Host,
    /// Only `lo`.
    None,
}

impl NetworkKind {
    /// The interface of the host that a network's interfaces sit upon.
    pub(crate) fn parent(&self) -> Option<&str> {
        match self {
            Self::Macvlan(options) => Some(&options.parent),
            Self::Ipvlan(options) => Some(&options.parent),
            _ => None,
        }
    }

    /// Whether interfaces have another end on the host, where traffic can be redirected.
    pub(crate) fn has_host_end(&self) -> bool {
        matches!(self, Self::Bridge(_))
    }

    /// Whether interfaces have hardware addresses of their own.
    pub(crate) fn has_own_mac(&self) -> bool {
        !matches!(self, Self::Ipvlan(_))
    }

    /// Whether the default route needs no gateway.
    pub(crate) fn routes_by_itself(&self) -> bool {
        matches!(self, Self::Ipvlan(options) if options.mode != ipvlan::Mode::L2)
    }
}

impl Network {
    /// Docker's driver name: `bridge`, `host`, `null`.
    pub fn driver(&self) -> &'static str {
        drivers::of(&self.kind).name()
    }

    /// Its subnets, IPv4 first.
    pub fn subnets(&self) -> impl Iterator<Item = &Ipam> {
        self.ipam.iter().chain(&self.ipam6)
    }

    /// The subnet of a family, also one that is idle.
    pub(crate) fn subnet_of(&self, ipv6: bool) -> Option<&Ipam> {
        let mut all = self.subnets().chain(&self.idle);
        all.find(|ipam| ipam.subnet.addr().is_ipv6() == ipv6)
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
