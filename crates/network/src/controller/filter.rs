//! What the packet filter of the host shall hold, and how it comes to hold it.
//!
//! [`Filter`] knows at any time what shall be in force: the rules of networks, where the published ports of sandboxes
//! lead, of those that are just joining too, and what links open. A change is noted and applied under one lock. So whoever
//! finds that others took a table or a part of it away puts back all that belongs there, once, and needs to wait for
//! nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use tierce_firewall::{Backend, Change, Choice, Elements, Family, LiveRules, Table, Watch};

use super::forwarding;
use crate::drivers;
use crate::drivers::bridge::rules::{self, Opening, Situation};
use crate::portmap::nat::{self, Targets};
use crate::sandbox::Published;
use crate::{Config, Error, Network};

/// The packet filter of the host, as far as it is ours.
#[derive(Debug)]
pub(super) struct Filter {
    backend: Box<dyn Backend>,
    config: Arc<Config>,
    wanted: Mutex<Wanted>,
}

/// What shall be in force.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// By id.
    pub(super) networks: BTreeMap<String, Arc<Network>>,
    /// By container.
    pub(super) ports: BTreeMap<String, Lead>,
    /// What is open between containers that are kept apart.
    pub(super) links: BTreeSet<Opening>,
}

/// Published ports, and where they lead.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub(super) published: Vec<Published>,
    pub(super) targets: Targets,
}

impl Wanted {
    /// There is a table of IPv6 as long as a network has IPv6.
    pub(super) fn has_ipv6(&self) -> bool {
        self.networks.values().any(|network| network.ipam6.is_some())
    }

    fn families(&self) -> impl Iterator<Item = Family> {
        [Family::Ip].into_iter().chain(self.has_ipv6().then_some(Family::Ip6))
    }
}

impl Filter {
    pub(super) fn new(config: &Arc<Config>) -> Self {
        Self {
            backend: tierce_firewall::open(config.firewall.any()),
            config: Arc::clone(config),
            wanted: Mutex::default(),
        }
    }

    /// Puts the rules of a network in force. With the first one that has IPv6 the host forwards that, and the table of
    /// IPv6 comes.
    pub(super) fn add_network(&self, network: &Arc<Network>) -> Result<(), Error> {
        let mut wanted = self.lock();
        let first = network.ipam6.is_some() && !wanted.has_ipv6();
        if first {
            forwarding::ensure(&self.config, Family::Ip6)?;
        }
        let is_known = wanted
            .networks
            .insert(network.id.clone(), Arc::clone(network))
            .is_some();
        let mut changes = Vec::new();
        if first {
            changes.push(Change::Replace(self.table(&wanted, Family::Ip6)));
        }
        let is_new = |elements: &Elements| !(first && elements.family == Family::Ip6);
        changes.extend(self.rules_of(network).filter(is_new).map(Change::Add));
        let done = self.change(&wanted, changes);
        if done.is_err() && !is_known {
            wanted.networks.remove(&network.id);
        }
        done
    }

    /// Takes them out. With the last network that has IPv6 the table of IPv6 goes.
    pub(super) fn remove_network(&self, network: &Network) -> Result<(), Error> {
        let mut wanted = self.lock();
        if wanted.networks.remove(&network.id).is_none() {
            return Ok(());
        }
        let last = network.ipam6.is_some() && !wanted.has_ipv6();
        let stays = |elements: &Elements| !(last && elements.family == Family::Ip6);
        let mut changes: Vec<_> = self.rules_of(network).filter(stays).map(Change::Remove).collect();
        if last {
            changes.push(Change::Withdraw(self.table(&wanted, Family::Ip6)));
        }
        self.change(&wanted, changes)
    }

    /// Leads the ports of a container there, and those that it had nowhere any more. A failure changes nothing, unless
    /// nothing is to be led.
    pub(super) fn lead(&self, container: &str, lead: Option<Lead>) -> Result<(), Error> {
        let mut wanted = self.lock();
        let before = wanted.ports.remove(container);
        let elements = |lead: &Option<Lead>| lead.as_ref().map(|lead| self.elements(lead)).unwrap_or_default();
        let mut changes: Vec<_> = elements(&before).into_iter().map(Change::Remove).collect();
        changes.extend(elements(&lead).into_iter().map(Change::Add));
        let Some(lead) = lead else {
            return self.change(&wanted, changes);
        };
        wanted.ports.insert(container.to_owned(), lead);
        let done = self.change(&wanted, changes);
        if done.is_err() {
            wanted.ports.remove(container);
            wanted.ports.extend(before.map(|before| (container.to_owned(), before)));
        }
        done
    }

