//! MAC addresses and interface names.

use std::net::{IpAddr, Ipv6Addr};

use tierce_oci::Digest;

use crate::network::Network;
use crate::request::Mac;

/// `02:42` and the IPv4 address, as Docker did up to 27: an address keeps its MAC when it goes to the next container,
/// so no neighbour's entry is ever wrong. Without IPv4 it follows from the IPv6 one.
pub(crate) fn mac_of(address: IpAddr) -> Mac {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            Mac([0x02, 0x42, a, b, c, d])
        }
        // All of the address counts: two that end alike may be neighbours.
        IpAddr::V6(address) => mac_out_of(&address.octets()),
    }
}

/// One that follows from anything.
pub(crate) fn mac_out_of(bytes: &[u8]) -> Mac {
    let digest = Digest::sha256_of(bytes);
    let number = digest.hex().get(..10).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let [_, _, mut bytes @ ..] = number.unwrap_or_default().to_be_bytes();
    bytes[0] = 0x06;
    Mac(bytes)
}

/// The address that an interface with IPv6 has by itself (RFC 4291, appendix A).
pub(super) fn link_local_of(mac: Mac) -> IpAddr {
    let (vendor, device) = mac.0.split_at(3);
    let mut address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x00ff, 0xfe00, 0).octets();
    address[8..11].copy_from_slice(vendor);
    address[13..].copy_from_slice(device);
    address[8] ^= 2;
    IpAddr::from(address)
}

/// The bridge's own, from the address that it has or could have. Where there is none, every address may be a container's.
pub(crate) fn mac_of_bridge(network: &Network) -> Mac {
    let gateway = network.subnets().find_map(|ipam| ipam.gateway);
    gateway.map_or_else(|| mac_out_of(network.id.as_bytes()), mac_of)
}

/// Name of the host's end: prefix and the start of the endpoint's id, at most 15 bytes.
pub(crate) fn peer_name(prefix: &str, endpoint: &str) -> String {
    let room = 15usize.saturating_sub(prefix.len()).min(8);
    format!("{prefix}{}", endpoint.get(..room).unwrap_or(endpoint))
}
