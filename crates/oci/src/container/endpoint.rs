//! A network of a container as `config.v2.json` has it. Source: moby `daemon/network/settings.go`,
//! `api/types/network/endpoint.go`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One network of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointSettings {
    /// Addresses that the user asked for (`IPv4Address`, `IPv6Address`, `LinkLocalIPs`).
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<Value>,
    /// Links to other containers.
    pub links: Option<Vec<String>>,
    /// Extra names on this network.
    pub aliases: Option<Vec<String>>,
    /// Hardware address.
    pub mac_address: String,
    /// Options of the driver.
    pub driver_opts: Option<BTreeMap<String, String>>,
    /// Which endpoint gives the default route.
    pub gw_priority: i64,
    /// Id of the network.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// Id of the endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// IPv4 gateway.
    pub gateway: String,
    /// IPv4 address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Its prefix length.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: i64,
    /// IPv6 gateway.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// IPv6 address.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// Its prefix length.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: i64,
    /// Names under which other containers find it.
    #[serde(rename = "DNSNames")]
    pub dns_names: Option<Vec<String>>,
    /// Whether the address was given by a driver of addresses that this daemon does not own.
    #[serde(rename = "IPAMOperational")]
    pub ipam_operational: bool,
    /// Hardware address that the user asked for; `mac_address` is the one that the running container has.
    pub desired_mac_address: String,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
