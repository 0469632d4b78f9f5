//! Links that are to go: marked in the kernel, where the mark outlives the daemon, and taken apart together later.
//!
//! Whoever deletes a link waits for all who may still see it (RCU), tens of milliseconds; many links go with one wait.

use ipnet::IpNet;

use crate::entry::{family_of, octets};
use crate::numbers::{DELETE_ADDRESS, DELETE_LINK, SET_LINK, link_header};
use crate::socket::none_there;
use crate::{Error, LinkEntry, Plan, Rtnetlink};

pub(crate) const IFLA_GROUP: u16 = 27;
/// The group of links that are to go; a number that nobody else has, as far as anybody knows.
const GOING: u32 = 0x6465_7274;

impl LinkEntry {
    /// It was given up, and will be gone soon.
    pub fn is_going(&self) -> bool {
        self.group == GOING
    }
}

impl Plan {
    /// Marks a link as one that is to go with the next [`Rtnetlink::sweep`].
    pub fn give_up(&mut self, link: &LinkEntry) -> &mut Self {
        let header = link_header(link.index, 0, 0);
        self.add("give up interface", &link.name, SET_LINK, 0, &header, |m| {
            m.u32(IFLA_GROUP, GOING);
        })
    }

    /// Takes an address from a link, and the routes that it brought.
    pub fn remove_address(&mut self, link: &LinkEntry, address: IpNet) -> &mut Self {
        let mut header = [family_of(address.addr()), address.prefix_len(), 0, 0, 0, 0, 0, 0];
        header[4..].copy_from_slice(&link.index.to_ne_bytes());
        self.add("remove address from", &link.name, DELETE_ADDRESS, 0, &header, |m| {
            m.bytes(2, &octets(address.addr()));
        })
    }
}

impl Rtnetlink {
    /// Deletes all links that were given up. Where there are none, nothing is to be done.
    pub fn sweep(&self) -> Result<(), Error> {
        let mut plan = Plan::default();
        plan.add("delete", "interfaces", DELETE_LINK, 0, &link_header(0, 0, 0), |m| {
            m.u32(IFLA_GROUP, GOING);
        });
        none_there(self.apply(&plan))
    }
}
