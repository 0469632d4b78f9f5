//! Collects what [`super::judge`] judges: kernel parameters, links, routes, live rules, and DNS questions from within.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tierce_firewall::{Choice, LiveRules, Packet};
use tierce_ipam::Ipam;
use tierce_links::{LinkEntry, Rtnetlink};

use super::{ContainerFacts, Diagnosis, Facts, FamilyFacts, NetworkFacts, SideFacts, Source, Uplink, judge};
use crate::controller::{Controller, live_rules};
use crate::drivers::bridge::rules::gets_host_address;
use crate::drivers::bridge::{GatewayMode, Options};
use crate::network::NetworkKind;
use crate::{Error, Network, Sandbox, netns};

/// How long a DNS server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Addresses of the outside that nobody has (TEST-NET-1, and the one for documents), for packets that are only thought of.
const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];
const NAMES: [&str; 2] = ["IPv4", "IPv6"];
const TCP: u8 = 6;

/// What is wrong with the networks of a container that runs, or with all bridge networks. `servers`: the DNS servers
/// that the container asks.
pub fn diagnose(controller: &Controller, container: Option<&str>, servers: &[IpAddr]) -> Result<Diagnosis, Error> {
    let sandbox = container.and_then(|container| controller.sandbox(container));
    let facts = facts(controller, sandbox.as_ref(), servers)?;
    Ok(Diagnosis {
        findings: judge(&facts),
        not_judged: facts.not_judged,
    })
}

fn facts(controller: &Controller, sandbox: Option<&Arc<Sandbox>>, servers: &[IpAddr]) -> Result<Facts, Error> {
    let route = Rtnetlink::open()?;
    let links = route.links()?;
    let mut collected = Collected {
        controller,
        families: [family(&route, &links, false)?, family(&route, &links, true)?],
        route,
        links,
        live: live_rules(controller)?,
        sandbox,
        not_judged: Vec::new(),
    };
    let mut networks = Vec::new();
    for network in controller.networks() {
        let joined = |sandbox: &&Arc<Sandbox>| sandbox.endpoints.iter().any(|one| one.network == network.id);
        if sandbox.as_ref().is_none_or(joined) {
            networks.extend(collected.network(&network)?);
        }
    }
    collected.beyond(&networks);
    Ok(Facts {
        connections: parameter("net/netfilter/nf_conntrack_count").zip(parameter("net/netfilter/nf_conntrack_max")),
        networks,
        container: sandbox.map(|sandbox| inside(sandbox, servers)).transpose()?.flatten(),
        families: collected.families,
        not_judged: collected.not_judged,
    })
}

/// What is so of a family on this host.
fn family(route: &Rtnetlink, links: &[LinkEntry], is_ipv6: bool) -> Result<FamilyFacts, Error> {
    let uplink = route.link_to(OUTSIDE[usize::from(is_ipv6)])?;
    let uplink = links.iter().find(|link| Some(link.index) == uplink);
    let switch = if is_ipv6 {
        "net/ipv6/conf/all/forwarding"
    } else {
        "net/ipv4/ip_forward"
    };
    Ok(FamilyFacts {
        forwarding: parameter(switch).map(|value| value != 0),
        uplink: uplink.map(|link| Uplink {
            name: link.name.clone(),
            mtu: link.mtu,
            listens: is_ipv6 && parameter(&format!("net/ipv6/conf/{}/accept_ra", link.name)) == Some(1),
        }),
    })
}

struct Collected<'a> {
    controller: &'a Controller,
    families: [FamilyFacts; 2],
    route: Rtnetlink,
    links: Vec<LinkEntry>,
    live: LiveRules,
    /// The container that is asked about.
    sandbox: Option<&'a Arc<Sandbox>>,
    not_judged: Vec<String>,
}