    /// Opens this between containers and nothing else. It is told under the lock: the last one to ask knows best.
    pub(super) fn open(&self, openings: impl FnOnce() -> BTreeSet<Opening>) -> Result<(), Error> {
        let mut wanted = self.lock();
        let before = std::mem::replace(&mut wanted.links, openings());
        let mut changes = Vec::new();
        if let Some(closed) = self.opened(before.difference(&wanted.links)) {
            changes.push(Change::Remove(closed));
        }
        if let Some(opened) = self.opened(wanted.links.difference(&before)) {
            changes.push(Change::Add(opened));
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.change(&wanted, changes)
    }

    /// This shall be in force and nothing else, whatever an earlier life of the daemon left.
    pub(super) fn restore(&self, all: Wanted) -> Result<(), Error> {
        let mut wanted = self.lock();
        *wanted = all;
        let mut changes = self.whole(&wanted);
        if !wanted.has_ipv6() && self.backend.has_table(Family::Ip6, &self.config.table).unwrap_or(false) {
            changes.push(Change::Withdraw(self.table(&wanted, Family::Ip6)));
        }
        self.apply(changes)
    }

    /// Puts back whatever others took away.
    pub(super) fn put_back(&self) -> Result<(), Error> {
        let wanted = self.lock();
        self.apply(self.whole(&wanted))
    }

    /// Takes everything out.
    pub(super) fn withdraw(&self) -> Result<(), Error> {
        let mut wanted = self.lock();
        let families: Vec<_> = wanted.families().collect();
        *wanted = Wanted::default();
        let tables = families.into_iter().map(|family| self.table(&wanted, family));
        self.apply(tables.map(Change::Withdraw).collect())
    }

    /// What all programs have in force.
    pub(super) fn live(&self) -> Result<LiveRules, tierce_firewall::Error> {
        self.backend.live()
    }

    /// Tells what others change from now on.
    pub(super) fn watch(&self) -> Result<Option<Watch>, tierce_firewall::Error> {
        self.backend.watch()
    }

    /// Chains of others that drop forwarded packets by policy.
    pub(super) fn foreign_forward_drops(&self) -> Result<Vec<String>, tierce_firewall::Error> {
        self.backend.foreign_forward_drops(&self.config.table)
    }

    /// Applies changes that lead to `wanted`; where something of what is changed is gone, all is put back as wanted.
    fn change(&self, wanted: &Wanted, changes: Vec<Change>) -> Result<(), Error> {
        match self.apply(changes) {
            Err(Error::Firewall(tierce_firewall::Error::Refused { cause, .. })) if cause.is(Errno::NOENT) => {
                self.apply(self.whole(wanted))
            }
            other => other,
        }
    }

    /// Applies changes, without those of families whose packets are the administrator's.
    fn apply(&self, mut changes: Vec<Change>) -> Result<(), Error> {
        let firewall = self.config.firewall;
        changes.retain(|change| {
            let choice = if change.family() == Family::Ip6 {
                firewall.ipv6
            } else {
                firewall.ipv4
            };
            choice != Choice::None
        });
        Ok(self.backend.apply(&changes)?)
    }

    /// The tables of all families that have one.
    fn whole(&self, wanted: &Wanted) -> Vec<Change> {
        let tables = wanted.families().map(|family| self.table(wanted, family));
        tables.map(Change::Replace).collect()
    }

    /// Everything that shall be in force of a family, as one value.
    fn table(&self, wanted: &Wanted, family: Family) -> Table {
        let situation = Situation {
            forwarding_is_ours: forwarding::is_ours(&self.config, family),
            obey_host: self.config.host.obey_firewall,
        };
        let mut table = rules::table(&self.config.table, family, situation);
        let of_networks = wanted.networks.values().flat_map(|network| self.rules_of(network));
        let of_ports = wanted.ports.values().flat_map(|lead| self.elements(lead));
        let of_links = self.opened(&wanted.links);
        for more in of_networks
            .chain(of_ports)
            .chain(of_links)
            .filter(|more| more.family == family)
        {
            if let Some(set) = table.sets.iter_mut().find(|set| set.name == more.set) {
                set.elements.extend(more.elements);
            }
        }
        table
    }

    /// What stands for a network.
    fn rules_of(&self, network: &Network) -> impl Iterator<Item = Elements> + use<> {
        let mut elements = drivers::of(&network.kind).rules(network, &self.config.table);
        if self.config.firewall.direct_routing {
            elements = rules::with_direct_routing(elements);
        }
        elements.into_iter()
    }

    /// What stands for openings, if there are any.
    fn opened<'a>(&self, openings: impl IntoIterator<Item = &'a Opening>) -> Option<Elements> {
        let elements: Vec<_> = openings.into_iter().map(rules::opening).collect();
        (!elements.is_empty()).then(|| Elements {
            family: Family::Ip,
            table: self.config.table.clone(),
            set: rules::LINKS.to_owned(),
            interval: false,
            elements,
        })
    }

    fn elements(&self, lead: &Lead) -> Vec<Elements> {
        nat::elements(&self.config.table, &lead.published, lead.targets)
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
