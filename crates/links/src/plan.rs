//! Requests about links, addresses and routes.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;
use tierce_sys::netlink::{Attributed, Batch, flags};

use crate::LinkEntry;
use crate::entry::{family_of, octets};
use crate::numbers::{
    AF_INET, AF_INET6, DELETE_LINK, DELETE_NEIGHBOUR, GET_LINK, IFF_UP, IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_IFNAME,
    IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, IFLA_NET_NS_FD, NEW_ADDRESS, NEW_LINK,
    NEW_ROUTE, SET_LINK, TABLE_MAIN, VETH_INFO_PEER, link_header,
};

/// Requests that leave together.
#[derive(Debug, Default)]
pub struct Plan {
    pub(crate) batch: Batch,
    pub(crate) about: Vec<(&'static str, String)>,
}

impl Plan {
    pub(crate) fn add(
        &mut self,
        verb: &'static str,
        object: &str,
        kind: u16,
        flag: u16,
        header: &[u8],
        write: impl FnOnce(&mut Attributed<'_>),
    ) -> &mut Self {
        self.batch
            .message(kind, flags::REQUEST | flags::ACK | flag, header, write);
        self.about.push((verb, object.to_owned()));
        self
    }

    /// A bridge, still down.
    pub fn create_bridge(&mut self, name: &str, mac: [u8; 6], mtu: u32) -> &mut Self {
        self.add(
            "create bridge",
            name,
            NEW_LINK,
            flags::CREATE | flags::EXCL,
            &link_header(0, 0, 0),
            |m| {
                m.text(IFLA_IFNAME, name).bytes(IFLA_ADDRESS, &mac).u32(IFLA_MTU, mtu);
                m.nest(IFLA_LINKINFO, |m| {
                    m.text(IFLA_INFO_KIND, "bridge");
                });
            },
        )
    }

    /// A veth pair: `name` (up) where the socket is, `peer` (down) in the namespace `peer_namespace`.
    pub fn create_veth(
        &mut self,
        name: &str,
        mac: [u8; 6],
        mtu: u32,
        peer: &str,
        peer_namespace: BorrowedFd<'_>,
    ) -> &mut Self {
        let header = link_header(0, IFF_UP, IFF_UP);
        self.add(
            "create interface",
            name,
            NEW_LINK,
            flags::CREATE | flags::EXCL,
            &header,
            |m| {
                m.text(IFLA_IFNAME, name).bytes(IFLA_ADDRESS, &mac).u32(IFLA_MTU, mtu);
                m.nest(IFLA_LINKINFO, |m| {
                    m.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, |m| {
                        m.nest_with(VETH_INFO_PEER, &link_header(0, 0, 0), |m| {
                            m.text(IFLA_IFNAME, peer).u32(IFLA_MTU, mtu);
                            m.u32(IFLA_NET_NS_FD, peer_namespace.as_raw_fd() as u32);
                        });
                    });
                });
            },
        )
    }

    /// Ask for a link's entry.
    pub fn look_up(&mut self, name: &str) -> &mut Self {
        self.add("look up interface", name, GET_LINK, 0, &link_header(0, 0, 0), |m| {
            m.text(IFLA_IFNAME, name);
        })
    }

    /// Up.
    pub fn up(&mut self, name: &str) -> &mut Self {
        self.add(
            "set up interface",
            name,
            SET_LINK,
            0,
            &link_header(0, IFF_UP, IFF_UP),
            |m| {
                m.text(IFLA_IFNAME, name);
            },
        )
    }

    /// No IPv6 link-local address: saves duplicate address detection and multicast reports.
    pub fn no_link_local(&mut self, name: &str) -> &mut Self {
        const ADDRESS_GENERATION_MODE: u16 = 8;
        self.add("set IPv6 mode of", name, SET_LINK, 0, &link_header(0, 0, 0), |m| {
            m.text(IFLA_IFNAME, name).nest(IFLA_AF_SPEC, |m| {
                m.nest(u16::from(AF_INET6), |m| {
                    m.u8(ADDRESS_GENERATION_MODE, 1);
                });
            });
        })
    }

