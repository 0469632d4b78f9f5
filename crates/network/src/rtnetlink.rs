//! rtnetlink requests that this crate needs, as thin functions over the codec of `tierce_sys::netlink`
//! (`rtnetlink(7)`, `linux/if_link.h`).
//!
//! A [`Plan`] collects requests; [`Rtnetlink::apply`] sends them in one go. The kernel does not undo the earlier ones
//! when a later one fails; callers do.

mod going;
mod port;
mod upper;

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use ipnet::IpNet;
use rustix::io::Errno;
use tierce_sys::netlink::{Attributed, Attributes, Batch, Family, Reply, Socket, flags};

use crate::Error;
use crate::request::Mac;
pub(crate) use upper::Upper;

mod entry;

pub(crate) use entry::is_link_local;
use entry::{address_of, family_of, field, link_entry, octets, route_entry};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_BRIDGE: u8 = 7;

/// The host's main routing table.
const TABLE_MAIN: u8 = 254;

/// A link as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkEntry {
    /// Its number.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Number of the bridge it is a port of.
    pub(crate) master: Option<u32>,
    /// `bridge`, `veth`, …; empty for hardware.
    pub(crate) kind: String,
    /// What somebody wrote down in it.
    pub(crate) alias: String,
    /// Its MTU.
    pub(crate) mtu: u32,
    /// It is switched on.
    pub(crate) is_up: bool,
    /// Number of the group it is in.
    group: u32,
}

/// A route as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteEntry {
    /// Where it leads.
    pub(crate) destination: IpNet,
    /// Number of the link it leaves by.
    pub(crate) link: u32,
}

/// What others did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// A link of that name was deleted that nobody had given up.
    LinkGone(String),
    /// A link was given up.
    LinkGoing(LinkEntry),
    /// A route came.
    Route(RouteEntry),
}

/// Requests that leave together.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    batch: Batch,
    about: Vec<(&'static str, String)>,
}

