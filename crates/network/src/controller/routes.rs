//! Routes of the host that lead elsewhere what networks have for their own: a VPN that was dialled later, as a rule.

use std::collections::HashMap;
use std::fmt;

use ipnet::IpNet;
use tierce_ipam::overlap;
use tierce_links::{RouteEntry, Rtnetlink};

use super::Controller;
use crate::Error;
use crate::network::NetworkKind;

/// A network and a route of the host to the same addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collision {
    /// Name of the network.
    pub(crate) network: String,
    /// Its addresses.
    pub(crate) subnet: IpNet,
    /// Where the route leads to.
    pub(crate) route: IpNet,
    /// The interface it leaves by.
    pub(crate) interface: String,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            network,
            subnet,
            route,
            interface,
        } = self;
        write!(
            f,
            "the host's route to {route} by {interface} collides with network {network} ({subnet}): addresses that are in \
             both lead to only one of them; create the network anew, so that it gets other addresses, or withdraw the route"
        )
    }
}

/// Those of all routes of the host.
pub(super) fn all(controller: &Controller) -> Result<Vec<Collision>, Error> {
    Ok(collisions(controller, &Rtnetlink::open()?.routes()?))
}

/// Those of the given routes.
pub(super) fn collisions(controller: &Controller, routes: &[RouteEntry]) -> Vec<Collision> {
    let networks: Vec<_> = controller.lock().networks.values().cloned().collect();
    let mut names = Names::default();
    let mut found = Vec::new();
    for network in networks {
        let NetworkKind::Bridge(options) = &network.kind else {
            continue;
        };
        let pairs = network
            .subnets()
            .flat_map(|ipam| routes.iter().map(move |route| (ipam, route)));
        for (ipam, route) in pairs.filter(|(ipam, route)| overlap(ipam.subnet, route.destination)) {
            let interface = names.of(route.link);
            if interface != options.bridge {
                found.push(Collision {
                    network: network.name.clone(),
                    subnet: ipam.subnet,
                    route: route.destination,
                    interface,
                });
            }
        }
    }
    found
}

/// Names of interfaces by their numbers, each asked for once: nearly all are our own bridges.
#[derive(Default)]
struct Names {
    route: Option<Rtnetlink>,
    known: HashMap<u32, String>,
}

impl Names {
    /// The name, as far as the interface is there.
    fn of(&mut self, index: u32) -> String {
        if let Some(name) = self.known.get(&index) {
            return name.clone();
        }
        if self.route.is_none() {
            self.route = Rtnetlink::open().ok();
        }
        let entry = self
            .route
            .as_ref()
            .and_then(|route| route.link_at(index).ok().flatten());
        let name = entry.map_or_else(|| "an unknown interface".to_owned(), |entry| entry.name);
        self.known.insert(index, name.clone());
        name
    }
}