    /// Packets from 127.0.0.0/8 may leave by this link: published ports answer on localhost.
    pub fn route_localnet(&mut self, name: &str) -> &mut Self {
        const INET_CONF: u16 = 1;
        const ROUTE_LOCALNET: u16 = 26;
        self.add("set route_localnet of", name, SET_LINK, 0, &link_header(0, 0, 0), |m| {
            m.text(IFLA_IFNAME, name).nest(IFLA_AF_SPEC, |m| {
                m.nest(u16::from(AF_INET), |m| {
                    m.nest(INET_CONF, |m| {
                        m.u32(ROUTE_LOCALNET, 1);
                    });
                });
            });
        })
    }

    /// Makes a link a port of a bridge, and sets it up.
    pub fn enslave(&mut self, name: &str, bridge: u32) -> &mut Self {
        self.add(
            "join to bridge",
            name,
            SET_LINK,
            0,
            &link_header(0, IFF_UP, IFF_UP),
            |m| {
                m.text(IFLA_IFNAME, name).u32(IFLA_MASTER, bridge);
            },
        )
    }

    /// An address; one that is there already is no error. An IPv6 one is not asked for before it is used: nobody else
    /// has it, and the answer would take seconds.
    pub fn address(&mut self, link: &LinkEntry, address: IpNet) -> &mut Self {
        const NO_DUPLICATE_DETECTION: u8 = 2;
        let (family, address_flags) = match address {
            IpNet::V4(_) => (AF_INET, 0),
            IpNet::V6(_) => (AF_INET6, NO_DUPLICATE_DETECTION),
        };
        let mut header = [family, address.prefix_len(), address_flags, 0, 0, 0, 0, 0];
        header[4..].copy_from_slice(&link.index.to_ne_bytes());
        let flag = flags::CREATE | flags::REPLACE;
        self.add("add address to", &link.name, NEW_ADDRESS, flag, &header, |m| {
            let bytes = octets(address.addr());
            m.bytes(2, &bytes).bytes(1, &bytes);
            if let IpNet::V4(address) = address
                && address.prefix_len() < 31
            {
                m.bytes(4, &address.broadcast().octets());
            }
        })
    }

    /// The default route of the gateway's family, in place of any other; an unspecified gateway means that everything is
    /// taken for a neighbour.
    pub fn default_route(&mut self, link: &LinkEntry, gateway: IpAddr) -> &mut Self {
        const BOOT: u8 = 3;
        const UNICAST: u8 = 1;
        const SCOPE_LINK: u8 = 253;
        let scope = if gateway.is_unspecified() { SCOPE_LINK } else { 0 };
        let header = [
            family_of(gateway),
            0,
            0,
            0,
            TABLE_MAIN,
            BOOT,
            scope,
            UNICAST,
            0,
            0,
            0,
            0,
        ];
        self.add(
            "add default route by",
            &link.name,
            NEW_ROUTE,
            flags::CREATE | flags::REPLACE,
            &header,
            |m| {
                if !gateway.is_unspecified() {
                    m.bytes(5, &octets(gateway));
                }
                m.u32(4, link.index);
            },
        )
    }

    /// Has the host forget where on the link an address is.
    pub fn forget_neighbour(&mut self, link: &LinkEntry, address: IpAddr) -> &mut Self {
        let mut header = [0; 12];
        header[0] = family_of(address);
        header[4..8].copy_from_slice(&link.index.to_ne_bytes());
        self.add("forget neighbour by", &link.name, DELETE_NEIGHBOUR, 0, &header, |m| {
            m.bytes(1, &octets(address));
        })
    }

    /// Deletes a link.
    pub fn delete(&mut self, name: &str) -> &mut Self {
        self.add("delete interface", name, DELETE_LINK, 0, &link_header(0, 0, 0), |m| {
            m.text(IFLA_IFNAME, name);
        })
    }
}
