//! Who can reach published ports: judged by what is in force now, of all programs, not by what was asked for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use tierce_firewall::{LiveRules, Packet, Passage, Value};

use super::Controller;
use crate::network::NetworkKind;
use crate::portmap::nat::{PUBLISH, PUBLISH_AT, SPAN, SPAN_AT};
use crate::rtnetlink::{LinkEntry, Rtnetlink};
use crate::sandbox::Published;
use crate::{Error, Sandbox};

/// A published port, and who can reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortReach {
    /// The container's id.
    pub container: String,
    /// Its name.
    pub name: String,
    /// What is published where.
    pub published: Published,
    /// The container's address.
    pub target: Ipv4Addr,
    /// The kernel carries packets to the container; otherwise the relay carries what they contain.
    pub translated: bool,
    /// Programs of this host reach it.
    pub this_host: bool,
    /// Containers reach it at the host's address.
    pub containers: Passage,
    /// Other hosts, by the interface they come by.
    pub outside: Vec<Entrance>,
}

/// A way into this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    /// The interface.
    pub interface: String,
    /// The address that others name.
    pub address: IpAddr,
    /// Whether they come in.
    pub passage: Passage,
    /// A chain that keeps them from this host's own programs at that port, and does not keep them from the container.
    pub bypasses: Option<String>,
}

/// What all programs have in force.
pub(crate) fn live_rules(controller: &Controller) -> Result<LiveRules, Error> {
    Ok(controller.filter.live()?)
}

/// Every published port, by container and port.
pub fn reach(controller: &Controller) -> Result<Vec<PortReach>, Error> {
    let live = live_rules(controller)?;
    let route = Rtnetlink::open()?;
    let links = route.links()?;
    let interfaces = interfaces(controller, &route, &links)?;
    let mut sandboxes: Vec<_> = controller.lock().sandboxes.values().cloned().collect();
    sandboxes.sort_by(|one, other| one.name.cmp(&other.name));
    let mut all = Vec::new();
    for sandbox in &sandboxes {
        let Some((endpoint, link)) = sandbox.published_at() else {
            continue;
        };
        // Who reaches a container without IPv4 is not judged yet.
        let Some(target) = link.address else { continue };
        let network = controller.lock().networks.get(&endpoint.network).cloned();
        let bridge = match network.as_ref().map(|network| &network.kind) {
            Some(NetworkKind::Bridge(options)) => options.bridge.clone(),
            _ => continue,
        };
        let judge = Judge {
            controller,
            live: &live,
            links: &links,
            interfaces: &interfaces,
            bridge: &bridge,
            target,
        };
        // Nor are ports that answer at the container's own address, and those of IPv6 that the packet filter leads.
        let is_judged = |published: &&Published| {
            published.host_port != 0 && (published.address.is_ipv4() || link.address6.is_none())
        };
        let judged = sandbox.ports.iter().filter(is_judged);
        all.extend(judged.map(|published| judge.port(sandbox, *published)));
    }
    Ok(all)
}

struct Judge<'a> {
    controller: &'a Controller,
    live: &'a LiveRules,
    links: &'a [LinkEntry],
    interfaces: &'a [(String, Ipv4Net)],
    bridge: &'a str,
    target: Ipv4Addr,
}

impl Judge<'_> {
    fn port(&self, sandbox: &Arc<Sandbox>, published: Published) -> PortReach {
        // Where the host is obeyed, what does not come from the host itself is not translated.
        let translated = self.is_translated(published) && !self.controller.config.host.obey_firewall;
        let entrances = match published.address {
            IpAddr::V4(address) => self.entrances(address),
            // What comes over IPv6 is the relay's, and IPv6 rules are not judged here.
            IpAddr::V6(_) => Vec::new(),
        };
        let from_container = self.packet(published, self.bridge, translated);
        let containers = if published.address.is_ipv6() || published.address.is_loopback() {
            Passage::Blocked("no address that containers reach".to_owned())
        } else if translated {
            self.live.forwarded(&from_container)
        } else {
            self.live.incoming(&from_container)
        };
        PortReach {
            container: sandbox.container.clone(),
            name: sandbox.name.clone(),
            published,
            target: self.target,
            translated,
            this_host: true,
            containers,
            outside: entrances
                .into_iter()
                .map(|(interface, address)| self.entrance(published, interface, address, translated))
                .collect(),
        }
    }

    /// Interfaces by which others come to an address of this host.
    fn entrances(&self, address: Ipv4Addr) -> Vec<(&str, Ipv4Addr)> {
        let matches = |own: Ipv4Addr| address.is_unspecified() || address == own;
        self.interfaces
            .iter()
            .filter(|(_, net)| matches(net.addr()))
            .map(|(name, net)| (name.as_str(), net.addr()))
            .collect()
    }

    fn entrance(&self, published: Published, interface: &str, address: Ipv4Addr, translated: bool) -> Entrance {
        let as_incoming = Packet {
            destination: address,
            ..self.packet(published, interface, false)
        };
        let incoming = self.live.incoming(&as_incoming);
        let (passage, bypasses) = if translated {
            let passage = self.live.forwarded(&self.packet(published, interface, true));
            let bypasses = match (&passage, incoming) {
                (Passage::Blocked(_), _) | (_, Passage::Open) => None,
                (_, Passage::Blocked(chain)) => Some(chain),
                (_, Passage::Depends(chains)) => Some(chains.join(", ")),
            };
            (passage, bypasses)
        } else {
            (incoming, None)
        };
        Entrance {
            interface: interface.to_owned(),
            address: address.into(),
            passage,
            bypasses,
        }
    }

    fn packet(&self, published: Published, interface: &str, translated: bool) -> Packet {
        let (out, port, original) = if translated {
            (self.bridge, published.port.number, Some(published.host_port))
        } else {
            ("", published.host_port, None)
        };
        Packet {
            interface_in: interface.to_owned(),
            number_in: self
                .links
                .iter()
                .find(|link| link.name == interface)
                .map(|link| link.index),
            interface_out: out.to_owned(),
            protocol: published.port.protocol.number(),
            source: None,
            destination: self.target,
            port,
            original_port: original,
        }
    }

    fn is_translated(&self, published: Published) -> bool {
        let IpAddr::V4(address) = published.address else {
            return false;
        };
        let table = format!("ip {}", self.controller.config.table);
        let mut key = vec![
            Value::Protocol(published.port.protocol.number()),
            Value::Port(published.host_port),
        ];
        let maps = if address.is_unspecified() {
            [PUBLISH, SPAN]
        } else {
            key.insert(0, Value::Ipv4(address));
            [PUBLISH_AT, SPAN_AT]
        };
        maps.iter().any(|map| self.live.has(&table, map, &key))
    }
}

/// Interfaces by which other hosts may come, with their addresses: all but loopback and our own bridges.
fn interfaces(
    controller: &Controller,
    route: &Rtnetlink,
    links: &[LinkEntry],
) -> Result<Vec<(String, Ipv4Net)>, Error> {
    let own: Vec<_> = controller
        .networks()
        .iter()
        .filter_map(|network| match &network.kind {
            NetworkKind::Bridge(options) => Some(options.bridge.clone()),
            _ => None,
        })
        .collect();
    let mut found = Vec::new();
    for (index, address) in route.all_addresses()? {
        let IpNet::V4(address) = address else { continue };
        let name = links.iter().find(|link| link.index == index).map(|link| &link.name);
        if let Some(name) = name.filter(|name| !own.contains(name))
            && !address.addr().is_loopback()
        {
            found.push((name.clone(), address));
        }
    }
    Ok(found)
}
