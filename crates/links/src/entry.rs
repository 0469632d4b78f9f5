//! What the kernel tells of links, addresses and routes.

use std::net::IpAddr;

use ipnet::IpNet;
use tierce_sys::netlink::Attributes;

use crate::going::IFLA_GROUP;
use crate::numbers::{
    AF_INET, AF_INET6, IFF_UP, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU,
};

/// A link as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEntry {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Number of the bridge it is a port of.
    pub master: Option<u32>,
    /// `bridge`, `veth`, …; empty for hardware.
    pub kind: String,
    /// What somebody wrote down in it.
    pub alias: String,
    /// Its MTU.
    pub mtu: u32,
    /// It is switched on.
    pub is_up: bool,
    /// Number of the group it is in.
    pub(crate) group: u32,
}

/// A route as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteEntry {
    /// Where it leads.
    pub destination: IpNet,
    /// Number of the link it leaves by.
    pub link: u32,
}

/// What others did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A link of that name was deleted that nobody had given up.
    LinkGone(String),
    /// A link was given up.
    LinkGoing(LinkEntry),
    /// A route came.
    Route(RouteEntry),
}

/// A route that is no default route, no link-local one and no address of the host's own.
pub(crate) fn route_entry(payload: &[u8]) -> Option<RouteEntry> {
    const LOCAL: u8 = 255;
    let (length, table) = (*payload.get(1)?, *payload.get(4)?);
    if length == 0 || table == LOCAL {
        return None;
    }
    let attributes = payload.get(12..)?;
    let destination = IpNet::new(address_of(Attributes::find(attributes, 1)?)?, length).ok()?;
    let link = Attributes::find(attributes, 4)
        .and_then(|link| field(link, 0))
        .unwrap_or(0);
    (!is_link_local(destination.addr())).then_some(RouteEntry { destination, link })
}

pub(crate) fn link_entry(payload: &[u8]) -> Option<LinkEntry> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
    let attributes = payload.get(16..)?;
    let kind = Attributes::find(attributes, IFLA_LINKINFO).and_then(|info| Attributes::find(info, IFLA_INFO_KIND));
    Some(LinkEntry {
        index: field(payload, 4)?,
        name: text(Attributes::find(attributes, IFLA_IFNAME)?),
        master: Attributes::find(attributes, IFLA_MASTER).and_then(|master| field(master, 0)),
        kind: kind.map(text).unwrap_or_default(),
        alias: Attributes::find(attributes, IFLA_IFALIAS).map(text).unwrap_or_default(),
        mtu: Attributes::find(attributes, IFLA_MTU)
            .and_then(|mtu| field(mtu, 0))
            .unwrap_or(0),
        is_up: field(payload, 8)? & IFF_UP != 0,
        group: Attributes::find(attributes, IFLA_GROUP)
            .and_then(|group| field(group, 0))
            .unwrap_or(0),
    })
}

pub(crate) fn field(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub(crate) fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// What every IPv6 link has, and the groups.
pub fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}
