//! Collects what [`super::judge`] judges: kernel parameters, links, routes, live rules, and DNS questions from within.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use rustix::io::Errno;
use tierce_firewall::{Choice, LiveRules, Packet, Value};

use super::{ContainerFacts, Facts, Finding, NetworkFacts, judge};
use crate::controller::{Controller, live_rules};
use crate::drivers::bridge::GatewayMode;
use crate::drivers::bridge::rules::{MASQUERADE, is_masqueraded};
use crate::network::NetworkKind;
use crate::rtnetlink::{LinkEntry, Rtnetlink};
use crate::{Error, Network, Sandbox, netns};

/// How long a DNS server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// An address of the outside that nobody has (TEST-NET-1), for packets that are only thought of.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TCP: u8 = 6;

/// What is wrong with the networks of a container that runs, or with all bridge networks. `servers`: the DNS servers
/// that the container asks.
pub fn diagnose(controller: &Controller, container: Option<&str>, servers: &[IpAddr]) -> Result<Vec<Finding>, Error> {
    let sandbox = container.and_then(|container| controller.sandbox(container));
    Ok(judge(&facts(controller, sandbox.as_ref(), servers)?))
}

fn facts(controller: &Controller, sandbox: Option<&Arc<Sandbox>>, servers: &[IpAddr]) -> Result<Facts, Error> {
    let route = Rtnetlink::open()?;
    let links = route.links()?;
    let live = live_rules(controller)?;
    let uplink = route
        .link_to(OUTSIDE)?
        .and_then(|index| links.iter().find(|link| link.index == index))
        .map(|link| (link.name.clone(), link.mtu));
    let mut facts = Facts {
        forwarding: parameter("net/ipv4/ip_forward").map(|value| value != 0),
        connections: parameter("net/netfilter/nf_conntrack_count").zip(parameter("net/netfilter/nf_conntrack_max")),
        uplink,
        networks: Vec::new(),
    };
    for network in controller.networks() {
        let joined = |sandbox: &Arc<Sandbox>| sandbox.endpoints.iter().any(|one| one.network == network.id);
        if sandbox.is_some_and(|sandbox| !joined(sandbox)) {
            continue;
        }
        let inside = sandbox.map(|sandbox| inside(&network, sandbox, servers)).transpose()?;
        let collected = Collected {
            controller,
            route: &route,
            links: &links,
            live: &live,
            uplink: facts.uplink.as_ref().map_or("", |(name, _)| name.as_str()),
        };
        facts.networks.extend(collected.network(&network, inside.flatten())?);
    }
    Ok(facts)
}

struct Collected<'a> {
    controller: &'a Controller,
    route: &'a Rtnetlink,
    links: &'a [LinkEntry],
    live: &'a LiveRules,
    uplink: &'a str,
}

impl Collected<'_> {
    fn network(&self, network: &Network, container: Option<ContainerFacts>) -> Result<Option<NetworkFacts>, Error> {
        // IPv4 is diagnosed; a network without it, or without a gateway, has nothing of that to be wrong.
        let ipam = network
            .ipam
            .as_ref()
            .and_then(|ipam| Some((ipam.subnet, ipam.gateway?)));
        let (NetworkKind::Bridge(options), Some((IpNet::V4(subnet), IpAddr::V4(gateway)))) = (&network.kind, ipam)
        else {
            return Ok(None);
        };
        let config = self.controller.config();
        let bridge = &options.bridge;
        let link = self.links.iter().find(|link| link.name == *bridge);
        let addresses = match link {
            Some(link) => ipv4(self.route.addresses(link.index)?),
            None => Vec::new(),
        };
        // Any address of the subnet that is not the host's own.
        let somebody = subnet.hosts().find(|host| *host != gateway).unwrap_or(gateway);
        let way_back = self.route.link_to(somebody)?;
        let way_back = self.links.iter().find(|link| Some(link.index) == way_back);
        let outwards = Packet {
            interface_in: bridge.clone(),
            number_in: link.map(|link| link.index),
            interface_out: if self.uplink.is_empty() { "eth0" } else { self.uplink }.to_owned(),
            protocol: TCP,
            source: Some(somebody),
            destination: OUTSIDE,
            port: 443,
            original_port: None,
        };
        let table = format!("ip {}", config.table);
        Ok(Some(NetworkFacts {
            name: network.name.clone(),
            bridge: bridge.clone(),
            subnet,
            gateway,
            mtu: options.mtu,
            internal: network.internal,
            is_up: link.map(|link| link.is_up),
            addresses,
            outwards: self.live.forwarded_by_others(&outwards, &config.table),
            wants_masquerade: options.masquerade
                && options.host_address.is_none()
                && options.gateway_mode != GatewayMode::Routed,
            masquerades: is_masqueraded(self.live, &table)
                && self.live.has(&table, MASQUERADE, &[Value::Interface(bridge.clone())]),
            unmanaged: config.firewall.ipv4 == Choice::None,
            way_back: way_back.map(|link| link.name.clone()).unwrap_or_default(),
            reverse_path: ["all", bridge]
                .iter()
                .filter_map(|interface| parameter(&format!("net/ipv4/conf/{interface}/rp_filter")))
                .max()
                .unwrap_or(0) as u32,
            container,
        }))
    }
}

/// What is so inside; nothing where the container has no stack of its own.
fn inside(network: &Network, sandbox: &Sandbox, servers: &[IpAddr]) -> Result<Option<ContainerFacts>, Error> {
    let Some(key) = &sandbox.key else { return Ok(None) };
    let is_way_out = sandbox
        .way_out()
        .is_some_and(|(endpoint, _)| endpoint.network == network.id);
    let (gateway, answers) = netns::inside(key, || {
        let gateway = Rtnetlink::open()?.default_gateway()?;
        Ok((gateway, servers.iter().map(|server| ask(*server)).collect()))
    })?;
    Ok(Some(ContainerFacts {
        key: key_text(key),
        is_way_out,
        gateway,
        servers: answers,
    }))
}

fn key_text(key: &Path) -> String {
    key.display().to_string()
}

/// Asks a server for the name servers of the root, which every resolver knows.
fn ask(server: IpAddr) -> (String, Option<String>) {
    const QUESTION: [u8; 17] = [0x7a, 0x11, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    const SERVER_FAILED: u8 = 2;
    let asked = || -> std::io::Result<u8> {
        let own: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(own)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect((server, 53))?;
        socket.send(&QUESTION)?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer)?;
        if length < 4 || answer[..2] != QUESTION[..2] {
            return Err(Errno::PROTO.into());
        }
        Ok(answer[3] & 0xf)
    };
    let wrong = match asked() {
        // The server is there: what it knows of the root is its own affair, as long as it does not say that it failed.
        Ok(SERVER_FAILED) => Some("it answers SERVFAIL: those that it asks do not answer it".to_owned()),
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            Some(format!("no answer within {} seconds", PATIENCE.as_secs()))
        }
        Err(error) => Some(error.to_string()),
    };
    (server.to_string(), wrong)
}

fn parameter(name: &str) -> Option<u64> {
    std::fs::read_to_string(format!("/proc/sys/{name}"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn ipv4(addresses: Vec<IpNet>) -> Vec<Ipv4Net> {
    let four = |address| match address {
        IpNet::V4(address) => Some(address),
        IpNet::V6(_) => None,
    };
    addresses.into_iter().filter_map(four).collect()
}
