//! Start and end of the daemon: the kernel and the records are made to agree.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use ipnet::Ipv4Net;
use serde::de::DeserializeOwned;
use tierce_firewall::{Change, Family, Table};

use super::networks::{first_host, host_routes, occupied_by};
use super::{Alive, Controller, FORWARDING, random_id};
use crate::drivers;
use crate::drivers::bridge::{self, interface_name, rules};
use crate::ipam;
use crate::netns;
use crate::network::{Ipam, NetworkKind};
use crate::portmap::{Taker, nat};
use crate::rtnetlink::Rtnetlink;
use crate::{Error, Network, Sandbox};

/// Says, as long as the machine runs, that forwarding was off before us.
const FORWARDING_MARK: &str = "forwarding-enabled";

impl Controller {
    /// Makes the kernel agree with the records: bridges and rules exist, sandboxes of `alive` containers are adopted,
    /// everything else that is ours is removed. Returns what could not be mended (and is worth a warning).
    pub fn restore(&self, alive: &[Alive]) -> Result<Vec<Error>, Error> {
        let mut failures = Vec::new();
        self.ensure_predefined()?;
        self.ensure_forwarding(&mut failures);
        let alive: HashSet<_> = alive.iter().map(|alive| alive.container.as_str()).collect();
        let (adopted, dead): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.lock().sandboxes)
                .into_values()
                .partition(|sandbox| {
                    alive.contains(sandbox.container.as_str())
                        && sandbox.key.as_ref().is_none_or(|key| netns::is_pinned(key))
                });
        let networks = self.networks();
        for network in &networks {
            self.addresses.open(network);
            let created = drivers::of(&network.kind).create(network);
            match created {
                // Without the default bridge nearly nothing works.
                Err(error) if network.name == "bridge" => return Err(error),
                other => failures.extend(other.err()),
            }
        }
        for sandbox in &adopted {
            self.adopt(sandbox, &mut failures);
        }
        self.filter
            .apply(&[Change::Replace(self.whole_table(&networks, &adopted))])?;
        for sandbox in &dead {
            failures.extend(self.dismantle(sandbox).err());
        }
        self.remove_strays(&networks, &adopted, &mut failures);
        let mut state = self.lock();
        state
            .sandboxes
            .extend(adopted.into_iter().map(|sandbox| (sandbox.container.clone(), sandbox)));
        drop(state);
        Ok(failures)
    }

    /// Before the daemon ends: removes rules and bridges if no sandbox is left; otherwise leaves all in place.
    pub fn shutdown(&self) -> Result<(), Error> {
        let empty = {
            let state = self.lock();
            state.sandboxes.is_empty() && state.joining.is_empty()
        };
        if !empty {
            return Ok(());
        }
        let mut failures = Vec::new();
        let table = Change::RemoveTable {
            family: Family::Ip,
            name: self.config.table.clone(),
        };
        failures.extend(self.filter.apply(&[table]).err().map(Error::from));
        for network in self.networks() {
            failures.extend(drivers::of(&network.kind).remove(&network).err());
        }
        Error::gather(failures)
    }

    /// Reads all records. Called once.
    pub(super) fn load(&self) -> Result<(), Error> {
        let (networks, mut unreadable_networks) = read_records::<Network>(&self.config.records)?;
        if let Some(error) = unreadable_networks.pop() {
            return Err(error);
        }
        // A torn or foreign sandbox record must not keep the daemon from starting: without it the sandbox is a stray.
        let (sandboxes, unreadable) = read_records::<Sandbox>(&self.config.state)?;
        for error in unreadable {
            tracing::warn!(%error, "sandbox is given up");
        }
        let mut state = self.lock();
        state.networks = networks
            .into_iter()
            .map(|network| (network.id.clone(), Arc::new(network)))
            .collect();
        state.sandboxes = sandboxes
            .into_iter()
            .map(|sandbox| (sandbox.container.clone(), Arc::new(sandbox)))
            .collect();
        Ok(())
    }

    fn ensure_predefined(&self) -> Result<(), Error> {
        let bridge = self.default_bridge()?;
        for network in [
            Some(bridge),
            self.missing("host", NetworkKind::Host)?,
            self.missing("none", NetworkKind::None)?,
        ]
        .into_iter()
        .flatten()
        {
            let known = self
                .lock()
                .networks
                .get(&network.id)
                .is_some_and(|known| **known == network);
            if !known {
                self.save_network(&network)?;
                self.lock().networks.insert(network.id.clone(), Arc::new(network));
            }
        }
        Ok(())
    }

    fn missing(&self, name: &str, kind: NetworkKind) -> Result<Option<Network>, Error> {
        let known = self.lock().networks.values().any(|network| network.name == name);
        if known {
            Ok(None)
        } else {
            predefined(name, kind, None, BTreeMap::new()).map(Some)
        }
    }

    /// The default bridge's record as the configuration wants it: `--bip`, else the address that the interface has,
    /// else the recorded subnet while nothing is in its way, else a new one.
    fn default_bridge(&self) -> Result<Network, Error> {
        let wish = &self.config.bridge;
        let name = interface_name(&wish.name)
            .ok_or_else(|| Error::Invalid(format!("invalid bridge interface name {:?}", wish.name)))?;
        let known = self
            .lock()
            .networks
            .values()
            .find(|network| network.name == "bridge")
            .cloned();
        let mut occupied = host_routes(Some(&name))?;
        let others = self.networks();
        occupied.extend(
            others
                .iter()
                .filter(|network| network.name != "bridge")
                .filter_map(|network| occupied_by(network)),
        );
        let route = Rtnetlink::open()?;
        let present = match route.link(&name)? {
            Some(link) => route.addresses(link.index)?.into_iter().next(),
            None => None,
        };
        let recorded = known
            .as_ref()
            .and_then(|network| network.ipam.as_ref())
            .filter(|ipam| !ipam.configured);
        let address = match (wish.address, present, recorded) {
            (Some(address), ..) | (None, Some(address), _) => address,
            (None, None, Some(ipam)) if ipam::overlapping(ipam.subnet, &occupied).is_none() => {
                Ipv4Net::new(ipam.gateway, ipam.subnet.prefix_len()).unwrap_or(ipam.subnet)
            }
            _ => {
                let subnet = ipam::choose_subnet(&self.config.pools, &occupied)?;
                Ipv4Net::new(first_host(subnet), subnet.prefix_len()).unwrap_or(subnet)
            }
        };
        let ipam = Ipam {
            subnet: address.trunc(),
            gateway: address.addr(),
            allocation: wish.allocation,
            configured: false,
        };
        let options = bridge::Options {
            bridge: name.clone(),
            mtu: wish.mtu,
            icc: wish.icc,
            masquerade: wish.masquerade,
            publish_address: None,
        };
        let shown = [
            ("com.docker.network.bridge.default_bridge", "true".to_owned()),
            ("com.docker.network.bridge.enable_icc", wish.icc.to_string()),
            (
                "com.docker.network.bridge.enable_ip_masquerade",
                wish.masquerade.to_string(),
            ),
            (
                "com.docker.network.bridge.host_binding_ipv4",
                self.publish_address_shown(),
            ),
            ("com.docker.network.bridge.name", name),
            ("com.docker.network.driver.mtu", wish.mtu.to_string()),
        ];
        let shown = shown.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut network = predefined("bridge", NetworkKind::Bridge(options), Some(ipam), shown)?;
        if let Some(known) = known {
            network.id.clone_from(&known.id);
            network.created = known.created;
        }
        Ok(network)
    }

    fn publish_address_shown(&self) -> String {
        self.config
            .publish_address
            .map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string())
    }

    /// Switches forwarding on, as Docker does; remembers that it was off, so that the host routes for containers only.
    fn ensure_forwarding(&self, failures: &mut Vec<Error>) {
        let mark = self.config.state.join(FORWARDING_MARK);
        let off = std::fs::read_to_string(FORWARDING).is_ok_and(|value| value.trim() == "0");
        if self.config.ip_forward && off {
            match std::fs::write(FORWARDING, "1") {
                Ok(()) => failures.extend(tierce_fsops::write(&mark, b"", 0o600).err().map(Error::from)),
                Err(cause) => failures.push(Error::file("enable forwarding in", FORWARDING, cause)),
            }
        }
        self.lock().forwarding_is_ours = tierce_fsops::exists(&mark);
    }

    /// Claims again what an adopted sandbox holds.
    fn adopt(&self, sandbox: &Sandbox, failures: &mut Vec<Error>) {
        for endpoint in &sandbox.endpoints {
            let network = self.lock().networks.get(&endpoint.network).cloned();
            if let (Some(network), Some(link)) = (network, &endpoint.link) {
                failures.extend(self.addresses.take(&network, Some(link.address), &sandbox.name).err());
            }
        }
        let Some((endpoint, link)) = sandbox.primary() else {
            return;
        };
        let taker = Taker {
            name: &sandbox.name,
            target: link.address,
            default_address: None,
            ipv6: self.config.relay,
        };
        let (sockets, refused) = self.ports.readopt(&sandbox.ports, taker);
        failures.extend(refused.into_iter().map(|cause| Error::Publish {
            name: sandbox.name.clone(),
            endpoint: endpoint.id.clone(),
            cause: Box::new(cause),
        }));
        failures.extend(self.relay.serve(&sandbox.container, link.address, sockets).err());
    }

    /// Everything that shall be in force, as one value.
    fn whole_table(&self, networks: &[Arc<Network>], sandboxes: &[Arc<Sandbox>]) -> Table {
        let name = &self.config.table;
        let mut table = rules::table(name, self.lock().forwarding_is_ours);
        let of_networks = networks
            .iter()
            .flat_map(|network| drivers::of(&network.kind).rules(network, name));
        let of_sandboxes = sandboxes.iter().flat_map(|sandbox| match sandbox.primary() {
            Some((_, link)) => nat::elements(name, &sandbox.ports, link.address),
            None => Vec::new(),
        });
        for more in of_networks.chain(of_sandboxes) {
            if let Some(set) = table.sets.iter_mut().find(|set| set.name == more.set) {
                set.elements.extend(more.elements);
            }
        }
        table
    }

    /// Namespaces and interfaces of ours that no adopted sandbox knows: from a daemon that died half-way.
    fn remove_strays(&self, networks: &[Arc<Network>], adopted: &[Arc<Sandbox>], failures: &mut Vec<Error>) {
        let keys: HashSet<_> = adopted.iter().filter_map(|sandbox| sandbox.key.as_deref()).collect();
        match tierce_fsops::names(&self.config.netns) {
            Ok(names) => {
                for name in names {
                    let pin = self.config.netns.join(&name);
                    if is_pin_name(&name.to_string_lossy()) && !keys.contains(pin.as_path()) {
                        failures.extend(netns::unpin(&pin).err());
                    }
                }
            }
            Err(error) => failures.push(error.into()),
        }
        failures.extend(self.remove_stray_links(networks, adopted).err());
    }

    fn remove_stray_links(&self, networks: &[Arc<Network>], adopted: &[Arc<Sandbox>]) -> Result<(), Error> {
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
        let ours: HashSet<_> = links
            .iter()
            .filter(|link| bridges.contains(link.name.as_str()))
            .map(|link| link.index)
            .collect();
        let mut failures = Vec::new();
        for link in &links {
            let of_ours = link.kind == "veth" && link.master.is_some_and(|master| ours.contains(&master));
            if of_ours && link.name.starts_with(&self.config.veth_prefix) && !known.contains(link.name.as_str()) {
                failures.extend(route.delete(&link.name).err());
            }
        }
        Error::gather(failures)
    }
}

fn predefined(
    name: &str,
    kind: NetworkKind,
    ipam: Option<Ipam>,
    options: BTreeMap<String, String>,
) -> Result<Network, Error> {
    Ok(Network {
        id: random_id()?,
        name: name.to_owned(),
        created: jiff::Timestamp::now(),
        kind,
        ipam,
        internal: false,
        labels: BTreeMap::new(),
        options,
    })
}

/// Twelve hexadecimal digits: what [`Controller::join`] makes.
fn is_pin_name(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// All `*.json` files of a directory, and what is wrong with those that cannot be understood.
fn read_records<T: DeserializeOwned>(directory: &Path) -> Result<(Vec<T>, Vec<Error>), Error> {
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for name in tierce_fsops::names(directory)? {
        let path = directory.join(&name);
        if path.extension().is_none_or(|extension| extension != "json") || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match serde_json::from_slice(&tierce_fsops::read(&path)?) {
            Ok(record) => records.push(record),
            Err(cause) => unreadable.push(Error::Record { path, cause }),
        }
    }
    Ok((records, unreadable))
}
