//! Start and end of the daemon: the kernel and the records are made to agree.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use tierce_firewall::Family;

use super::assembly::Assembly;
use super::filter::{Lead, Wanted};
use super::ways::ways;
use super::{Alive, Controller, address, forwarding, links, naming, predefined};
use crate::config::DefaultBridge;
use crate::drivers;
use crate::netns;
use crate::network::NetworkKind;
use crate::{Error, Network, Sandbox};
use tierce_links::{LinkEntry, Plan, Rtnetlink};

impl Controller {
    /// The default bridge is switched off: it goes, unless a container is on it.
    fn forget_default_bridge(&self, alive: &HashSet<&str>) -> Result<(), Error> {
        let Some(network) = self.networks().into_iter().find(|network| network.name == "bridge") else {
            return Ok(());
        };
        let members = self.members(&network);
        if let Some(member) = members
            .iter()
            .find(|sandbox| alive.contains(sandbox.container.as_str()))
        {
            tracing::warn!(
                container = member.name,
                "the default bridge is switched off, and stays since a container is on it"
            );
            return Ok(());
        }
        self.lock().networks.remove(&network.id);
        // A bridge of another name is the administrator's, as for dockerd.
        if matches!(&network.kind, NetworkKind::Bridge(options) if options.bridge == DefaultBridge::NAME) {
            drivers::of(&network.kind).remove(&network)?;
            Rtnetlink::open()?.sweep()?;
        }
        self.records.forget_network(&network)
    }

    /// Makes the kernel agree with the records: bridges and rules exist, sandboxes of `alive` containers are adopted,
    /// everything else that is ours is removed. Returns what could not be mended (and is worth a warning).
    pub fn restore(&self, alive: &[Alive]) -> Result<Vec<Error>, Error> {
        let mut failures = Vec::new();
        for network in predefined::networks(&self.config, &self.networks())? {
            self.records.save_network(&network, false)?;
            self.lock().networks.insert(network.id.clone(), Arc::new(network));
        }
        failures.extend(forwarding::ensure(&self.config, Family::Ip).err());
        let alive: HashSet<_> = alive.iter().map(|alive| alive.container.as_str()).collect();
        if self.config.bridge.is_off() {
            failures.extend(self.forget_default_bridge(&alive).err());
        }
        let (mut adopted, dead): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.lock().sandboxes)
                .into_values()
                .partition(|sandbox| {
                    alive.contains(sandbox.container.as_str())
                        && sandbox.key.as_ref().is_none_or(|key| netns::is_pinned(key))
                });
        let networks = self.networks();
        let mut wanted = Wanted::default();
        for network in &networks {
            wanted.networks.insert(network.id.clone(), Arc::clone(network));
            self.addresses.open(&network.id, network.subnets());
            let created = drivers::of(&network.kind).create(network);
            match created {
                // Without the default bridge nearly nothing works.
                Err(error) if network.name == "bridge" => return Err(error),
                other => failures.extend(other.err()),
            }
        }
        for sandbox in adopted.iter_mut().filter(|sandbox| sandbox.changing.is_some()) {
            let mut assembly = Assembly::of(self, Sandbox::clone(sandbox));
            failures.extend(assembly.resume().err());
            *sandbox = Arc::new(assembly.sandbox);
        }
        for sandbox in &adopted {
            let lead = self.adopt(sandbox, &mut failures);
            wanted.ports.extend(lead.map(|lead| (sandbox.container.clone(), lead)));
        }
        if wanted.has_ipv6() {
            failures.extend(forwarding::ensure(&self.config, Family::Ip6).err());
        }
        let by_container = |sandbox: &Arc<Sandbox>| (sandbox.container.clone(), Arc::clone(sandbox));
        wanted.links = links::openings(&networks, &adopted.iter().map(by_container).collect());
        self.filter.restore(wanted)?;
        for sandbox in adopted.iter_mut().filter(|sandbox| !sandbox.wishes.is_empty()) {
            let mut assembly = Assembly::of(self, Sandbox::clone(sandbox));
            failures.extend(assembly.publish_again().err());
            *sandbox = Arc::new(assembly.sandbox);
        }
        for sandbox in &dead {
            failures.extend(Assembly::of(self, Sandbox::clone(sandbox)).dismantle().err());
        }
        failures.extend(naming::restore(&self.names, &self.records, &mut adopted));
        failures.extend(remove_stray_pins(&self.config.netns, &adopted).err());
        failures.extend(remove_stray_links(&self.config.veth_prefix, &networks, &adopted).err());
        let mut state = self.lock();
        state
            .sandboxes
            .extend(adopted.into_iter().map(|sandbox| (sandbox.container.clone(), sandbox)));
        drop(state);
        Ok(failures)
    }

    /// Before the daemon ends: removes the rules if no sandbox is left; otherwise leaves all in place.
    pub fn shutdown(&self) -> Result<(), Error> {
        let empty = {
            let state = self.lock();
            state.sandboxes.is_empty() && state.joining.is_empty()
        };
        if !empty {
            return Ok(());
        }
        // Bridges stay, as dockerd's do: one that was there before us is not ours to take away.
        let swept = Rtnetlink::open().and_then(|route| route.sweep());
        self.filter.withdraw()?;
        Ok(swept?)
    }

    /// Claims again what an adopted sandbox holds. Gives where its ports lead.
    fn adopt(&self, sandbox: &Sandbox, failures: &mut Vec<Error>) -> Option<Lead> {
        for endpoint in &sandbox.endpoints {
            let network = self.lock().networks.get(&endpoint.network).cloned();
            if let (Some(network), Some(link)) = (network, &endpoint.link) {
                // The bridge may be another one than before.
                failures.extend(drivers::of(&network.kind).rejoin(&network, link).err());
                failures.extend(address::take_again(self, &network, link, &sandbox.name));
            }
        }
        let ways = ways(self, sandbox)?;
        let (sockets, refused) = self.ports.readopt(&sandbox.ports, ways.taker(&sandbox.name));
        failures.extend(refused.into_iter().map(|cause| Error::Publish {
            name: sandbox.name.clone(),
            endpoint: ways.endpoint(),
            cause: Box::new(cause),
        }));
        failures.extend(self.relay.serve(&sandbox.container, ways.targets, sockets).err());
        Some(Lead {
            published: sandbox.ports.clone(),
            targets: ways.targets,
        })
    }
}

