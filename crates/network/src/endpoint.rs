//! The endpoint: one container's interface in one network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::request::{Attachment, Mac};

/// An endpoint with everything that inspect shows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointInfo {
    /// 64 hex.
    pub id: String,
    /// The network's id.
    pub network: String,
    /// The network's name.
    pub network_name: String,
    /// What was asked for: static address, aliases, links.
    pub wish: Attachment,
    /// Link and address; `None` in host and none networks.
    pub link: Option<Link>,
    /// Names that answer in the network's DNS (user-defined networks): container name, short id, aliases.
    pub dns_names: Vec<String>,
}

/// The interface of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Name inside, `eth0`. Whoever is inside may change it.
    pub interface: String,
    /// Number inside, which nobody changes; 0: it is not there yet.
    #[serde(default)]
    pub index: u32,
    /// Name of the host's end of the veth pair; empty where there is none.
    pub peer: String,
    /// MAC inside; all zero where it is the parent's.
    pub mac: Mac,
    /// IPv4 address inside.
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
    /// Prefix length of the IPv4 subnet.
    #[serde(default)]
    pub prefix_length: u8,
    /// The network's gateway, whether the default route leads there or not; `None` in internal networks.
    #[serde(default)]
    pub gateway: Option<Ipv4Addr>,
    /// IPv6 address inside.
    #[serde(default)]
    pub address6: Option<Ipv6Addr>,
    /// Prefix length of the IPv6 subnet.
    #[serde(default)]
    pub prefix_length6: u8,
    /// The network's IPv6 gateway.
    #[serde(default)]
    pub gateway6: Option<Ipv6Addr>,
    /// A default route leads out by the interface, without a gateway.
    #[serde(default)]
    pub routes_by_itself: bool,
}

impl Link {
    /// An interface without addresses.
    pub(crate) fn named(interface: String, peer: String) -> Self {
        Self {
            interface,
            index: 0,
            peer,
            mac: Mac([0; 6]),
            address: None,
            prefix_length: 0,
            gateway: None,
            address6: None,
            prefix_length6: 0,
            gateway6: None,
            routes_by_itself: false,
        }
    }

    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let four = self.address.map(IpAddr::from);
        four.into_iter().chain(self.address6.map(IpAddr::from))
    }

    /// Its gateways, IPv4 first.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        let four = self.gateway.map(IpAddr::from);
        four.into_iter().chain(self.gateway6.map(IpAddr::from))
    }

    /// Where a default route of IPv4 by it leads; unspecified: to no gateway.
    pub(crate) fn way_out(&self) -> Option<IpAddr> {
        let by_itself = self.routes_by_itself && self.address.is_some();
        let gateway = self.gateway.or(by_itself.then_some(Ipv4Addr::UNSPECIFIED));
        gateway.map(IpAddr::from)
    }

    /// The same of IPv6.
    pub(crate) fn way_out6(&self) -> Option<IpAddr> {
        let by_itself = self.routes_by_itself && self.address6.is_some();
        let gateway = self.gateway6.or(by_itself.then_some(Ipv6Addr::UNSPECIFIED));
        gateway.map(IpAddr::from)
    }

    /// Its addresses with their prefix lengths.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> {
        let length = |address: &IpAddr| match address {
            IpAddr::V4(_) => self.prefix_length,
            IpAddr::V6(_) => self.prefix_length6,
        };
        self.addresses()
            .filter_map(move |address| IpNet::new(address, length(&address)).ok())
    }
}
