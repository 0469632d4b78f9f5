//! Where the published ports of a sandbox lead, by what its network is.

use std::net::IpAddr;

use super::Controller;
use crate::Sandbox;
use crate::drivers::bridge::{GatewayMode, Options};
use crate::endpoint::Link;
use crate::network::NetworkKind;
use crate::portmap::nat::Targets;
use crate::portmap::{Taker, Way};

/// What the ports of a sandbox need to know of it.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    /// Ids of the endpoints that they lead to, by family.
    endpoints: [Option<String>; 2],
    /// Its addresses.
    pub(super) targets: Targets,
    families: [Way; 2],
    default_address: Option<IpAddr>,
}

impl Ways {
    /// The endpoint that is named where something fails.
    pub(super) fn endpoint(&self) -> String {
        self.endpoints.iter().flatten().next().cloned().unwrap_or_default()
    }

    /// Whether ports lead to the same endpoints.
    pub(super) fn leads_as(&self, other: &Self) -> bool {
        self.endpoints == other.endpoints
    }

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

/// Where the ports of one family lead.
struct End {
    endpoint: String,
    link: Link,
    options: Options,
    way: Way,
}

impl End {
    fn of(controller: &Controller, sandbox: &Sandbox, ipv6: bool) -> Option<Self> {
        let (endpoint, link) = sandbox.published_at(ipv6)?;
        let network = controller.lock().networks.get(&endpoint.network).cloned()?;
        let NetworkKind::Bridge(options) = &network.kind else {
            return None;
        };
        let mode = if ipv6 {
            options.gateway_mode6
        } else {
            options.gateway_mode
        };
        Some(Self {
            endpoint: endpoint.id.clone(),
            link: link.clone(),
            options: options.clone(),
            way: match mode {
                GatewayMode::Nat | GatewayMode::NatUnprotected => Way::Host,
                GatewayMode::Routed => Way::Inside,
                GatewayMode::Isolated => Way::Nowhere,
            },
        })
    }

    /// Whether ports may answer at the container's own address.
    fn is_open_inside(&self) -> bool {
        let modes = [self.options.gateway_mode, self.options.gateway_mode6];
        modes.contains(&GatewayMode::Routed) || !self.options.trusted_interfaces.is_empty()
    }
}

/// `None`: there is no interface that ports could lead to.
pub(super) fn ways(controller: &Controller, sandbox: &Sandbox) -> Option<Ways> {
    let config = &controller.config;
    let ends = [false, true].map(|ipv6| End::of(controller, sandbox, ipv6));
    let all = || ends.iter().flatten();
    all().next()?;
    let mut families = ends
        .each_ref()
        .map(|end| end.as_ref().map_or(Way::Nowhere, |end| end.way));
    let [four, six] = &ends;
    // The relay brings IPv6 to a container without IPv6.
    if six.is_none() && config.relay && families[0] == Way::Host {
        families[1] = Way::Host;
    }
    Some(Ways {
        endpoints: ends.each_ref().map(|end| end.as_ref().map(|end| end.endpoint.clone())),
        targets: Targets {
            four: four.as_ref().and_then(|end| end.link.address),
            six: six.as_ref().and_then(|end| end.link.address6),
            inside: config.firewall.direct_routing || all().any(End::is_open_inside),
        },
        families,
        default_address: all()
            .find_map(|end| end.options.publish_address)
            .or(config.publish_address),
    })
}
