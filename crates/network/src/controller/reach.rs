//! Who can reach published ports: judged by what is in force now, of all programs, not by what was asked for.

use std::net::IpAddr;
use std::sync::Arc;

use tierce_firewall::{LiveRules, Packet, Passage, Value};

use super::Controller;
use super::ways::ways;
use crate::network::NetworkKind;
use crate::portmap::nat::{PUBLISH, PUBLISH_AT, SPAN, SPAN_AT, Targets, address_value};
use crate::request::Protocol;
use crate::sandbox::Published;
use crate::{Error, Network, Sandbox};
use tierce_links::{LinkEntry, Rtnetlink, is_link_local};

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
    pub target: IpAddr,
    /// How what is sent to the port comes to the container.
    pub carrier: Carrier,
    /// Programs of this host reach it.
    pub this_host: bool,
    /// Containers reach it, as a rule at the host's address.
    pub containers: Passage,
    /// Other hosts, by the interface they come by.
    pub outside: Vec<Entrance>,
}

/// How what is sent to a published port comes to the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// The kernel rewrites the destination of packets.
    Kernel,
    /// The daemon carries what packets contain.
    Relay,
    /// It is sent to the container's own address (gateway mode `routed`).
    Route,
}

/// A way into this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    /// The interface.
    pub interface: String,
    /// The address that others name. A link-local one is named by neighbours alone.
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
    let route = Rtnetlink::open()?;
    let networks = controller.networks();
    let links = route.links()?;
    let host = HostFacts {
        live: live_rules(controller)?,
        interfaces: interfaces(&networks, &route, &links)?,
        links,
        bridges: networks
            .iter()
            .filter_map(|network| Some((bridge_of(network)?, network)))
            .collect(),
    };
    let mut sandboxes: Vec<_> = controller.lock().sandboxes.values().cloned().collect();
    sandboxes.sort_by(|one, other| one.name.cmp(&other.name));
    let mut all = Vec::new();
    for sandbox in &sandboxes {
        let Some(ways) = ways(controller, sandbox) else {
            continue;
        };
        all.extend(sandbox.ports.iter().filter_map(|published| {
            // Without IPv6 of its own the relay leads to the IPv4 side.
            let end = sandbox.published_at(published.address.is_ipv6());
            let (endpoint, _) = end.or(sandbox.published_at(false))?;
            let mut bridges = host.bridges.iter();
            let (bridge, _) = bridges.find(|(_, network)| network.id == endpoint.network)?;
            let judge = Judge {
                controller,
                host: &host,
                bridge,
                targets: ways.targets,
            };
            judge.port(sandbox, *published)
        }));
    }
    Ok(all)
}

/// What is so of the host.
struct HostFacts<'a> {
    live: LiveRules,
    links: Vec<LinkEntry>,
    /// By which other hosts may come, with an address of each.
    interfaces: Vec<(String, IpAddr)>,
    /// The bridges of our networks.
    bridges: Vec<(&'a str, &'a Arc<Network>)>,
}

struct Judge<'a> {
    controller: &'a Controller,
    host: &'a HostFacts<'a>,
    /// The one that the container is on.
    bridge: &'a str,
    targets: Targets,
}

