//! Networks: list, find, create, remove.

use std::collections::HashMap;
use std::sync::Arc;

use tierce_ipam::Occupied;
use tierce_links::Rtnetlink;

use super::{Controller, State, plan, random_id, templates};
use crate::drivers::{self, bridge, ipvlan, macvlan};
use crate::failpoint::{Point, reach};
use crate::network::{Configuration, NetworkKind, is_predefined};
use crate::parent;
use crate::{Error, Network, NetworkSpec, Sandbox};

impl Controller {
    /// All networks, by name.
    pub fn networks(&self) -> Vec<Arc<Network>> {
        let mut networks: Vec<_> = self.lock().networks.values().cloned().collect();
        networks.sort_by(|one, other| one.name.cmp(&other.name));
        networks
    }

    /// By id, name, or unambiguous id prefix, in this order.
    pub fn network(&self, name_or_id: &str) -> Result<Arc<Network>, Error> {
        let name = if name_or_id == "default" { "bridge" } else { name_or_id };
        let state = self.lock();
        if let Some(network) = state.networks.get(name) {
            return Ok(Arc::clone(network));
        }
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
        if spec.name.trim().is_empty() {
            return Err(Error::Invalid("invalid name: name is empty".to_owned()));
        }
        if is_predefined(&spec.name) {
            return Err(Error::Predefined(spec.name));
        }
        templates::fill(&mut spec, &self.lock().networks)?;
        match spec.driver.as_str() {
            "" | "bridge" | "macvlan" | "ipvlan" => {}
            "host" | "none" | "null" => {
                return Err(Error::Invalid(format!(
                    "only one instance of {:?} network is allowed",
                    spec.driver
                )));
            }
            other => return Err(Error::UnknownDriver(other.to_owned())),
        }
        let driver = if spec.driver.is_empty() { "bridge" } else { &spec.driver };
        let is_own = spec.configuration == Configuration::Own;
        let defaults = self.config.default_options.get(driver).filter(|_| is_own);
        for (name, value) in defaults.into_iter().flatten() {
            spec.options.entry(name.clone()).or_insert_with(|| value.clone());
        }
        spec.choose_families()?;
        let id = random_id()?;
        let mut kind = kind_of(&spec, &id, self.config.bridge.mtu)?;
        if let NetworkKind::Bridge(options) = &mut kind {
            options.is_adopted = bridge::is_there(&options.bridge)?;
        }
        let routes = match &kind {
            NetworkKind::Bridge(options) => host_routes(Some(&options.bridge))?,
            // Of the wire of its parent the host has a route itself.
            _ if !spec.subnets.is_empty() => Vec::new(),
            _ => host_routes(None)?,
        };
        let network = {
            // Name and subnet are claimed together, so that two creations cannot both win.
            let mut state = self.lock();
            if state.networks.values().any(|other| other.name == spec.name) {
                return Err(Error::NameTaken(spec.name));
            }
            state.refuse_taken_interface(&kind)?;
            // Networks first: in refusals their names say more than those of their bridges.
            let networks = state.networks.values().flat_map(|other| occupied_by(other));
            let occupied: Vec<_> = networks.chain(routes).collect();
            let plan::Subnets { four, six, idle } = plan::addresses(&self.config.pools, &spec, &kind, &occupied)?;
            let network = Arc::new(Network {
                id: id.clone(),
                name: spec.name,
                created: jiff::Timestamp::now(),
                kind,
                ipam: four,
                ipam6: six,
                idle,
                configuration: spec.configuration,
                internal: spec.internal,
                attachable: spec.attachable,
                ipam_options: spec.ipam_options,
                labels: spec.labels,
                options: spec.options,
            });
            state.networks.insert(id, Arc::clone(&network));
            network
        };
        if let Err(error) = self.establish(&network) {
            // Somebody may have removed it already.
            if self.lock().begin_to_go(&network)
                && let Err(also) = self.abolish(&network)
            {
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
            if templates::is_taken(&network, &state.networks) {
                return Err(Error::ConfigurationInUse(network.name.clone()));
            }
            let endpoints = state.endpoints_on(&network);
            if !endpoints.is_empty() {
                return Err(Error::InUse {
                    name: network.name.clone(),
                    endpoints: endpoints.join(", "),
                });
            }
            if !state.begin_to_go(&network) {
                return Err(Error::NetworkNotFound(name_or_id.to_owned()));
            }
        }
        self.abolish(&network)?;
        Ok(network)
    }

    /// Kernel objects, rules, record.
    fn establish(&self, network: &Arc<Network>) -> Result<(), Error> {
        let parent_is_ours = network.kind.parent().map(parent::is_ours).transpose()?;
        self.records.save_network(network, parent_is_ours.unwrap_or(false))?;
        reach(Point::CreateRecorded);
        self.addresses.open(&network.id, network.subnets());
        drivers::of(&network.kind).create(network)?;
        reach(Point::CreateMade);
        self.filter.add_network(network)?;
        reach(Point::CreateDone);
        Ok(())
    }

    /// The reverse; goes on after failures.
    fn abolish(&self, network: &Network) -> Result<(), Error> {
        let driver = drivers::of(&network.kind);
        let mut failures = Vec::new();
        failures.extend(self.filter.remove_network(network).err());
        reach(Point::RemoveUnruled);
        if !self.lock().shares_parent(network) {
            failures.extend(driver.remove(network).err());
        }
        reach(Point::RemoveGivenUp);
        self.addresses.close(&network.id);
        failures.extend(self.records.forget_network(network).err());
        reach(Point::RemoveDone);
        self.lock().going.retain(|other| other.id != network.id);
        Error::gather(failures)
    }
}

impl State {
    /// It is found no more, and [`Controller::abolish`] must follow; `false`: by somebody else, who was first.
    fn begin_to_go(&mut self, network: &Network) -> bool {
        let found = self.networks.remove(&network.id);
        let is_first = found.is_some();
        self.going.extend(found);
        is_first
    }