impl Collected<'_> {
    fn network(&mut self, network: &Network) -> Result<Option<NetworkFacts>, Error> {
        let name = &network.name;
        let options = match &network.kind {
            NetworkKind::Bridge(options) => options,
            NetworkKind::Macvlan(_) | NetworkKind::Ipvlan(_) => {
                let driver = network.driver();
                self.not_judged.push(format!(
                    "network {name} ({driver}): what its parent leads to is not this host's"
                ));
                return Ok(None);
            }
            NetworkKind::Host | NetworkKind::None => return Ok(None),
        };
        let link = self.links.iter().find(|link| link.name == options.bridge).cloned();
        let mut sides = Vec::new();
        for ipam in network.subnets() {
            sides.push(self.side(network, options, ipam, link.as_ref())?);
        }
        Ok(Some(NetworkFacts {
            name: name.clone(),
            bridge: options.bridge.clone(),
            mtu: options.mtu,
            internal: network.internal,
            is_up: link.map(|link| link.is_up),
            sides,
        }))
    }

    fn side(
        &mut self,
        network: &Network,
        options: &Options,
        ipam: &Ipam,
        link: Option<&LinkEntry>,
    ) -> Result<SideFacts, Error> {
        let (bridge, subnet) = (&options.bridge, ipam.subnet);
        let is_ipv6 = subnet.addr().is_ipv6();
        let addresses = match link {
            Some(link) => self.route.addresses(link.index)?,
            None => Vec::new(),
        };
        // Any address of the subnet that is not the host's own. The first of IPv6 is every router's.
        let own = |host: &IpAddr| Some(*host) == ipam.gateway || *host == subnet.network();
        let somebody = subnet.hosts().find(|host| !own(host));
        let somebody = somebody.unwrap_or(subnet.addr());
        let way_back = self.route.link_to(somebody)?;
        let way_back = self.links.iter().find(|link| Some(link.index) == way_back);
        let way_back = way_back.map(|link| link.name.clone()).unwrap_or_default();
        let uplink = self.families[usize::from(is_ipv6)].uplink.as_ref();
        let outwards = Packet {
            interface_in: bridge.clone(),
            number_in: link.map(|link| link.index),
            interface_out: uplink.map_or("eth0", |uplink| &uplink.name).to_owned(),
            protocol: TCP,
            source: Some(somebody),
            destination: OUTSIDE[usize::from(is_ipv6)],
            port: 443,
            original_port: None,
        };
        let inhibited = options.inhibit_ipv4 && !is_ipv6;
        let leads_out = ipam.gateway.is_some() && !network.internal;
        let other_router = self.other_router(network, ipam, inhibited).filter(|_| leads_out);
        if let Some(router) = other_router {
            let (family, name) = (NAMES[usize::from(is_ipv6)], &network.name);
            let text = format!("{family} of network {name} beyond its router {router}, which is not this host");
            self.not_judged.push(text);
        }
        let leaves_here = leads_out && other_router.is_none();
        Ok(SideFacts {
            subnet,
            own_address: ipam.gateway_address().filter(|_| !inhibited),
            addresses: addresses
                .into_iter()
                .filter(|own| own.addr().is_ipv6() == is_ipv6)
                .collect(),
            leaves_here,
            outwards: self
                .live
                .forwarded_by_others(&outwards, &self.controller.config().table),
            source: if leaves_here {
                self.source(network, options, &outwards)
            } else {
                Source::Host
            },
            way_back,
            reverse_path: if is_ipv6 { 0 } else { reverse_path(bridge) },
            way_out: self.way_out(network, is_ipv6),
        })
    }

    /// The router of a network, where that is not the bridge.
    fn other_router(&self, network: &Network, ipam: &Ipam, inhibited: bool) -> Option<IpAddr> {
        let wish = &self.controller.config().bridge;
        let default = if ipam.subnet.addr().is_ipv4() {
            wish.gateway.map(IpAddr::from)
        } else {
            let six = wish.ipv6.as_ref().and_then(|wish| wish.gateway);
            six.map(IpAddr::from)
        };
        let default = default.filter(|router| network.name == "bridge" && Some(*router) != ipam.gateway);
        default.or(ipam.gateway.filter(|_| inhibited))
    }

    /// Which address packets of a network leave with.
    fn source(&mut self, network: &Network, options: &Options, outwards: &Packet) -> Source {
        let config = self.controller.config();
        let (mode, choice, option, table) = if outwards.destination.is_ipv4() {
            let option = "com.docker.network.bridge.gateway_mode_ipv4 = routed";
            (options.gateway_mode, config.firewall.ipv4, option, "ip")
        } else {
            let option = "com.docker.network.bridge.gateway_mode_ipv6 = routed";
            (options.gateway_mode6, config.firewall.ipv6, option, "ip6")
        };
        if mode == GatewayMode::Routed {
            return Source::Own(option);
        }
        if !options.masquerade {
            return Source::Own("com.docker.network.bridge.enable_ip_masquerade = false");
        }
        if choice != Choice::None {
            let in_force = gets_host_address(&self.live, &format!("{table} {}", config.table), &options.bridge);
            return if in_force { Source::Host } else { Source::Missing };
        }
        if !self.live.may_translate(outwards) {
            return Source::Unmanaged;
        }
        self.not_judged.push(format!(
            "masquerade of network {}: the packet filter is the administrator's (--{table}tables=false)",
            network.name
        ));
        Source::Host
    }

    /// Where the container's default route of a family shall lead, if it is by this network.
    fn way_out(&self, network: &Network, is_ipv6: bool) -> Option<IpAddr> {
        let mut ways = self.sandbox?.ways_out();
        let (endpoint, _, gateway) = ways.find(|(_, _, gateway)| gateway.is_ipv6() == is_ipv6)?;
        (endpoint.network == network.id).then_some(gateway)
    }

    /// Says what of the outside there is nothing to judge by.
    fn beyond(&mut self, networks: &[NetworkFacts]) {
        for is_ipv6 in [false, true] {
            let mut sides = networks.iter().flat_map(|network| &network.sides);
            if !sides.any(|side| side.leaves_here && side.is_ipv6() == is_ipv6) {
                continue;
            }
            if self.families[usize::from(is_ipv6)].uplink.is_none() {
                let name = NAMES[usize::from(is_ipv6)];
                let text = format!("{name} beyond this host's neighbours: it has no default route");
                self.not_judged.push(text);
            }
            for table in self.live.unread(is_ipv6) {
                let text = format!("what {table} does to forwarded packets: such tables cannot be read");
                self.not_judged.push(text);
            }
        }
    }
}

fn reverse_path(bridge: &str) -> u32 {
    ["all", bridge]
        .iter()
        .filter_map(|interface| parameter(&format!("net/ipv4/conf/{interface}/rp_filter")))
        .max()
        .unwrap_or(0) as u32
}

/// What is so inside; nothing where the container has no stack of its own.
fn inside(sandbox: &Sandbox, servers: &[IpAddr]) -> Result<Option<ContainerFacts>, Error> {
    let Some(key) = &sandbox.key else { return Ok(None) };
    let servers = if sandbox.way_out().is_some() { servers } else { &[] };
    let (gateways, answers) = netns::inside(key, || {
        let gateways = Rtnetlink::open()?.default_gateways()?;
        Ok((gateways, servers.iter().map(|server| ask(*server)).collect()))
    })?;
    Ok(Some(ContainerFacts {
        key: key.display().to_string(),
        gateways,
        servers: answers,
    }))
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
