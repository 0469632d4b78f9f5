//! The sandbox: a container's network stack, with its endpoints and published ports. Also its record in
//! `<state>/<container id>.json`, from which a restarted daemon finds everything again.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tierce_dns::Upstream;
use tierce_oci::container::{PortBinding, PortMap};

use crate::endpoint::{EndpointInfo, Link};
use crate::request::{Port, Publication};

/// A container's sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// 64 hex.
    pub id: String,
    /// The container's id.
    pub container: String,
    /// The container's name when it joined.
    pub name: String,
    /// Where the namespace is pinned (inspect's `SandboxKey`), to be set as `path` of the spec's network namespace;
    /// `None` in host mode: the spec has no network namespace then.
    pub key: Option<PathBuf>,
    /// One per network, `eth0` first.
    pub endpoints: Vec<EndpointInfo>,
    /// What is published where.
    pub ports: Vec<Published>,
    /// Exposed but unpublished ports.
    pub exposed: Vec<Port>,
    /// Containers that it is linked to on the default bridge.
    #[serde(default)]
    pub links: Vec<String>,
    /// Its DNS server; none where no network has names.
    #[serde(default)]
    pub name_server: Option<NameServer>,
    /// Id of the endpoint that is being connected or disconnected.
    #[serde(default)]
    pub changing: Option<String>,
    /// What shall be published when that is done, if the ports come to lead elsewhere.
    #[serde(default)]
    pub wishes: Vec<Publication>,
}

/// The DNS server of a sandbox, at [`tierce_dns::ADDRESS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameServer {
    /// Where it listens; 53 leads there.
    pub port: u16,
    /// Whom it asks for names of others, see [`tierce_dns::Join`].
    pub upstreams: Vec<Upstream>,
    /// Names without a dot are not asked for elsewhere.
    pub only_dotted: bool,
    /// Names that this container alone knows.
    #[serde(default)]
    pub hosts: Vec<(String, IpAddr)>,
}

/// A published port as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Published {
    /// The container's port.
    pub port: Port,
    /// Host address (unspecified: all).
    pub address: IpAddr,
    /// Host port; 0: none, the port answers at the container's own address (routed networks).
    pub host_port: u16,
}

impl Sandbox {
    /// The first endpoint that has an interface: the one whose addresses inspect repeats at the top level.
    pub fn primary(&self) -> Option<(&EndpointInfo, &Link)> {
        self.endpoints
            .iter()
            .find_map(|endpoint| Some((endpoint, endpoint.link.as_ref()?)))
    }

    /// The endpoint that has the default route, that of IPv4 if there are two.
    pub fn way_out(&self) -> Option<(&EndpointInfo, &Link)> {
        let (endpoint, link, _) = self.best(Link::way_out).or_else(|| self.best(Link::way_out6))?;
        Some((endpoint, link))
    }

    /// The default routes of both families: endpoint, interface and gateway, which is unspecified where there is none.
    pub(crate) fn ways_out(&self) -> impl Iterator<Item = (&EndpointInfo, &Link, IpAddr)> {
        [self.best(Link::way_out), self.best(Link::way_out6)]
            .into_iter()
            .flatten()
    }

    /// Of the endpoints that lead out, the one of the highest priority; between equals the network's name decides, as with
    /// dockerd.
    fn best(&self, way: fn(&Link) -> Option<IpAddr>) -> Option<(&EndpointInfo, &Link, IpAddr)> {
        let ways = self.endpoints.iter().filter_map(|endpoint| {
            let link = endpoint.link.as_ref()?;
            Some((endpoint, link, way(link)?))
        });
        ways.min_by_key(|(endpoint, ..)| (Reverse(endpoint.wish.priority), endpoint.network_name.as_str()))
    }

    /// Where published ports of IPv4, or of IPv6, lead: to the endpoint that has the family's default route. Where that is
    /// none, or leads by a wire that passes the host's packet filter by, nothing is published.
    pub fn published_at(&self, ipv6: bool) -> Option<(&EndpointInfo, &Link)> {
        let way = if ipv6 { Link::way_out6 } else { Link::way_out };
        let (endpoint, link, _) = self.best(way)?;
        (!link.peer.is_empty()).then_some((endpoint, link))
    }

    /// Inspect's `SandboxKey`: the pinned namespace, or `<netns directory>/default` in host mode.
    pub fn key_or_host(&self, netns: &Path) -> PathBuf {
        self.key.clone().unwrap_or_else(|| netns.join("default"))
    }

    /// Inspect's `NetworkSettings.Ports`: published ports with their host side, exposed ones with `null`; none at all where
    /// there is nowhere to publish them from.
    pub fn port_map(&self) -> PortMap {
        let mut map = PortMap::new();
        if self.published_at(false).or(self.published_at(true)).is_none() {
            return map;
        }
        for port in &self.exposed {
            map.insert(port.to_string(), None);
        }
        for published in &self.ports {
            map.entry(published.port.to_string())
                .or_default()
                .get_or_insert_default()
                .push(PortBinding {
                    host_ip: published.address.to_string(),
                    host_port: match published.host_port {
                        0 => String::new(),
                        port => port.to_string(),
                    },
                });
        }
        map
    }
}
