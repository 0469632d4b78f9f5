//! The macvlan driver: containers have interfaces with hardware addresses of their own on the wire of a parent interface.
//! Nothing is translated or published; without a parent they have a wire to themselves.

use std::collections::BTreeMap;

use tierce_firewall::Elements;

use crate::Error;
use crate::driver::Driver;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::{Network, NetworkKind};
use crate::parent;
use tierce_links::Upper;

/// How a macvlan network behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The parent interface.
    pub parent: String,
    /// Who sees whom.
    pub mode: Mode,
}

/// What becomes of frames between interfaces on one parent. The numbers are the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They do not see each other.
    Private = 1,
    /// Frames go out and come back by a switch that reflects them.
    Vepa = 2,
    /// They see each other.
    Bridge = 4,
    /// One interface, which has the parent to itself.
    Passthru = 8,
}

impl Options {
    /// From the options of a create request; `network` is its id.
    pub fn parse(options: &BTreeMap<String, String>, network: &str) -> Result<Self, Error> {
        let option = |name| options.get(name).map_or("", String::as_str);
        let mode = match option("macvlan_mode") {
            "" | "bridge" => Mode::Bridge,
            "private" => Mode::Private,
            "vepa" => Mode::Vepa,
            "passthru" => Mode::Passthru,
            other => {
                return Err(Error::Driver(format!(
                    "requested macvlan mode '{other}' is not valid, 'bridge' mode is the macvlan driver default"
                )));
            }
        };
        let parent = match option("parent") {
            "" => parent::dummy_of(network),
            "lo" => {
                let text = "loopback interface is not a valid macvlan parent link";
                return Err(Error::Driver(text.to_owned()));
            }
            other => other.to_owned(),
        };
        Ok(Self { parent, mode })
    }
}

impl Mode {
    /// Docker's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Bridge => "bridge",
            Self::Passthru => "passthru",
        }
    }
}

/// The driver.
#[derive(Debug)]
pub(super) struct Macvlan;

impl Driver for Macvlan {
    fn name(&self) -> &'static str {
        "macvlan"
    }

    fn create(&self, network: &Network) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Macvlan(options) => {
                parent::require("macvlan")?;
                parent::create(&options.parent, &network.id)
            }
            _ => Ok(()),
        }
    }

    fn remove(&self, network: &Network) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Macvlan(options) => parent::remove(&options.parent),
            _ => Ok(()),
        }
    }

    fn attach(&self, network: &Network, link: &mut Link, namespace: &Namespace) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Macvlan(options) => {
                let upper = Upper::Macvlan {
                    mode: options.mode as u32,
                    mac: link.mac.0,
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
