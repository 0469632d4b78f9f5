//! Links of a bridge network.
//!
//! Every function opens its own rtnetlink socket (10 µs), so no lock is held while the kernel works and containers
//! start in parallel.

use ipnet::Ipv4Net;
use rustix::io::Errno;

use super::address::mac_of;
use super::options::Options;
use crate::Error;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::Ipam;
use crate::rtnetlink::{Plan, Rtnetlink};

/// Makes the bridge exist, up, with its address. One that exists is adopted.
pub(super) fn create_bridge(options: &Options, ipam: &Ipam) -> Result<(), Error> {
    let route = Rtnetlink::open()?;
    let name = &options.bridge;
    let existing = route.link(name)?;
    if let Some(existing) = existing.filter(|existing| existing.kind != "bridge") {
        return Err(Error::Invalid(format!(
            "interface {name} exists and is not a bridge but {:?}",
            existing.kind
        )));
    }
    let mut plan = Plan::default();
    plan.create_bridge(name, mac_of(ipam.gateway), options.mtu);
    match route.apply(&plan) {
        Err(Error::Kernel { cause, .. }) if cause.is(Errno::EXIST) => {}
        other => other.map(drop)?,
    }
    let Some(bridge) = route.link(name)? else {
        return Err(Error::Invalid(format!("bridge {name} vanished while it was set up")));
    };
    // A kernel without IPv6 refuses this, and has no link-local addresses to forgo.
    let _ = route.apply(Plan::default().no_link_local(name));
    let mut plan = Plan::default();
    let address = Ipv4Net::new(ipam.gateway, ipam.subnet.prefix_len()).unwrap_or(ipam.subnet);
    plan.route_localnet(name).address(&bridge, address).up(name);
    route.apply(&plan).map(drop)
}

/// Removes the bridge.
pub(super) fn remove_bridge(name: &str) -> Result<(), Error> {
    Rtnetlink::open()?.delete(name)
}

/// Makes the veth pair with `eth0` in the namespace, and joins the other end to the bridge.
pub(super) fn attach(options: &Options, link: &Link, namespace: &Namespace) -> Result<(), Error> {
    let inside = &namespace.route;
    let mut plan = Plan::default();
    plan.create_veth(&link.interface, link.mac, options.mtu, &link.peer, namespace.home())
        .look_up(&link.interface);
    let entry = inside.apply(&plan)?.into_iter().next();
    let Some(entry) = entry else {
        return Err(Error::Invalid(format!(
            "interface {} vanished while it was set up",
            link.interface
        )));
    };
    let host = Rtnetlink::open()?;
    let found = host.apply(Plan::default().look_up(&options.bridge).look_up(&link.peer))?;
    let [bridge, peer] = &found[..] else {
        return Err(Error::Invalid(format!(
            "bridge {} or interface {} vanished",
            options.bridge, link.peer
        )));
    };
    let mut plan = Plan::default();
    plan.enslave(&link.peer, bridge.index);
    if bridged_frames_are_filtered() {
        plan.hairpin(&link.peer, peer.index);
    } else if !options.icc {
        plan.isolate(&link.peer, peer.index);
    }
    // Looking a link up makes the kernel act on a new carrier at once (linkwatch); otherwise that may take a second, in
    // which port, bridge or interface drop everything.
    plan.look_up(&link.peer).look_up(&options.bridge);
    // Before the port is up, so that it never gets a link-local address.
    let _ = host.apply(Plan::default().no_link_local(&link.peer));
    host.apply(&plan)?;
    let mut plan = Plan::default();
    if let Ok(address) = Ipv4Net::new(link.address, link.prefix_length) {
        plan.address(&entry, address);
    }
    if let Some(gateway) = link.gateway {
        plan.default_route(&entry, gateway);
    }
    plan.look_up(&link.interface);
    inside.apply(&plan).map(drop)
}

/// Whether br_netfilter hands bridged frames to the packet filter. Then our rules see (and separate) neighbours, and
/// translated frames stay on the bridge; port isolation would stop those.
fn bridged_frames_are_filtered() -> bool {
    std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables").is_ok_and(|value| value.trim() == "1")
}

/// Silences the port, so that the address may be given to another container while the kernel still takes the old
/// namespace apart.
pub(super) fn detach(link: &Link) -> Result<(), Error> {
    let host = Rtnetlink::open()?;
    let Some(peer) = host.link(&link.peer)? else {
        return Ok(());
    };
    match host.apply(Plan::default().silence(&link.peer, peer.index)) {
        // It went away in between, or is no port (then it cannot talk either).
        Err(Error::Kernel { cause, .. }) if cause.is(Errno::NODEV) || cause.is(Errno::OPNOTSUPP) => Ok(()),
        other => other.map(drop),
    }
}
