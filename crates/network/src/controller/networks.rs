//! Networks: list, find, create, remove.

use std::sync::Arc;

use ipnet::Ipv4Net;

use super::{Controller, random_id, watch};
use crate::config::Pool;
use crate::drivers::{self, bridge};
use crate::ipam::{self, Occupied};
use crate::network::{Ipam, NetworkKind, is_predefined};
use crate::rtnetlink::Rtnetlink;
use crate::{Error, Network, NetworkSpec, Sandbox};
use tierce_firewall::Change;

impl Controller {
    /// All networks, by name.
    pub fn networks(&self) -> Vec<Arc<Network>> {
        let mut networks: Vec<_> = self.lock().networks.values().cloned().collect();
        networks.sort_by(|one, other| one.name.cmp(&other.name));
        networks
    }

    /// By name, id, or unambiguous id prefix, in this order.
    pub fn network(&self, name_or_id: &str) -> Result<Arc<Network>, Error> {
        let name = if name_or_id == "default" { "bridge" } else { name_or_id };
        let state = self.lock();
        if let Some(network) = state.networks.values().find(|network| network.name == name) {
            return Ok(Arc::clone(network));
        }
        let matches: Vec<_> = state
            .networks
            .values()
            .filter(|network| network.id.starts_with(name))
            .collect();
        match matches[..] {
            [only] if !name.is_empty() => Ok(Arc::clone(only)),
            [] | [_] => Err(Error::NetworkNotFound(name_or_id.to_owned())),
            _ => Err(Error::Ambiguous(name_or_id.to_owned(), matches.len())),
        }
    }

    /// The sandboxes joined to a network (inspect's `Containers`).
    pub fn members(&self, network: &Network) -> Vec<Arc<Sandbox>> {
        let state = self.lock();
        let joined = |sandbox: &&Arc<Sandbox>| sandbox.endpoints.iter().any(|endpoint| endpoint.network == network.id);
        state.sandboxes.values().filter(joined).cloned().collect()
    }

