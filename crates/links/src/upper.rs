//! Requests for interfaces upon others: macvlan, ipvlan, VLAN sub-interfaces, and the dummies that stand in for a parent.

use std::os::fd::{AsRawFd, BorrowedFd};

use tierce_sys::netlink::{Attributed, flags};

use crate::Plan;
use crate::numbers::{
    IFLA_ADDRESS, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_NET_NS_FD, NEW_LINK,
    SET_LINK, link_header,
};

const IFLA_LINK: u16 = 5;

/// An interface that sits upon another.
#[derive(Debug, Clone, Copy)]
pub enum Upper {
    /// With a hardware address of its own.
    Macvlan {
        /// `enum macvlan_mode`.
        mode: u32,
        /// Its address.
        mac: [u8; 6],
    },
    /// With its parent's.
    Ipvlan {
        /// `enum ipvlan_mode`.
        mode: u16,
        /// `IPVLAN_F_…`.
        flags: u16,
    },
}

impl Upper {
    /// The kernel's name of the kind, and of its module.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
        }
    }
}

impl Plan {
    /// An interface upon another, in the namespace `home`; still down.
    pub fn create_upper(&mut self, name: &str, parent: u32, home: BorrowedFd<'_>, upper: Upper) -> &mut Self {
        self.create_of(upper.kind(), name, |m| {
            m.u32(IFLA_LINK, parent).u32(IFLA_NET_NS_FD, home.as_raw_fd() as u32);
            if let Upper::Macvlan { mac, .. } = upper {
                m.bytes(IFLA_ADDRESS, &mac);
            }
            m.nest(IFLA_LINKINFO, |m| {
                m.text(IFLA_INFO_KIND, upper.kind())
                    .nest(IFLA_INFO_DATA, |m| match upper {
                        Upper::Macvlan { mode, .. } => {
                            m.u32(1, mode);
                        }
                        Upper::Ipvlan { mode, flags } => {
                            m.u16(1, mode).u16(2, flags);
                        }
                    });
            });
        })
    }

    /// The sub-interface of a VLAN; still down.
    pub fn create_vlan(&mut self, name: &str, parent: u32, id: u16) -> &mut Self {
        self.create_of("vlan", name, |m| {
            m.u32(IFLA_LINK, parent).nest(IFLA_LINKINFO, |m| {
                m.text(IFLA_INFO_KIND, "vlan").nest(IFLA_INFO_DATA, |m| {
                    m.u16(1, id);
                });
            });
        })
    }

    /// An interface that leads nowhere; still down.
    pub fn create_dummy(&mut self, name: &str) -> &mut Self {
        self.create_of("dummy", name, |m| {
            m.nest(IFLA_LINKINFO, |m| {
                m.text(IFLA_INFO_KIND, "dummy");
            });
        })
    }

    /// Asks for an interface of a kind without saying of which parent: refused with EOPNOTSUPP where the kernel does not
    /// know the kind, and otherwise with another error.
    pub fn probe(&mut self, kind: &'static str) -> &mut Self {
        self.create_of(kind, kind, |m| {
            m.nest(IFLA_LINKINFO, |m| {
                m.text(IFLA_INFO_KIND, kind);
            });
        })
    }

    fn create_of(&mut self, kind: &'static str, name: &str, write: impl FnOnce(&mut Attributed<'_>)) -> &mut Self {
        let verb = match kind {
            "macvlan" => "create macvlan interface",
            "ipvlan" => "create ipvlan interface",
            "vlan" => "create VLAN sub-interface",
            _ => "create interface",
        };
        let flag = flags::CREATE | flags::EXCL;
        self.add(verb, name, NEW_LINK, flag, &link_header(0, 0, 0), |m| {
            m.text(IFLA_IFNAME, name);
            write(m);
        })
    }

    /// Writes something down in an interface.
    pub fn alias(&mut self, name: &str, alias: &str) -> &mut Self {
        self.add("name", name, SET_LINK, 0, &link_header(0, 0, 0), |m| {
            m.text(IFLA_IFNAME, name).bytes(IFLA_IFALIAS, alias.as_bytes());
        })
    }
}
