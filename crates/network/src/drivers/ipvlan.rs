//! The ipvlan driver: containers share the hardware address of a parent interface and have addresses of their own.
//! Nothing is translated or published; without a parent they are among themselves.

use std::collections::BTreeMap;

use tierce_firewall::Elements;

use crate::Error;
use crate::driver::Driver;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::{Network, NetworkKind};
use crate::parent;
use tierce_links::Upper;

/// How an ipvlan network behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The parent interface.
    pub parent: String,
    /// On which layer it forwards.
    pub mode: Mode,
    /// Who sees whom.
    pub flag: Flag,
}

/// On which layer packets are handed on. The numbers are the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As a switch.
    L2 = 0,
    /// As a router that the host's packet filter does not see.
    L3 = 1,
    /// As a router, through the host's packet filter.
    L3s = 2,
}

/// What becomes of packets between interfaces on one parent. The numbers are the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// They see each other.
    Bridge = 0,
    /// They do not.
    Private = 1,
    /// Packets go out and come back by a switch that reflects them.
    Vepa = 2,
}

impl Options {
    /// From the options of a create request; `network` is its id.
    pub fn parse(options: &BTreeMap<String, String>, network: &str) -> Result<Self, Error> {
        let option = |name| options.get(name).map_or("", String::as_str);
        let mode = match option("ipvlan_mode") {
            "" | "l2" => Mode::L2,
            "l3" => Mode::L3,
            "l3s" => Mode::L3s,
            other => {
                return Err(Error::Driver(format!(
                    "requested ipvlan mode '{other}' is not valid, 'l2' mode is the ipvlan driver default"
                )));
            }
        };
        let flag = match option("ipvlan_flag") {
            "" | "bridge" => Flag::Bridge,
            "private" => Flag::Private,
            "vepa" => Flag::Vepa,
            other => {
                return Err(Error::Driver(format!(
                    "requested ipvlan flag '{other}' is not valid, 'bridge' is the ipvlan driver default"
                )));
            }
        };
        let parent = match option("parent") {
            "" => parent::dummy_of(network),
            "lo" => {
                let text = "loopback interface is not a valid ipvlan parent link";
                return Err(Error::Driver(text.to_owned()));
            }
            other => other.to_owned(),
        };
        Ok(Self { parent, mode, flag })
    }
}

impl Mode {
    /// Docker's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3s => "l3s",
        }
    }
}

impl Flag {
    /// Docker's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
        }
    }
}

/// The driver.
#[derive(Debug)]
pub(super) struct Ipvlan;

impl Driver for Ipvlan {
    fn name(&self) -> &'static str {
        "ipvlan"
    }

    fn create(&self, network: &Network) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Ipvlan(options) => {
                parent::require("ipvlan")?;
                parent::create(&options.parent, &network.id)
            }
            _ => Ok(()),
        }
    }

    fn remove(&self, network: &Network) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Ipvlan(options) => parent::remove(&options.parent),
            _ => Ok(()),
        }
    }

    fn attach(&self, network: &Network, link: &mut Link, namespace: &Namespace) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Ipvlan(options) => {
                let upper = Upper::Ipvlan {
                    mode: options.mode as u16,
                    flags: options.flag as u16,
                };
                parent::attach(&options.parent, upper, link, namespace)
            }
            _ => Ok(()),
        }
    }

    /// Nothing of it is on the host; it is silent when its namespace is gone or [`Driver::withdraw`] has taken it.
    fn detach(&self, _: &Network, _: &Link) -> Result<(), Error> {
        Ok(())
    }

    fn rules(&self, _: &Network, _: &str) -> Vec<Elements> {
        Vec::new()
    }
}
