//! The endpoint: one container's interface in one network.

use std::net::Ipv4Addr;

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
    /// Name inside, `eth0`.
    pub interface: String,
    /// Name of the host's end of the veth pair.
    pub peer: String,
    /// MAC inside.
    pub mac: Mac,
    /// Address inside.
    pub address: Ipv4Addr,
    /// Prefix length of the subnet.
    pub prefix_length: u8,
    /// Default gateway; `None` in internal networks.
    pub gateway: Option<Ipv4Addr>,
}