impl Plan {
    fn add(
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
    pub(crate) fn create_bridge(&mut self, name: &str, mac: Mac, mtu: u32) -> &mut Self {
        self.add(
            "create bridge",
            name,
            NEW_LINK,
            flags::CREATE | flags::EXCL,
            &link_header(0, 0, 0),
            |m| {
                m.text(IFLA_IFNAME, name).bytes(IFLA_ADDRESS, &mac.0).u32(IFLA_MTU, mtu);
                m.nest(IFLA_LINKINFO, |m| {
                    m.text(IFLA_INFO_KIND, "bridge");
                });
            },
        )
    }

    /// A veth pair: `name` (up) where the socket is, `peer` (down) in the namespace `peer_namespace`.
    pub(crate) fn create_veth(
        &mut self,
        name: &str,
        mac: Mac,
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
                m.text(IFLA_IFNAME, name).bytes(IFLA_ADDRESS, &mac.0).u32(IFLA_MTU, mtu);
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
    pub(crate) fn look_up(&mut self, name: &str) -> &mut Self {
        self.add("look up interface", name, GET_LINK, 0, &link_header(0, 0, 0), |m| {
            m.text(IFLA_IFNAME, name);
        })
    }

    /// Up.
    pub(crate) fn up(&mut self, name: &str) -> &mut Self {
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
    pub(crate) fn no_link_local(&mut self, name: &str) -> &mut Self {
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
    pub(crate) fn route_localnet(&mut self, name: &str) -> &mut Self {
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
    pub(crate) fn enslave(&mut self, name: &str, bridge: u32) -> &mut Self {
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
    pub(crate) fn address(&mut self, link: &LinkEntry, address: IpNet) -> &mut Self {
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
    pub(crate) fn default_route(&mut self, link: &LinkEntry, gateway: IpAddr) -> &mut Self {
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

    /// Deletes a link.
    pub(crate) fn delete(&mut self, name: &str) -> &mut Self {
        self.add("delete interface", name, DELETE_LINK, 0, &link_header(0, 0, 0), |m| {
            m.text(IFLA_IFNAME, name);
        })
    }
}

/// An rtnetlink socket of one network namespace.
#[derive(Debug)]
pub(crate) struct Rtnetlink {
    socket: Socket,
}

impl Rtnetlink {
    /// In the calling thread's namespace.
    pub(crate) fn open() -> Result<Self, Error> {
        let socket = Socket::open(Family::Route).map_err(|cause| Error::file("open socket", "rtnetlink", cause))?;
        Ok(Self { socket })
    }

    /// As [`Self::open`], for [`Self::news`] alone.
    pub(crate) fn open_with_news() -> Result<Self, Error> {
        const LINKS: u32 = 1;
        const IPV4_ROUTES: u32 = 7;
        const IPV6_ROUTES: u32 = 11;
        let opened = Self::open()?;
        for group in [LINKS, IPV4_ROUTES, IPV6_ROUTES] {
            let joined = opened.socket.join(group);
            joined.map_err(|cause| Error::file("watch", "rtnetlink", cause))?;
        }
        Ok(opened)
    }

    /// Waits for what the kernel tells next.
    pub(crate) fn news(&self) -> std::io::Result<Vec<News>> {
        let mut news = Vec::new();
        self.socket.listen(|message| {
            // A port that leaves its bridge is told as a deleted link of the family "bridge".
            let of_any_family = message.payload.first() == Some(&0);
            let heard = match message.kind {
                DELETE_LINK if of_any_family => link_entry(message.payload)
                    .filter(|link| !link.is_going())
                    .map(|link| News::LinkGone(link.name)),
                NEW_LINK if of_any_family => link_entry(message.payload)
                    .filter(LinkEntry::is_going)
                    .map(News::LinkGoing),
                NEW_ROUTE => route_entry(message.payload).map(News::Route),
                _ => None,
            };
            news.extend(heard);
        })?;
        Ok(news)
    }

    /// Sends the plan; returns the entries of the links that were looked up, in order.
    pub(crate) fn apply(&self, plan: &Plan) -> Result<Vec<LinkEntry>, Error> {
        let replies = self.socket.exchange(&plan.batch).map_err(|cause| {
            let about = cause
                .sequence
                .checked_sub(1)
                .and_then(|index| plan.about.get(index as usize))
                .cloned();
            let (verb, object) = about.unwrap_or(("talk to", "rtnetlink".to_owned()));
            Error::Kernel { verb, object, cause }
        })?;
        Ok(replies
            .iter()
            .filter(|reply| reply.kind == NEW_LINK)
            .filter_map(|reply| link_entry(&reply.payload))
            .collect())
    }

    /// A link's entry, if it exists.
    pub(crate) fn link(&self, name: &str) -> Result<Option<LinkEntry>, Error> {
        let mut plan = Plan::default();
        plan.look_up(name);
        match self.apply(&plan) {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(Error::Kernel { cause, .. }) if cause.is(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a link; one that is gone already is no error.
    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        let mut plan = Plan::default();
        plan.delete(name);
        match self.apply(&plan) {
            Err(Error::Kernel { cause, .. }) if cause.is(Errno::NODEV) => Ok(()),
            other => other.map(drop),
        }
    }

    /// All links.
    pub(crate) fn links(&self) -> Result<Vec<LinkEntry>, Error> {
        let replies = self.dump("list", "interfaces", GET_LINK, &link_header(0, 0, 0))?;
        Ok(replies.iter().filter_map(|reply| link_entry(&reply.payload)).collect())
    }

    /// The addresses of a link, but for the link-local ones of IPv6.
    pub(crate) fn addresses(&self, link: u32) -> Result<Vec<IpNet>, Error> {
        let all = self.all_addresses()?;
        let of_link = all
            .into_iter()
            .filter(|(index, address)| *index == link && !is_link_local(address.addr()));
        Ok(of_link.map(|(_, address)| address).collect())
    }

    /// The addresses of all links, with the links' numbers; the link-local ones, too.
    pub(crate) fn all_addresses(&self) -> Result<Vec<(u32, IpNet)>, Error> {
        let replies = self.dump("list", "addresses", GET_ADDRESS, &[0; 8])?;
        let addresses = replies.iter().filter_map(|reply| {
            let length = *reply.payload.get(1)?;
            // The address itself; IPv6 has only the other attribute.
            let attributes = reply.payload.get(8..)?;
            let bytes = Attributes::find(attributes, 2).or_else(|| Attributes::find(attributes, 1))?;
            Some((field(&reply.payload, 4)?, IpNet::new(address_of(bytes)?, length).ok()?))
        });
        Ok(addresses.collect())
    }

    /// The routes of all tables, without the default and the link-local ones.
    pub(crate) fn routes(&self) -> Result<Vec<RouteEntry>, Error> {
        let mut all = Vec::new();
        for family in [AF_INET, AF_INET6] {
            all.extend(
                self.routes_of(family)?
                    .iter()
                    .filter_map(|reply| route_entry(&reply.payload)),
            );
        }
        Ok(all)
    }

    /// Number of the link by which the host sends to an address; `None`: there is no route.
    pub(crate) fn link_to(&self, address: IpAddr) -> Result<Option<u32>, Error> {
        let mut batch = Batch::default();
        let octets = octets(address);
        let bits = 8 * octets.len() as u8;
        let header = [family_of(address), bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        batch.message(GET_ROUTE, flags::REQUEST | flags::ACK, &header, |m| {
            m.bytes(1, &octets);
        });
        // The last: a kernel without IPv6.
        let no_route = [Errno::NETUNREACH, Errno::HOSTUNREACH, Errno::OPNOTSUPP];
        match self.socket.exchange(&batch) {
            Ok(replies) => Ok(replies
                .iter()
                .find_map(|reply| field(Attributes::find(reply.payload.get(12..)?, 4)?, 0))),
            Err(cause) if no_route.iter().any(|errno| cause.is(*errno)) => Ok(None),
            Err(cause) => Err(Error::Kernel {
                verb: "look up route to",
                object: address.to_string(),
                cause,
            }),
        }
    }

    /// Where the default routes lead, of both families.
    pub(crate) fn default_gateways(&self) -> Result<Vec<IpAddr>, Error> {
        let gateway = |reply: &Reply| -> Option<IpAddr> {
            let is_default = *reply.payload.get(1)? == 0 && *reply.payload.get(4)? == TABLE_MAIN;
            let bytes = Attributes::find(reply.payload.get(12..)?, 5)?;
            address_of(bytes).filter(|_| is_default)
        };
        let mut gateways = Vec::new();
        for family in [AF_INET, AF_INET6] {
            gateways.extend(self.routes_of(family)?.iter().find_map(gateway));
        }
        Ok(gateways)
    }

    /// All routes of a family; none where the kernel does not have it.
    fn routes_of(&self, family: u8) -> Result<Vec<Reply>, Error> {
        let header = [family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        match self.dump("list", "routes", GET_ROUTE, &header) {
            Err(_) if family == AF_INET6 => Ok(Vec::new()),
            other => other,
        }
    }

    fn dump(&self, verb: &'static str, object: &str, kind: u16, header: &[u8]) -> Result<Vec<Reply>, Error> {
        let mut batch = Batch::default();
        batch.message(kind, flags::REQUEST | flags::DUMP, header, |_| {});
        self.socket.exchange(&batch).map_err(|cause| Error::Kernel {
            verb,
            object: object.to_owned(),
            cause,
        })
    }
}

/// `struct ifinfomsg`.
fn link_header(index: u32, link_flags: u32, change: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&link_flags.to_ne_bytes());
    header[12..].copy_from_slice(&change.to_ne_bytes());
    header
}

impl AsFd for Rtnetlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
