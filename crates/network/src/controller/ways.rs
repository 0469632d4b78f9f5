//! Where the published ports of a sandbox lead, by what its network is.

use std::net::IpAddr;

use super::Controller;
use crate::Sandbox;
use crate::drivers::bridge::{GatewayMode, Options};
use crate::endpoint::Link;
use crate::network::{Network, NetworkKind};
use crate::portmap::nat::Targets;
use crate::portmap::{Taker, Way};

/// What the ports of a sandbox need to know of it.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    /// Id of the endpoint that they lead to.
    pub(super) endpoint: String,
    /// Its addresses.
    pub(super) targets: Targets,
    families: [Way; 2],
    default_address: Option<IpAddr>,
}

impl Ways {
    /// The sandbox as one who takes ports.
    pub(super) fn taker<'a>(&self, name: &'a str) -> Taker<'a> {
        Taker {
            name,
            targets: self.targets,
            ways: self.families,
            default_address: self.default_address,
        }
    }

    /// Whether the same ports of the host would lead to another endpoint just so.
    pub(super) fn publishes_as(&self, other: &Self) -> bool {
        self.families == other.families && self.default_address == other.default_address
    }
}

/// `None`: there is no interface that ports could lead to.
pub(super) fn ways(controller: &Controller, sandbox: &Sandbox) -> Option<Ways> {
    let (endpoint, link) = sandbox.published_at()?;
    let network = controller.lock().networks.get(&endpoint.network).cloned()?;
    let NetworkKind::Bridge(options) = &network.kind else {
        return None;
    };
    let config = &controller.config;
    let routed = [options.gateway_mode, options.gateway_mode6].contains(&GatewayMode::Routed);
    Some(Ways {
        endpoint: endpoint.id.clone(),
        targets: Targets {
            four: link.address,
            six: link.address6,
            inside: routed || config.firewall.direct_routing || !options.trusted_interfaces.is_empty(),
        },
        families: families(&network, options, link, config.relay),
        default_address: options.publish_address.or(config.publish_address),
    })
}

/// What becomes of ports on addresses of each family. `relay`: IPv6 can be brought to a container without IPv6.
fn families(network: &Network, options: &Options, link: &Link, relay: bool) -> [Way; 2] {
    if network.internal {
        return [Way::Nowhere; 2];
    }
    let way = |mode, there: bool| match mode {
        _ if !there => Way::Nowhere,
        GatewayMode::Nat | GatewayMode::NatUnprotected => Way::Host,
        GatewayMode::Routed => Way::Inside,
        GatewayMode::Isolated => Way::Nowhere,
    };
    let four = way(options.gateway_mode, link.address.is_some());
    let six = match link.address6 {
        Some(_) => way(options.gateway_mode6, true),
        None if relay && four == Way::Host => Way::Host,
        None => Way::Nowhere,
    };
    [four, six]
}