    /// Creates a user-defined network.
    pub fn create(&self, mut spec: NetworkSpec) -> Result<Arc<Network>, Error> {
        if is_predefined(&spec.name) {
            return Err(Error::Predefined(spec.name));
        }
        match spec.driver.as_str() {
            "" | "bridge" => {}
            "host" | "none" | "null" => {
                return Err(Error::Invalid(format!(
                    "only one instance of {:?} network is allowed",
                    spec.driver
                )));
            }
            other => return Err(Error::UnknownDriver(other.to_owned())),
        }
        if spec.name.is_empty() || spec.name.starts_with(|first: char| !first.is_ascii_alphanumeric()) {
            return Err(Error::Invalid(format!(
                "invalid network name {:?}: must start with a letter or digit",
                spec.name
            )));
        }
        for (name, value) in self.config.default_options.get("bridge").into_iter().flatten() {
            spec.options.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let id = random_id()?;
        let options = bridge::Options::parse(&spec.options, format!("br-{}", &id[..12]), self.config.bridge.mtu)?;
        let occupied = host_routes(Some(&options.bridge))?;
        let network = {
            // Name and subnet are claimed together, so that two creations cannot both win.
            let mut state = self.lock();
            if state.networks.values().any(|other| other.name == spec.name) {
                return Err(Error::NameTaken(spec.name));
            }
            let same_bridge =
                |other: &&Arc<Network>| matches!(&other.kind, NetworkKind::Bridge(o) if o.bridge == options.bridge);
            if let Some(other) = state.networks.values().find(same_bridge) {
                return Err(Error::Invalid(format!(
                    "bridge name {} is in use by network {}",
                    options.bridge, other.name
                )));
            }
            let mut occupied = occupied;
            occupied.extend(state.networks.values().filter_map(|other| occupied_by(other)));
            let ipam = plan_addresses(&self.config.pools, &spec, &occupied)?;
            let network = Arc::new(Network {
                id: id.clone(),
                name: spec.name,
                created: jiff::Timestamp::now(),
                kind: NetworkKind::Bridge(options),
                ipam: Some(ipam),
                internal: spec.internal,
                labels: spec.labels,
                options: spec.options,
            });
            state.networks.insert(id, Arc::clone(&network));
            network
        };
        if let Err(error) = self.establish(&network) {
            self.lock().networks.remove(&network.id);
            if let Err(also) = self.abolish(&network) {
                tracing::warn!(network = network.name, error = %also, "cannot undo a failed creation completely");
            }
            return Err(error);
        }
        Ok(network)
    }

    /// Removes a user-defined network without members.
    pub fn remove(&self, name_or_id: &str) -> Result<Arc<Network>, Error> {
        let network = self.network(name_or_id)?;
        if network.is_predefined() {
            return Err(Error::CannotRemove(network.name.clone()));
        }
        {
            let mut state = self.lock();
            let member = state
                .sandboxes
                .values()
                .find(|s| s.endpoints.iter().any(|e| e.network == network.id));
            let holder = member.map(|sandbox| sandbox.name.clone());
            let joining = state
                .joining
                .iter()
                .find(|(_, networks)| networks.contains(&network.id));
            if let Some(holder) = holder.or_else(|| joining.map(|(container, _)| container.clone())) {
                return Err(Error::InUse {
                    name: network.name.clone(),
                    holder,
                });
            }
            state.networks.remove(&network.id);
        }
        self.abolish(&network)?;
        Ok(network)
    }

    /// Kernel objects, rules, record.
    fn establish(&self, network: &Network) -> Result<(), Error> {
        let driver = drivers::of(&network.kind);
        self.records.save_network(network)?;
        self.addresses.open(network);
        driver.create(network)?;
        let rules = driver.rules(network, &self.config.table);
        watch::apply(self, &rules.into_iter().map(Change::Add).collect::<Vec<_>>())
    }

    /// The reverse; goes on after failures.
    fn abolish(&self, network: &Network) -> Result<(), Error> {
        let driver = drivers::of(&network.kind);
        let mut failures = Vec::new();
        let rules: Vec<_> = driver
            .rules(network, &self.config.table)
            .into_iter()
            .map(Change::Remove)
            .collect();
        failures.extend(self.filter.apply(&rules).err().map(Error::from));
        failures.extend(driver.remove(network).err());
        self.addresses.close(network);
        failures.extend(self.records.forget_network(network).err());
        Error::gather(failures)
    }
}

/// Subnet and gateway as asked, or from the pools.
fn plan_addresses(pools: &[Pool], spec: &NetworkSpec, occupied: &[Occupied]) -> Result<Ipam, Error> {
    let subnet = match spec.subnet {
        Some(subnet) => {
            if !(8..=30).contains(&subnet.prefix_len()) {
                return Err(Error::Invalid(format!(
                    "invalid subnet {subnet}: prefix length must be 8 to 30"
                )));
            }
            if let Some(other) = ipam::overlapping(subnet, occupied) {
                let other = format!("{} ({})", other.subnet, other.by);
                return Err(Error::PoolOverlaps {
                    subnet: subnet.to_string(),
                    other,
                });
            }
            subnet.trunc()
        }
        None => ipam::choose_subnet(pools, occupied)?,
    };
    let gateway = spec.gateway.unwrap_or_else(|| first_host(subnet));
    if !subnet.contains(&gateway) {
        return Err(Error::Invalid(format!(
            "invalid gateway {gateway}: not in subnet {subnet}"
        )));
    }
    if let Some(range) = spec.allocation.filter(|range| !subnet.contains(range)) {
        return Err(Error::Invalid(format!(
            "invalid ip-range {range}: not in subnet {subnet}"
        )));
    }
    Ok(Ipam {
        subnet,
        gateway,
        allocation: spec.allocation,
        configured: spec.subnet.is_some(),
    })
}

/// The host's routes, but not those by `own` bridge.
pub(super) fn host_routes(own: Option<&str>) -> Result<Vec<Occupied>, Error> {
    let route = Rtnetlink::open()?;
    let links = route.links()?;
    let name = |index| {
        links
            .iter()
            .find(|link| link.index == index)
            .map_or("?", |link| link.name.as_str())
    };
    let routes = route
        .routes()?
        .into_iter()
        .filter(|route| Some(name(route.link)) != own);
    Ok(routes
        .map(|route| Occupied {
            subnet: route.destination,
            by: format!("host route by {}", name(route.link)),
        })
        .collect())
}

pub(super) fn occupied_by(network: &Network) -> Option<Occupied> {
    let ipam = network.ipam.as_ref()?;
    Some(Occupied {
        subnet: ipam.subnet,
        by: format!("network {}", network.name),
    })
}

/// The first usable address of a subnet.
pub(super) fn first_host(subnet: Ipv4Net) -> std::net::Ipv4Addr {
    subnet.hosts().next().unwrap_or_else(|| subnet.network())
}
