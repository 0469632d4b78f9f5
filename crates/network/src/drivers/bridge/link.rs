//! Links of a bridge network.
//!
//! Every function opens its own rtnetlink socket (10 µs), so no lock is held while the kernel works and containers
//! start in parallel.

use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use rustix::io::Errno;
use tierce_ipam::Ipam;
use tierce_links::{LinkEntry, Plan, Rtnetlink};

use super::address::{link_local_of, mac_of_bridge};
use super::options::Options;
use crate::Error;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::Network;

/// The bridge's link-local address. From no other the kernel asks for the neighbour that a forwarded packet is for.
const ROUTER: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), 64);

/// Whether there is a bridge of that name, which a network may adopt. Of a network that is no more it is not there.
///
/// # Errors
/// When an interface of another kind has the name.
pub(crate) fn is_there(name: &str) -> Result<bool, Error> {
    match Rtnetlink::open()?.link(name)? {
        Some(existing) if existing.kind != "bridge" => Err(Error::Invalid(format!(
            "interface {name} exists and is not a bridge but {:?}",
            existing.kind
        ))),
        existing => Ok(existing.is_some_and(|existing| !existing.is_going())),
    }
}

/// Makes the bridge exist, up, with its address. One that exists is adopted.
pub(super) fn create_bridge(options: &Options, network: &Network) -> Result<(), Error> {
    let route = Rtnetlink::open()?;
    let name = &options.bridge;
    if !is_there(name)? {
        // One that is going would take the new network with it.
        route.delete(name)?;
    }
    let mut plan = Plan::default();
    plan.create_bridge(name, mac_of_bridge(network).0, options.mtu);
    match route.apply(&plan) {
        Err(error) if error.is(Errno::EXIST) => {}
        other => drop(other?),
    }
    let Some(bridge) = route.link(name)? else {
        return Err(Error::Invalid(format!("bridge {name} vanished while it was set up")));
    };
    // A kernel without IPv6 refuses this, and has no link-local addresses to forgo.
    let _ = route.apply(Plan::default().no_link_local(name));
    if network.ipam6.is_some() {
        switch_ipv6_on(name)?;
    }
    let mut plan = Plan::default();
    plan.route_localnet(name);
    if network.ipam6.as_ref().is_some_and(|ipam| ipam.gateway.is_some()) {
        plan.address(&bridge, IpNet::from(ROUTER));
    }
    for address in own_addresses(options, network) {
        plan.address(&bridge, address);
    }
    plan.up(name);
    route.apply(&plan)?;
    Ok(())
}

/// Gives the bridge up. Its addresses are free at once; that nobody waits for the rest makes a removal ten times as fast.
/// One that was adopted stays as it is, as with dockerd.
pub(super) fn remove_bridge(options: &Options, network: &Network) -> Result<(), Error> {
    let route = Rtnetlink::open()?;
    let bridge = match route.link(&options.bridge)? {
        Some(bridge) if bridge.kind == "bridge" && !options.is_adopted => bridge,
        _ => return Ok(()),
    };
    gone_already(route.apply(Plan::default().give_up(&bridge)))?;
    for address in own_addresses(options, network) {
        gone_already(route.apply(Plan::default().remove_address(&bridge, address)))?;
    }
    Ok(())
}

/// The addresses that a bridge has, beside [`ROUTER`].
fn own_addresses<'a>(options: &'a Options, network: &'a Network) -> impl Iterator<Item = IpNet> + 'a {
    let own = network.subnets().filter_map(Ipam::gateway_address);
    own.filter(|address| address.addr().is_ipv6() || !options.inhibit_ipv4)
}

