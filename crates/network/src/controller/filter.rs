//! What the packet filter of the host is told, and the host's forwarding, without which it has nothing to do.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use rustix::io::Errno;
use tierce_firewall::{Change, Choice, Elements, Family, Table};

use super::ways::ways;
use super::{Controller, FORWARDING, FORWARDING6, watch};
use crate::drivers;
use crate::drivers::bridge::rules::{self, Situation};
use crate::portmap::nat;
use crate::{Config, Error, Network, Sandbox};

/// Applies changes, without those of families whose packets are the administrator's.
pub(super) fn in_force(controller: &Controller, mut changes: Vec<Change>) -> Result<(), Error> {
    let firewall = controller.config.firewall;
    changes.retain(|change| {
        let choice = if change.family() == Family::Ip6 {
            firewall.ipv6
        } else {
            firewall.ipv4
        };
        choice != Choice::None
    });
    Ok(controller.filter.apply(&changes)?)
}

/// The same; where a table that they need is gone, it is put back first.
pub(super) fn apply(controller: &Controller, changes: Vec<Change>) -> Result<(), Error> {
    match in_force(controller, changes.clone()) {
        Err(Error::Firewall(tierce_firewall::Error::Refused { cause, .. })) if cause.is(Errno::NOENT) => {
            watch::repair(controller, false)?;
            in_force(controller, changes)
        }
        other => other,
    }
}

/// The tables of all families that have one, as the networks and sandboxes want them.
pub(super) fn whole_tables(
    controller: &Controller,
    networks: &[Arc<Network>],
    sandboxes: &[Arc<Sandbox>],
) -> Vec<Table> {
    let six = *controller.ipv6_ready.lock().unwrap_or_else(PoisonError::into_inner);
    let families = [Family::Ip].into_iter().chain(six.then_some(Family::Ip6));
    families
        .map(|family| whole_table(controller, family, networks, sandboxes))
        .collect()
}

/// What stands for a network.
pub(super) fn rules_of(controller: &Controller, network: &Network) -> Vec<Elements> {
    let elements = drivers::of(&network.kind).rules(network, &controller.config.table);
    if controller.config.firewall.direct_routing {
        return rules::with_direct_routing(elements);
    }
    elements
}

/// Everything that shall be in force of a family, as one value.
pub(super) fn whole_table(
    controller: &Controller,
    family: Family,
    networks: &[Arc<Network>],
    sandboxes: &[Arc<Sandbox>],
) -> Table {
    let name = &controller.config.table;
    let situation = Situation {
        forwarding_is_ours: tierce_fsops::exists(&controller.config.state.join(forwarding(family).mark)),
        obey_host: controller.config.host.obey_firewall,
    };
    let mut table = rules::table(name, family, situation);
    let of_networks = networks.iter().flat_map(|network| rules_of(controller, network));
    let of_sandboxes = sandboxes.iter().filter_map(|sandbox| {
        let ways = ways(controller, sandbox)?;
        Some(nat::elements(name, &sandbox.ports, ways.targets))
    });
    let all = of_networks.chain(of_sandboxes.flatten());
    for more in all.filter(|more| more.family == family) {
        if let Some(set) = table.sets.iter_mut().find(|set| set.name == more.set) {
            set.elements.extend(more.elements);
        }
    }
    table
}

/// Before the first network with IPv6: the host forwards, and the packet filter has its table.
pub(super) fn ensure_ipv6(controller: &Controller) -> Result<(), Error> {
    let mut ready = controller.ipv6_ready.lock().unwrap_or_else(PoisonError::into_inner);
    if *ready {
        return Ok(());
    }
    let mut failures = Vec::new();
    ensure_forwarding(&controller.config, Family::Ip6, &mut failures);
    Error::gather(failures)?;
    in_force(
        controller,
        vec![Change::Replace(whole_table(controller, Family::Ip6, &[], &[]))],
    )?;
    *ready = true;
    Ok(())
}

/// The host's switch of forwarding.
struct Forwarding {
    switch: &'static str,
    /// Says, as long as the machine runs, that it was off before us.
    mark: &'static str,
}

fn forwarding(family: Family) -> Forwarding {
    match family {
        Family::Ip | Family::Inet => Forwarding {
            switch: FORWARDING,
            mark: "forwarding-enabled",
        },
        Family::Ip6 => Forwarding {
            switch: FORWARDING6,
            mark: "forwarding6-enabled",
        },
    }
}

/// Switches forwarding on, as Docker does, and notes that this daemon did so: the host was no router before.
pub(super) fn ensure_forwarding(config: &Config, family: Family, failures: &mut Vec<Error>) {
    let Forwarding { switch, mark } = forwarding(family);
    let off = std::fs::read_to_string(switch).is_ok_and(|value| value.trim() == "0");
    if !config.host.forward || !off {
        return;
    }
    if family == Family::Ip6 {
        keep_router_advertisements();
    }
    match std::fs::write(switch, "1") {
        Ok(()) => {
            let written = tierce_fsops::write(&config.state.join(mark), b"", 0o600);
            failures.extend(written.err().map(Error::from));
        }
        Err(cause) => failures.push(Error::file("enable forwarding in", switch, cause)),
    }
}

/// A host that forwards listens to no router any more, unless it is told to: its interfaces that listen go on.
fn keep_router_advertisements() {
    const INTERFACES: &str = "/proc/sys/net/ipv6/conf";
    for name in tierce_fsops::names(Path::new(INTERFACES)).unwrap_or_default() {
        let switch = Path::new(INTERFACES).join(&name).join("accept_ra");
        let listens = std::fs::read_to_string(&switch).is_ok_and(|value| value.trim() == "1");
        if listens && name != "all" && name != "default" {
            // An interface that goes away at this moment needs nothing.
            let _ = std::fs::write(&switch, "2");
        }
    }
}
