//! The bridge driver: a Linux bridge on the host, a veth pair for each endpoint, address translation by the packet
//! filter.

pub(crate) mod address;
mod link;
mod options;
pub(crate) mod rules;

use tierce_firewall::Elements;

use crate::Error;
use crate::driver::Driver;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::{Network, NetworkKind};
pub(crate) use link::is_there;
pub(crate) use options::interface_name;
pub use options::{GatewayMode, Options};

/// The driver.
#[derive(Debug)]
pub(super) struct Bridge;

impl Driver for Bridge {
    fn name(&self) -> &'static str {
        "bridge"
    }

    fn create(&self, network: &Network) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Bridge(options) => link::create_bridge(options, network),
            _ => Ok(()),
        }
    }

    fn remove(&self, network: &Network) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Bridge(options) => link::remove_bridge(options, network),
            _ => Ok(()),
        }
    }

    fn attach(&self, network: &Network, link: &mut Link, namespace: &Namespace) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Bridge(options) => link::attach(options, link, namespace),
            _ => Ok(()),
        }
    }

    fn detach(&self, network: &Network, link: &Link) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Bridge(options) => link::detach(options, link),
            _ => Ok(()),
        }
    }

    fn rejoin(&self, network: &Network, link: &Link) -> Result<(), Error> {
        match &network.kind {
            NetworkKind::Bridge(options) => link::rejoin(options, link),
            _ => Ok(()),
        }
    }

    /// By its other end, whose name nobody inside can change.
    fn withdraw(&self, link: &Link, _: &Namespace) -> Result<(), Error> {
        link::delete(link)
    }

    fn rules(&self, network: &Network, table: &str) -> Vec<Elements> {
        match &network.kind {
            NetworkKind::Bridge(options) => rules::network_elements(options, network, table),
            _ => Vec::new(),
        }
    }
}
