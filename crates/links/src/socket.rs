//! The socket: sends plans, lists what there is, hears what others do.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use ipnet::IpNet;
use rustix::io::Errno;
use tierce_sys::netlink::{Attributes, Batch, Family, Reply, Socket, flags};

use crate::entry::{address_of, family_of, field, is_link_local, link_entry, octets, route_entry};
use crate::numbers::{
    AF_INET, AF_INET6, DELETE_LINK, GET_ADDRESS, GET_LINK, GET_ROUTE, NEW_LINK, NEW_ROUTE, TABLE_MAIN, link_header,
};
use crate::{Error, LinkEntry, News, Plan, RouteEntry};

/// An rtnetlink socket of one network namespace.
#[derive(Debug)]
pub struct Rtnetlink {
    socket: Socket,
}

impl Rtnetlink {
    /// In the calling thread's namespace.
    pub fn open() -> Result<Self, Error> {
        let socket = Socket::open(Family::Route).map_err(|cause| Error::Socket("open socket", cause))?;
        Ok(Self { socket })
    }

    /// As [`Self::open`], for [`Self::news`] alone.
    pub fn open_with_news() -> Result<Self, Error> {
        const LINKS: u32 = 1;
        const IPV4_ROUTES: u32 = 7;
        const IPV6_ROUTES: u32 = 11;
        let opened = Self::open()?;
        for group in [LINKS, IPV4_ROUTES, IPV6_ROUTES] {
            let joined = opened.socket.join(group);
            joined.map_err(|cause| Error::Socket("watch", cause))?;
        }
        Ok(opened)
    }

    /// Waits for what the kernel tells next.
    pub fn news(&self) -> std::io::Result<Vec<News>> {
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
    pub fn apply(&self, plan: &Plan) -> Result<Vec<LinkEntry>, Error> {
        let replies = self.socket.exchange(&plan.batch).map_err(|cause| {
            let about = cause
                .sequence
                .checked_sub(1)
                .and_then(|index| plan.about.get(index as usize))
                .cloned();
            let (verb, object) = about.unwrap_or(("talk to", "rtnetlink".to_owned()));
            Error::Refused { verb, object, cause }
        })?;
        Ok(replies
            .iter()
            .filter(|reply| reply.kind == NEW_LINK)
            .filter_map(|reply| link_entry(&reply.payload))
            .collect())
    }

    /// A link's entry, if it exists.
    pub fn link(&self, name: &str) -> Result<Option<LinkEntry>, Error> {
        self.one(Plan::default().look_up(name))
    }

    /// The same by the link's number, which it has as long as it is where it is, whatever it is called.
    pub fn link_at(&self, index: u32) -> Result<Option<LinkEntry>, Error> {
        let mut plan = Plan::default();
        let header = link_header(index, 0, 0);
        plan.add("look up interface", &index.to_string(), GET_LINK, 0, &header, |_| {});
        self.one(&plan)
    }

    fn one(&self, plan: &Plan) -> Result<Option<LinkEntry>, Error> {
        match self.apply(plan) {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(error) if error.is(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a link; one that is gone already is no error.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        let mut plan = Plan::default();
        plan.delete(name);
        none_there(self.apply(&plan))
    }

    /// Deletes this link, and not another that has its name by now; one that is gone already is no error.
    pub fn delete_this(&self, link: &LinkEntry) -> Result<(), Error> {
        let mut plan = Plan::default();
        let header = link_header(link.index, 0, 0);
        plan.add("delete interface", &link.name, DELETE_LINK, 0, &header, |_| {});
        none_there(self.apply(&plan))
    }

    /// All links.
    pub fn links(&self) -> Result<Vec<LinkEntry>, Error> {
        let replies = self.dump("list", "interfaces", GET_LINK, &link_header(0, 0, 0))?;
        Ok(replies.iter().filter_map(|reply| link_entry(&reply.payload)).collect())
    }

    /// The addresses of a link, but for the link-local ones of IPv6.
    pub fn addresses(&self, link: u32) -> Result<Vec<IpNet>, Error> {
        let all = self.all_addresses()?;
        let of_link = all
            .into_iter()
            .filter(|(index, address)| *index == link && !is_link_local(address.addr()));
        Ok(of_link.map(|(_, address)| address).collect())
    }

    /// The addresses of all links, with the links' numbers; the link-local ones, too.
    pub fn all_addresses(&self) -> Result<Vec<(u32, IpNet)>, Error> {
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
    pub fn routes(&self) -> Result<Vec<RouteEntry>, Error> {
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
    pub fn link_to(&self, address: IpAddr) -> Result<Option<u32>, Error> {
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
            Err(cause) => Err(Error::Refused {
                verb: "look up route to",
                object: address.to_string(),
                cause,
            }),
        }
    }

    /// Where the default routes lead, of both families.
    pub fn default_gateways(&self) -> Result<Vec<IpAddr>, Error> {
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
        self.socket.exchange(&batch).map_err(|cause| Error::Refused {
            verb,
            object: object.to_owned(),
            cause,
        })
    }
}

/// Where there is no such link, nothing is to be done.
pub(crate) fn none_there<T>(done: Result<T, Error>) -> Result<(), Error> {
    match done {
        Err(error) if error.is(Errno::NODEV) => Ok(()),
        other => other.map(drop),
    }
}

impl AsFd for Rtnetlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
