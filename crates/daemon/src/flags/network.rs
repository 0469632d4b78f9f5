//! Flags of networks.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

use super::values;

/// Networks.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct NetworkFlags {
    /// Interface of the default bridge; none: there is no default bridge [default: docker0]
    #[arg(short = 'b', long, value_name = "INTERFACE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge: Option<String>,
    /// Address and prefix of the default bridge
    #[arg(long, value_name = "CIDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    bip: Option<String>,
    /// Addresses of containers on the default bridge are taken from here
    #[arg(long, value_name = "CIDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_cidr: Option<String>,
    /// Gateway of containers on the default bridge
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    default_gateway: Option<String>,
    /// Pool for new networks: base=CIDR,size=PREFIX (may be given several times)
    #[arg(long = "default-address-pool", value_name = "POOL", value_parser = values::pool)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    default_address_pools: Vec<Value>,
    /// MTU of the default bridge
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<i64>,
    /// Containers may talk to each other on the default bridge
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    icc: Option<bool>,
    /// Masquerade what leaves the default bridge
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_masq: Option<bool>,
    /// Switch the host's IPv4 forwarding on
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_forward: Option<bool>,
    /// Program the packet filter; without it published ports need the administrator
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    iptables: Option<bool>,
    /// Relay connections that the kernel cannot bring to a container
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    userland_proxy: Option<bool>,
    /// Name of the packet filter's table; each daemon of a host needs its own
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    firewall_table: Option<String>,
    /// Beginning of the names of host interfaces; each daemon of a host needs its own
    #[arg(long, value_name = "PREFIX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    interface_prefix: Option<String>,
    /// Option of new networks of a driver: DRIVER=OPTION=VALUE (may be given several times)
    #[arg(long = "default-network-opt", value_name = "OPTION", value_parser = values::network_option)]
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "values::serialize_network_options"
    )]
    default_network_opts: Vec<(String, String, String)>,
}

/// IPv6.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Ipv6Flags {
    /// The default bridge has IPv6
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6: Option<bool>,
    /// IPv6 address and prefix of the default bridge
    #[arg(long, value_name = "CIDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    bip6: Option<String>,
    /// IPv6 addresses of containers on the default bridge are taken from here
    #[arg(long, value_name = "CIDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_cidr_v6: Option<String>,
    /// IPv6 gateway of containers on the default bridge
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    default_gateway_v6: Option<String>,
    /// Program the packet filter of IPv6
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6tables: Option<bool>,
}

/// Addresses of the host, and who reaches published ports at them.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AddressFlags {
    /// Host address that ports are published on unless they say
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    /// The same as --ip, and first where both are given: 127.0.0.1 keeps ports from other hosts unless they say otherwise
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    publish_default_address: Option<IpAddr>,
    /// What comes from outside to a published port must pass the host's own rules for incoming packets (ufw, firewalld);
    /// it is relayed then
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    firewall_obey_host: Option<bool>,
    /// Address that `host-gateway` of --add-host stands for, one of each family [default: the default bridge's] (may be
    /// given several times)
    #[arg(long = "host-gateway-ip", value_name = "ADDRESS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    host_gateway_ips: Vec<IpAddr>,
    /// Published ports answer at the containers' own addresses too
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_direct_routing: Option<bool>,
}
