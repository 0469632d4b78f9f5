//! Networks and the endpoints that join containers to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::nullable;

/// One network, in lists and alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its id, 64 hex digits.
    pub id: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// `local` or `swarm`.
    pub scope: String,
    /// Name of its driver.
    pub driver: String,
    /// Whether it carries IPv4.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    /// Whether it carries IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Its address pools.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Cut off from outside.
    pub internal: bool,
    /// Whether plain containers may join a swarm network.
    pub attachable: bool,
    /// Swarm's routing mesh.
    pub ingress: bool,
    /// The network whose configuration this one takes.
    pub config_from: ConfigReference,
    /// Whether it is only a configuration for others.
    pub config_only: bool,
    /// Containers that are on it now, by container id.
    #[serde(deserialize_with = "nullable::or_default")]
    pub containers: BTreeMap<String, NetworkContainer>,
    /// Driver options.
    #[serde(deserialize_with = "nullable::or_default")]
    pub options: BTreeMap<String, String>,
    /// User's labels.
    #[serde(deserialize_with = "nullable::or_default")]
    pub labels: BTreeMap<String, String>,
}

/// Name of a network that holds a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigReference {
    /// That network's name; empty when there is none.
    pub network: String,
}

/// Address management of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ipam {
    /// Name of the driver, `default`.
    #[serde(deserialize_with = "nullable::or_default")]
    pub driver: String,
    /// Its options.
    pub options: Option<BTreeMap<String, String>>,
    /// The pools.
    pub config: Option<Vec<IpamPool>>,
}

/// One address pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamPool {
    /// The subnet as a prefix, `172.17.0.0/16`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable::or_default")]
    pub subnet: String,
    /// The part of it that addresses are taken from.
    #[serde(
        rename = "IPRange",
        skip_serializing_if = "String::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub ip_range: String,
    /// Address of the gateway.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable::or_default")]
    pub gateway: String,
    /// Addresses kept for others, by name.
    #[serde(
        rename = "AuxiliaryAddresses",
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// A container on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkContainer {
    /// Its name.
    pub name: String,
    /// Id of its endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// Hardware address.
    pub mac_address: String,
    /// Address with prefix length.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// Address with prefix length.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// Body of `POST /networks/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkCreate {
    /// Its name.
    pub name: String,
    /// Refuse a second network of that name; always so since API 1.44.
    #[serde(
        skip_serializing_if = "nullable::is_false",
        deserialize_with = "nullable::or_default"
    )]
    pub check_duplicate: bool,
    /// Driver; empty = `bridge`.
    #[serde(deserialize_with = "nullable::or_default")]
    pub driver: String,
    /// `local` or `swarm`.
    #[serde(deserialize_with = "nullable::or_default")]
    pub scope: String,
    /// Whether it carries IPv4; unset = yes.
    #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    /// Whether it carries IPv6; unset = the daemon's default.
    #[serde(rename = "EnableIPv6", skip_serializing_if = "Option::is_none")]
    pub enable_ipv6: Option<bool>,
    /// Address pools; unset = one is chosen.
    #[serde(rename = "IPAM", skip_serializing_if = "Option::is_none")]
    pub ipam: Option<Ipam>,
    /// Cut off from outside.
    #[serde(deserialize_with = "nullable::or_default")]
    pub internal: bool,
    /// Whether plain containers may join a swarm network.
    #[serde(deserialize_with = "nullable::or_default")]
    pub attachable: bool,
    /// Swarm's routing mesh.
    #[serde(deserialize_with = "nullable::or_default")]
    pub ingress: bool,
    /// Whether it is only a configuration for others.
    #[serde(deserialize_with = "nullable::or_default")]
    pub config_only: bool,
    /// The network whose configuration this one takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_from: Option<ConfigReference>,
    /// Driver options.
    #[serde(deserialize_with = "nullable::or_default")]
    pub options: BTreeMap<String, String>,
    /// User's labels.
    #[serde(deserialize_with = "nullable::or_default")]
    pub labels: BTreeMap<String, String>,
}

/// Answer of `POST /networks/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkCreated {
    /// The new id.
    pub id: String,
    /// What the user should know.
    pub warning: String,
}

/// Answer of `POST /networks/prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworksPruned {
    /// Names of what is gone.
    pub networks_deleted: Option<Vec<String>>,
}

/// Body of `POST /networks/{id}/connect`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkConnect {
    /// Container name or id.
    pub container: String,
    /// What is asked of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_config: Option<EndpointSettings>,
}

/// Body of `POST /networks/{id}/disconnect`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkDisconnect {
    /// Container name or id.
    pub container: String,
    /// Also when the container does not answer.
    #[serde(deserialize_with = "nullable::or_default")]
    pub force: bool,
}

/// A container's place on one network: what was asked for and, while it runs, what it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointSettings {
    /// Addresses that were asked for.
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<EndpointIpam>,
    /// Legacy links.
    pub links: Option<Vec<String>>,
    /// Further names on this network.
    pub aliases: Option<Vec<String>>,
    /// Hardware address.
    #[serde(deserialize_with = "nullable::or_default")]
    pub mac_address: String,
    /// Driver options.
    pub driver_opts: Option<BTreeMap<String, String>>,
    /// Which network gives the default route; the highest wins.
    #[serde(deserialize_with = "nullable::or_default")]
    pub gw_priority: i64,
    /// Id of the network.
    #[serde(rename = "NetworkID", deserialize_with = "nullable::or_default")]
    pub network_id: String,
    /// Id of the endpoint; empty while stopped.
    #[serde(rename = "EndpointID", deserialize_with = "nullable::or_default")]
    pub endpoint_id: String,
    /// IPv4 gateway.
    #[serde(deserialize_with = "nullable::or_default")]
    pub gateway: String,
    /// IPv4 address.
    #[serde(rename = "IPAddress", deserialize_with = "nullable::or_default")]
    pub ip_address: String,
    /// Its prefix length.
    #[serde(rename = "IPPrefixLen", deserialize_with = "nullable::or_default")]
    pub ip_prefix_len: u8,
    /// IPv6 gateway.
    #[serde(rename = "IPv6Gateway", deserialize_with = "nullable::or_default")]
    pub ipv6_gateway: String,
    /// IPv6 address.
    #[serde(rename = "GlobalIPv6Address", deserialize_with = "nullable::or_default")]
    pub global_ipv6_address: String,
    /// Its prefix length.
    #[serde(rename = "GlobalIPv6PrefixLen", deserialize_with = "nullable::or_default")]
    pub global_ipv6_prefix_len: u8,
    /// Names that resolve to this endpoint.
    #[serde(rename = "DNSNames")]
    pub dns_names: Option<Vec<String>>,
}

/// Addresses asked for on one network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointIpam {
    /// IPv4 address.
    #[serde(
        rename = "IPv4Address",
        skip_serializing_if = "String::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub ipv4_address: String,
    /// IPv6 address.
    #[serde(
        rename = "IPv6Address",
        skip_serializing_if = "String::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub ipv6_address: String,
    /// Link-local addresses.
    #[serde(
        rename = "LinkLocalIPs",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub link_local_ips: Vec<String>,
}
