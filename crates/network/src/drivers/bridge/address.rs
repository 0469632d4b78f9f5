//! MAC addresses and interface names.

use std::net::Ipv4Addr;

use crate::request::Mac;

/// `02:42` and the IPv4 address, as Docker did up to 27: an address keeps its MAC when it goes to the next container,
/// so no neighbour's ARP entry is ever wrong.
pub(crate) fn mac_of(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    Mac([0x02, 0x42, a, b, c, d])
}

/// Name of the host's end: prefix and the start of the endpoint's id, at most 15 bytes.
pub(crate) fn peer_name(prefix: &str, endpoint: &str) -> String {
    let room = 15usize.saturating_sub(prefix.len()).min(8);
    format!("{prefix}{}", endpoint.get(..room).unwrap_or(endpoint))
}
