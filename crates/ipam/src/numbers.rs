//! Addresses of both families as numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// An address as a number.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// The address `offset` after the first of `subnet`.
pub(crate) fn address(subnet: IpNet, offset: u128) -> IpAddr {
    let number = number(subnet.network()).wrapping_add(offset);
    match subnet {
        IpNet::V4(_) => Ipv4Addr::from(number as u32).into(),
        IpNet::V6(_) => Ipv6Addr::from(number).into(),
    }
}

/// The number of a subnet's last address, counted from its first.
pub(crate) fn size(subnet: IpNet) -> u128 {
    let bits = u32::from(subnet.max_prefix_len() - subnet.prefix_len());
    1u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1)
}