/// What somebody else has removed needs no removal.
fn gone_already<T>(done: Result<T, tierce_links::Error>) -> Result<(), Error> {
    match done {
        Err(error) if error.is(Errno::NODEV) || error.is(Errno::ADDRNOTAVAIL) => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// Makes the veth pair with `eth0` in the namespace, and joins the other end to the bridge. A bridge that is not there is
/// found out before anything is made.
pub(super) fn attach(options: &Options, link: &mut Link, namespace: &Namespace) -> Result<(), Error> {
    let host = Rtnetlink::open()?;
    let bridge = found(&host, &options.bridge)?;
    let inside = &namespace.route;
    let mut plan = Plan::default();
    plan.create_veth(&link.interface, link.mac.0, options.mtu, &link.peer, namespace.home())
        .look_up(&link.interface);
    let entry = inside.apply(&plan)?.into_iter().next();
    let entry = entry.ok_or_else(|| vanished(&link.interface))?;
    link.index = entry.index;
    let peer = found(&host, &link.peer)?;
    join(&host, options, &bridge, &peer)?;
    let mut plan = Plan::default();
    for address in link.networks() {
        plan.address(&entry, address);
    }
    plan.look_up(&link.interface);
    if link.address6.is_some() {
        namespace.switch_ipv6_on(&link.interface)?;
    }
    inside.apply(&plan)?;
    Ok(())
}

/// Joins the host's end to the bridge again, if it is no port of it any more.
pub(super) fn rejoin(options: &Options, link: &Link) -> Result<(), Error> {
    let host = Rtnetlink::open()?;
    let bridge = found(&host, &options.bridge)?;
    match host.link(&link.peer)? {
        Some(peer) if peer.master != Some(bridge.index) => join(&host, options, &bridge, &peer),
        _ => Ok(()),
    }
}

fn join(host: &Rtnetlink, options: &Options, bridge: &LinkEntry, peer: &LinkEntry) -> Result<(), Error> {
    let mut plan = Plan::default();
    plan.enslave(&peer.name, bridge.index);
    if bridged_frames_are_filtered() {
        plan.hairpin(&peer.name, peer.index);
    } else if !options.icc {
        plan.isolate(&peer.name, peer.index);
    }
    // Looking a link up makes the kernel act on a new carrier at once (linkwatch); otherwise that may take a second, in
    // which port, bridge or interface drop everything.
    plan.look_up(&peer.name).look_up(&options.bridge);
    // Before the port is up, so that it never gets a link-local address.
    let _ = host.apply(Plan::default().no_link_local(&peer.name));
    host.apply(&plan)?;
    Ok(())
}

fn found(host: &Rtnetlink, name: &str) -> Result<LinkEntry, Error> {
    let entry = host.apply(Plan::default().look_up(name))?.into_iter().next();
    entry.ok_or_else(|| vanished(name))
}

fn vanished(name: &str) -> Error {
    Error::Invalid(format!("interface {name} vanished while it was set up"))
}

/// The bridge has addresses of IPv6, and listens to no router.
fn switch_ipv6_on(bridge: &str) -> Result<(), Error> {
    for (switch, value) in [("accept_ra", "0"), ("disable_ipv6", "0")] {
        let path = format!("/proc/sys/net/ipv6/conf/{bridge}/{switch}");
        std::fs::write(&path, value).map_err(|cause| Error::file("switch IPv6 on in", path, cause))?;
    }
    Ok(())
}

/// Whether br_netfilter hands bridged frames to the packet filter. Then our rules see (and separate) neighbours, and
/// translated frames stay on the bridge; port isolation would stop those.
fn bridged_frames_are_filtered() -> bool {
    std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables").is_ok_and(|value| value.trim() == "1")
}

/// Silences the port, so that the address may be given to another container while the kernel still takes the old
/// namespace apart; and gives the pair up, since a connection that lost its other side may keep that namespace for
/// minutes. The host forgets who had the address: the next one may have a hardware address of its choice.
pub(super) fn detach(options: &Options, link: &Link) -> Result<(), Error> {
    let host = Rtnetlink::open()?;
    if let Some(peer) = host.link(&link.peer)? {
        // In this order: a port that has changed is no longer silent.
        match host.apply(Plan::default().give_up(&peer).silence(&link.peer, peer.index)) {
            // It went away in between, or is no port (then it cannot talk either).
            Err(error) if error.is(Errno::NODEV) || error.is(Errno::OPNOTSUPP) => {}
            other => drop(other?),
        }
    }
    if let Some(bridge) = host.link(&options.bridge)? {
        let mut plan = Plan::default();
        for address in link.addresses().chain(link.address6.map(|_| link_local_of(link.mac))) {
            plan.forget_neighbour(&bridge, address);
        }
        // As a rule some of them are not known.
        let _ = host.apply(&plan);
    }
    Ok(())
}

/// Destroys both ends of the pair.
pub(super) fn delete(link: &Link) -> Result<(), Error> {
    Ok(Rtnetlink::open()?.delete(&link.peer)?)
}