    /// Who is on a network, or about to be, in dockerd's words.
    fn endpoints_on(&self, network: &Network) -> Vec<String> {
        let joined = self.sandboxes.values().flat_map(|sandbox| {
            let on_it = sandbox
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.network == network.id);
            on_it.map(|endpoint| format!("name:{:?} id:{:?}", sandbox.name, &endpoint.id[..12]))
        });
        let joining = self
            .joining
            .iter()
            .filter(|(_, networks)| networks.contains(&network.id));
        let joining = joining.map(|(container, _)| format!("name:{container:?}"));
        joined.chain(joining).collect()
    }

    /// Two networks cannot always be upon one interface; upon one that goes, none can.
    fn refuse_taken_interface(&self, kind: &NetworkKind) -> Result<(), Error> {
        for other in self.networks.values().chain(&self.going) {
            refuse_same_interface(kind, other)?;
        }
        let parent = kind.parent();
        let mut going = self.going.iter();
        match going.find(|other| parent.is_some() && other.kind.parent() == parent) {
            Some(other) => Err(Error::Driver(format!(
                "parent interface {} is taken away with network {}, which is being removed: try again",
                parent.unwrap_or_default(),
                other.name
            ))),
            None => Ok(()),
        }
    }

    /// Whether another network is on the same parent, which must stay for it.
    fn shares_parent(&self, network: &Network) -> bool {
        let parent = network.kind.parent();
        let mut others = self.networks.values().filter(|other| other.id != network.id);
        parent.is_some() && others.any(|other| other.kind.parent() == parent)
    }
}

/// The driver's options, as the request has them. `mtu`: of bridges.
fn kind_of(spec: &NetworkSpec, id: &str, mtu: u32) -> Result<NetworkKind, Error> {
    let options = &spec.options;
    if matches!(spec.configuration, Configuration::Only { .. }) {
        return Ok(NetworkKind::None);
    }
    Ok(match spec.driver.as_str() {
        "macvlan" => NetworkKind::Macvlan(macvlan::Options::parse(options, id)?),
        "ipvlan" => NetworkKind::Ipvlan(ipvlan::Options::parse(options, id)?),
        _ => NetworkKind::Bridge(bridge::Options::parse(
            options,
            format!("br-{}", &id[..12]),
            mtu,
            spec.internal,
        )?),
    })
}

/// Two networks cannot have one bridge, nor one parent where one of them wants it to itself. In dockerd's words.
fn refuse_same_interface(kind: &NetworkKind, other: &Network) -> Result<(), Error> {
    match (kind, &other.kind) {
        (NetworkKind::Bridge(one), NetworkKind::Bridge(two)) if one.bridge == two.bridge => Err(Error::Invalid(
            format!("bridge name {} is in use by network {}", one.bridge, other.name),
        )),
        (NetworkKind::Macvlan(one), NetworkKind::Macvlan(two)) if one.parent == two.parent => {
            let (id, parent) = (&other.id, &two.parent);
            if one.mode == macvlan::Mode::Passthru {
                return Err(Error::Driver(format!(
                    "cannot use mode passthru, macvlan network {id} is already using parent interface {parent}"
                )));
            }
            if two.mode == macvlan::Mode::Passthru {
                return Err(Error::Driver(format!(
                    "macvlan network {id} is already using parent interface {parent} in mode passthru"
                )));
            }
            Ok(())
        }
        (NetworkKind::Ipvlan(one), NetworkKind::Ipvlan(two)) if one.parent == two.parent => {
            Err(Error::Driver(format!(
                "network {} is already using parent interface {}",
                parent::dummy_of(&other.id),
                two.parent
            )))
        }
        _ => Ok(()),
    }
}

/// The host's routes, but not those by `own` bridge.
pub(super) fn host_routes(own: Option<&str>) -> Result<Vec<Occupied>, Error> {
    let route = Rtnetlink::open()?;
    let links = route.links()?;
    let names: HashMap<_, _> = links.iter().map(|link| (link.index, link.name.as_str())).collect();
    let routes = route.routes()?.into_iter().map(|route| {
        let name = names.get(&route.link).copied().unwrap_or("?");
        (route.destination, name)
    });
    Ok(routes
        .filter(|(_, name)| Some(*name) != own)
        .map(|(subnet, name)| Occupied {
            subnet,
            by: format!("host route by {name}"),
        })
        .collect())
}

pub(super) fn occupied_by(network: &Network) -> impl Iterator<Item = Occupied> {
    network.subnets().map(|ipam| Occupied {
        subnet: ipam.subnet,
        by: format!("network {}", network.name),
    })
}