/// Pins of namespaces that no adopted sandbox has: from a daemon that died half-way.
fn remove_stray_pins(directory: &Path, adopted: &[Arc<Sandbox>]) -> Result<(), Error> {
    let keys: HashSet<_> = adopted.iter().filter_map(|sandbox| sandbox.key.as_deref()).collect();
    let mut failures = Vec::new();
    for name in tierce_fsops::names(directory)? {
        let pin = directory.join(&name);
        if is_pin_name(&name.to_string_lossy()) && !keys.contains(pin.as_path()) {
            failures.extend(netns::unpin(&pin).err());
        }
    }
    Error::gather(failures)
}

/// Ports of our bridges that no adopted sandbox has.
fn remove_stray_links(prefix: &str, networks: &[Arc<Network>], adopted: &[Arc<Sandbox>]) -> Result<(), Error> {
    let endpoints = adopted.iter().flat_map(|sandbox| &sandbox.endpoints);
    let known: HashSet<_> = endpoints
        .filter_map(|endpoint| Some(endpoint.link.as_ref()?.peer.as_str()))
        .collect();
    let bridges: HashSet<_> = networks
        .iter()
        .filter_map(|network| match &network.kind {
            NetworkKind::Bridge(options) => Some(options.bridge.as_str()),
            _ => None,
        })
        .collect();
    let route = Rtnetlink::open()?;
    let links = route.links()?;
    let is_ours = |link: &&LinkEntry| bridges.contains(link.name.as_str());
    let ours: HashSet<_> = links.iter().filter(is_ours).map(|link| link.index).collect();
    let mut plan = Plan::default();
    for link in &links {
        let is_port = link.kind == "veth" && link.master.is_some_and(|master| ours.contains(&master));
        if is_port && link.name.starts_with(prefix) && !known.contains(link.name.as_str()) {
            plan.give_up(link);
        }
    }
    match route.apply(&plan) {
        // Some go with their namespaces at this moment.
        Err(error) if error.is(Errno::NODEV) => {}
        other => drop(other?),
    }
    Ok(route.sweep()?)
}

/// Twelve hexadecimal digits: what [`Controller::join`] makes.
fn is_pin_name(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