impl Judge<'_> {
    fn port(&self, sandbox: &Sandbox, published: Published) -> Option<PortReach> {
        let target = self.targets.for_relay(published.address)?;
        let carrier = self.carrier(published);
        // The relay carries streams and datagrams; it only holds such a port.
        let is_served = carrier != Carrier::Relay || published.port.protocol != Protocol::Sctp;
        let outside = match carrier {
            _ if !is_served => Vec::new(),
            Carrier::Route => self.routed_entrances(published, target),
            Carrier::Kernel | Carrier::Relay => self.entrances(published, target, carrier),
        };
        let containers = if is_served {
            self.containers(published, target, carrier)
        } else {
            Passage::Blocked("SCTP is not relayed".to_owned())
        };
        Some(PortReach {
            container: sandbox.container.clone(),
            name: sandbox.name.clone(),
            published,
            target,
            carrier,
            this_host: is_served,
            containers,
            outside,
        })
    }

    fn carrier(&self, published: Published) -> Carrier {
        if published.host_port == 0 {
            Carrier::Route
        } else if self.is_translated(published) && !self.controller.config.host.obey_firewall {
            Carrier::Kernel
        } else {
            // Where the host is obeyed, what does not come from the host itself is not translated.
            Carrier::Relay
        }
    }

    /// Whether the packet filter rewrites what comes to the port, by the maps in force.
    fn is_translated(&self, published: Published) -> bool {
        let family = if published.address.is_ipv4() { "ip" } else { "ip6" };
        let table = format!("{family} {}", self.controller.config.table);
        let mut key = vec![
            Value::Protocol(published.port.protocol.number()),
            Value::Port(published.host_port),
        ];
        let maps = if published.address.is_unspecified() {
            [PUBLISH, SPAN]
        } else {
            key.insert(0, address_value(published.address));
            [PUBLISH_AT, SPAN_AT]
        };
        maps.iter().any(|map| self.host.live.has(&table, map, &key))
    }

    /// What becomes of what other containers send to the port.
    fn containers(&self, published: Published, target: IpAddr, carrier: Carrier) -> Passage {
        let nowhere = || Passage::Blocked("no address that containers reach".to_owned());
        if published.address.is_loopback() {
            return nowhere();
        }
        match carrier {
            Carrier::Kernel => self.forwarded(published, self.bridge, target, Some(published.host_port)),
            Carrier::Route => self.forwarded(published, self.bridge, target, None),
            Carrier::Relay => {
                // Of the container's own network, or of another one that has the family.
                let own_first = self.host.bridges.iter().filter(|(bridge, _)| *bridge == self.bridge);
                let others = self.host.bridges.iter().filter(|(bridge, _)| *bridge != self.bridge);
                let from = own_first.chain(others).find_map(|(bridge, network)| {
                    let gateways = network.subnets().filter_map(|ipam| ipam.gateway);
                    let gateway = gateways
                        .into_iter()
                        .find(|gateway| same_family(*gateway, published.address));
                    Some((*bridge, gateway.filter(|_| !network.internal)?))
                });
                let Some((bridge, gateway)) = from else {
                    return nowhere();
                };
                let named = Some(published.address).filter(|address| !address.is_unspecified());
                self.incoming(published, bridge, named.unwrap_or(gateway))
            }
        }
    }

    /// The ways of others to a port of the host.
    fn entrances(&self, published: Published, target: IpAddr, carrier: Carrier) -> Vec<Entrance> {
        let is_meant = |own: IpAddr| {
            let all = published.address.is_unspecified() && same_family(own, published.address);
            all || own == published.address
        };
        let ways = self.host.interfaces.iter().filter(|(_, own)| is_meant(*own));
        let entrance = |(interface, address): &(String, IpAddr)| {
            let incoming = self.incoming(published, interface, *address);
            // Neighbours at a link-local address are the relay's in any case.
            let (passage, bypasses) = if carrier == Carrier::Kernel && !is_link_local(*address) {
                let passage = self.forwarded(published, interface, target, Some(published.host_port));
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
                interface: interface.clone(),
                address: *address,
                passage,
                bypasses,
            }
        };
        ways.map(entrance).collect()
    }

    /// The ways of others to the container's own address: by every interface that has an address of the family.
    fn routed_entrances(&self, published: Published, target: IpAddr) -> Vec<Entrance> {
        let of_family = |(_, own): &&(String, IpAddr)| same_family(*own, target) && !is_link_local(*own);
        let mut names: Vec<_> = self
            .host
            .interfaces
            .iter()
            .filter(of_family)
            .map(|(name, _)| name)
            .collect();
        names.dedup();
        let entrance = |interface: &String| Entrance {
            interface: interface.clone(),
            address: target,
            passage: self.forwarded(published, interface, target, None),
            bypasses: None,
        };
        names.into_iter().map(entrance).collect()
    }

    /// What becomes of a packet to the container, as it is when it is forwarded.
    fn forwarded(&self, published: Published, interface: &str, target: IpAddr, original: Option<u16>) -> Passage {
        self.host.live.forwarded(&Packet {
            interface_out: self.bridge.to_owned(),
            port: published.port.number,
            original_port: original,
            ..self.packet(published, interface, target)
        })
    }

    /// What becomes of a packet to the host's own port.
    fn incoming(&self, published: Published, interface: &str, address: IpAddr) -> Passage {
        self.host.live.incoming(&self.packet(published, interface, address))
    }

    /// A packet to a port of this host.
    fn packet(&self, published: Published, interface: &str, destination: IpAddr) -> Packet {
        let link = self.host.links.iter().find(|link| link.name == interface);
        Packet {
            interface_in: interface.to_owned(),
            number_in: link.map(|link| link.index),
            interface_out: String::new(),
            protocol: published.port.protocol.number(),
            source: None,
            destination,
            port: published.host_port,
            original_port: None,
        }
    }
}

fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}

fn bridge_of(network: &Network) -> Option<&str> {
    match &network.kind {
        NetworkKind::Bridge(options) => Some(&options.bridge),
        _ => None,
    }
}

/// Interfaces by which other hosts may come, with their addresses: all but loopback and our own bridges.
fn interfaces(
    networks: &[Arc<Network>],
    route: &Rtnetlink,
    links: &[LinkEntry],
) -> Result<Vec<(String, IpAddr)>, Error> {
    let own: Vec<_> = networks.iter().filter_map(|network| bridge_of(network)).collect();
    let mut found = Vec::new();
    for (index, address) in route.all_addresses()? {
        let name = links.iter().find(|link| link.index == index).map(|link| &link.name);
        if let Some(name) = name.filter(|name| !own.contains(&name.as_str()))
            && !address.addr().is_loopback()
        {
            found.push((name.clone(), address.addr()));
        }
    }
    Ok(found)
}
