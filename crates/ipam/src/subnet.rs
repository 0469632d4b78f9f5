//! The subnet of a network, and what can be said of subnets alone.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::numbers::address;

/// Addresses of a network, of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipam {
    /// The subnet.
    pub subnet: IpNet,
    /// The containers' default gateway; `None`: they are among themselves.
    pub gateway: Option<IpAddr>,
    /// Part of the subnet from which addresses are taken by themselves.
    pub allocation: Option<IpNet>,
    /// Addresses that others have in the subnet, by names of the user's.
    pub auxiliary: BTreeMap<String, IpAddr>,
    /// The user named the subnet (then `--ip` is allowed).
    pub configured: bool,
    /// The user named the gateway.
    pub gateway_given: bool,
}

impl Ipam {
    /// A subnet of which nothing else is known.
    pub fn of(subnet: IpNet) -> Self {
        Self {
            subnet,
            gateway: None,
            allocation: None,
            auxiliary: BTreeMap::new(),
            configured: false,
            gateway_given: false,
        }
    }

    /// The gateway with the subnet's prefix length: what the bridge has.
    pub fn gateway_address(&self) -> Option<IpNet> {
        IpNet::new(self.gateway?, self.subnet.prefix_len()).ok()
    }
}

/// The first usable address of a subnet.
pub fn first_host(subnet: IpNet) -> IpAddr {
    address(subnet, u128::from(is_edge(subnet.network(), subnet)))
}

/// Network and broadcast address of IPv4, the routers' anycast address of IPv6; very small subnets have none.
pub fn is_edge(address: IpAddr, subnet: IpNet) -> bool {
    match subnet {
        IpNet::V4(small) => small.prefix_len() < 31 && [subnet.network(), subnet.broadcast()].contains(&address),
        IpNet::V6(small) => small.prefix_len() < 128 && address == subnet.network(),
    }
}

/// Whether two subnets have an address in common.
pub fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}
