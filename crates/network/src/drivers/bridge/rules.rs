//! The packet filter of all bridge networks: a fixed handful of rules; networks and ports are members of sets and maps.
//! There is a table of each family, alike but for what IPv6 has not (marked 4) or has alone (6). That of IPv6 is there
//! when a network has IPv6.
//!
//! ```text
//! guard       prerouting -300   iif != lo, to 127.0.0.0/8                      drop   (4: the bridges have route_localnet)
//! prerouting  nat -100          (6: not from fe80::/10,) to this host          jump publish   (not if the host is obeyed)
//! output      nat -100          (6: not to ::1,) to this host                  jump publish
//! publish                       address.protocol.port → map publish_at         dnat address:port
//!                               address.protocol.port → map span_at (ranges)   dnat address
//!                               protocol.port         → map publish            dnat address:port
//!                               protocol.port         → map span    (ranges)   dnat address
//! forward     filter 0                                                         jump admin
//!                               established, related                           accept
//!                               in . out in set peers (same bridge)            accept
//!                               bridge, its source . destination . port in set links (same bridge) accept (4)
//!                               from an internal bridge                        drop
//!                               to a bridge, destination rewritten (published) accept
//!                               to a bridge in set direct, to a port in inside accept (published, at its own address)
//!                               in . out in set trusted, the same              accept
//!                               to a bridge in set routed, ICMP                accept
//!                               not from a bridge, to one in set open          accept (nat-unprotected)
//!                               to a bridge                                    drop   (isolation, unpublished ports)
//!                               neither from nor to a bridge                   drop   (only if we switched forwarding on)
//! postrouting nat 100           from 127.0.0.0/8 to a bridge                   masquerade (4)
//!                               source . destination in set hairpin, rewritten masquerade
//!                               not to a bridge: in → map source               snat
//!                               in in set masquerade, not to a bridge          masquerade
//! ```
//!
//! The chain `admin` is the administrator's: empty when it is made, and whatever is put into it stays.
//!
//! An accept here ends only our table: a drop of another table (Docker's or a firewall's `FORWARD` policy) still
//! holds. `Controller::warnings` names such chains.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use tierce_firewall::{
    Chain, ChainKind, Element, Elements, Family, Hook, LiveRules, Point, Rule, Selector, Set, Statement, Table, Type,
    Value,
};

use super::options::{GatewayMode, Options};
use crate::network::Network;
use crate::portmap::nat::{INSIDE, PUBLISH, PUBLISH_AT, SPAN, SPAN_AT, address_value};
use crate::request::Port;

const BRIDGES: &str = "bridges";
const PEERS: &str = "peers";
/// Ports that a container may reach at another by a link.
pub(crate) const LINKS: &str = "links";
const HAIRPIN: &str = "hairpin";
/// Bridges whose packets get the host's address when they leave.
const MASQUERADE: &str = "masquerade";
const SOURCE: &str = "source";
const INTERNAL: &str = "internal";
const DIRECT: &str = "direct";
const TRUSTED: &str = "trusted";
const ROUTED: &str = "routed";
const OPEN: &str = "open";

/// The administrator's chain: made when it is missing, never touched afterwards.
pub(crate) const ADMIN: &str = "admin";

/// What of the host decides about rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    /// This daemon switched forwarding on, so the host was no router before and shall not become one for others.
    pub(crate) forwarding_is_ours: bool,
    /// What comes from outside to a published port is left to the host's rules for what comes in, and to the relay.
    pub(crate) obey_host: bool,
}

/// A port that one container of a bridge may reach at another. There are none of IPv6, as with dockerd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opening {
    pub(crate) bridge: String,
    pub(crate) from: Ipv4Addr,
    pub(crate) to: Ipv4Addr,
    pub(crate) port: Port,
}

/// The table of a family without any network.
pub(crate) fn table(name: &str, family: Family, situation: Situation) -> Table {
    Table {
        family,
        name: name.to_owned(),
        sets: sets(family),
        chains: chains(family, situation),
        kept: vec![ADMIN.to_owned()],
    }
}

/// What a network puts into the sets.
pub(crate) fn network_elements(options: &Options, network: &Network, table: &str) -> Vec<Elements> {
    let mut all = Vec::new();
    for ipam in network.subnets() {
        let (family, mode, host) = match ipam.subnet {
            IpNet::V4(_) => (Family::Ip, options.gateway_mode, options.host_address.map(IpAddr::from)),
            IpNet::V6(_) => (
                Family::Ip6,
                options.gateway_mode6,
                options.host_address6.map(IpAddr::from),
            ),
        };
        let side = Side {
            family,
            mode,
            host,
            subnet: ipam.subnet,
        };
        let sets = side.sets(options, network.internal);
        all.extend(sets.into_iter().map(|(set, interval, elements)| Elements {
            family,
            table: table.to_owned(),
            set: set.to_owned(),
            interval,
            elements,
        }));
    }
    all
}

/// What stands for a port that is open to one container.
pub(crate) fn opening(opening: &Opening) -> Element {
    let bridge = || Value::Interface(opening.bridge.clone());
    Element::member(vec![
        bridge(),
        bridge(),
        Value::Ipv4(opening.from),
        Value::Ipv4(opening.to),
        Value::Protocol(opening.port.protocol.number()),
        Value::Port(opening.port.number),
    ])
}

/// Whether what leaves a bridge gets an address of the host's, by the rules in force of a table, given as `ip name`.
pub(crate) fn gets_host_address(live: &LiveRules, table: &str, bridge: &str) -> bool {
    let bridge = [Value::Interface(bridge.to_owned())];
    let masquerades = live.masquerades(table, MASQUERADE) && live.has(table, MASQUERADE, &bridge);
    masquerades || live.has(table, SOURCE, &bridge)
}

/// The same, and published ports answer at the containers' own addresses (`--allow-direct-routing`).
pub(crate) fn with_direct_routing(mut elements: Vec<Elements>) -> Vec<Elements> {
    let mut direct: Vec<_> = elements.iter().filter(|set| set.set == BRIDGES).cloned().collect();
    for set in &mut direct {
        DIRECT.clone_into(&mut set.set);
    }
    direct.retain(|set| !elements.contains(set));
    elements.extend(direct);
    elements
}

/// One family of a network.
struct Side {
    family: Family,
    mode: GatewayMode,
    host: Option<IpAddr>,
    subnet: IpNet,
}

impl Side {
    /// Set, whether its keys are ranges, and what comes into it.
    fn sets(&self, options: &Options, internal: bool) -> Vec<(&'static str, bool, Vec<Element>)> {
        let bridge = || Value::Interface(options.bridge.clone());
        let itself = || vec![Element::member(vec![bridge()])];
        let within = |address| vec![address_value(address), address_value(address)];
        let hairpin = Element {
            key: within(self.subnet.network()),
            key_end: Some(within(self.subnet.broadcast())),
            value: Vec::new(),
        };
        let mut all = vec![(BRIDGES, false, itself()), (HAIRPIN, true, vec![hairpin])];
        if options.icc {
            all.push((PEERS, false, vec![Element::member(vec![bridge(), bridge()])]));
        }
        if internal {
            all.push((INTERNAL, false, itself()));
            return all;
        }
        let translates = matches!(self.mode, GatewayMode::Nat | GatewayMode::NatUnprotected);
        match self.host.filter(|host| self.is_of_family(*host)) {
            Some(host) if translates && options.masquerade => {
                let mut element = Element::member(vec![bridge()]);
                element.value = vec![address_value(host)];
                all.push((SOURCE, false, vec![element]));
            }
            _ if translates && options.masquerade => all.push((MASQUERADE, false, itself())),
            _ => {}
        }
        match self.mode {
            GatewayMode::Routed => all.extend([(ROUTED, false, itself()), (DIRECT, false, itself())]),
            GatewayMode::NatUnprotected => all.push((OPEN, false, itself())),
            GatewayMode::Nat if !options.trusted_interfaces.is_empty() => {
                let names = options.trusted_interfaces.iter().cloned();
                let pairs = names.map(|name| Element::member(vec![Value::Interface(name), bridge()]));
                let mut pairs: Vec<_> = pairs.collect();
                pairs.dedup();
                all.push((TRUSTED, false, pairs));
            }
            GatewayMode::Nat | GatewayMode::Isolated => {}
        }
        all
    }

    fn is_of_family(&self, address: IpAddr) -> bool {
        address.is_ipv4() == (self.family == Family::Ip)
    }
}

/// How the family's packets are looked at.
struct Words {
    address: Type,
    source: Selector,
    destination: Selector,
    icmp: u8,
}

fn words(family: Family) -> Words {
    const ICMP: u8 = 1;
    const ICMP6: u8 = 58;
    match family {
        Family::Ip | Family::Inet => Words {
            address: Type::Ipv4,
            source: Selector::Source,
            destination: Selector::Destination,
            icmp: ICMP,
        },
        Family::Ip6 => Words {
            address: Type::Ipv6,
            source: Selector::Source6,
            destination: Selector::Destination6,
            icmp: ICMP6,
        },
    }
}

fn sets(family: Family) -> Vec<Set> {
    let set = |name: &str, key: &[Type], value: &[Type], interval| Set {
        name: name.to_owned(),
        key: key.to_vec(),
        value: value.to_vec(),
        interval,
        elements: Vec::new(),
    };
    let address = words(family).address;
    let interface = [Type::Interface];
    let pair = [Type::Interface, Type::Interface];
    let port = [Type::Protocol, Type::Port];
    let port_at = [address, Type::Protocol, Type::Port];
    let mut sets: Vec<_> = [BRIDGES, MASQUERADE, INTERNAL, DIRECT, ROUTED, OPEN]
        .into_iter()
        .map(|name| set(name, &interface, &[], false))
        .collect();
    sets.extend([
        set(SOURCE, &interface, &[address], false),
        set(PEERS, &pair, &[], false),
        set(TRUSTED, &pair, &[], false),
        set(HAIRPIN, &[address, address], &[], true),
        set(PUBLISH, &port, &[address, Type::Port], false),
        set(PUBLISH_AT, &port_at, &[address, Type::Port], false),
        set(SPAN, &port, &[address], true),
        set(SPAN_AT, &port_at, &[address], true),
        set(INSIDE, &port_at, &[], true),
    ]);
    if family == Family::Ip {
        let port_of_neighbour = [&pair[..], &[address], &port_at].concat();
        sets.push(set(LINKS, &port_of_neighbour, &[], false));
    }
    sets
}

fn chains(family: Family, situation: Situation) -> Vec<Chain> {
    let hook = |kind, point, priority| Some(Hook { kind, point, priority });
    let chain = |name: &str, hook, rules| Chain {
        name: name.to_owned(),
        hook,
        rules,
    };
    let to_publish = |unless: Option<Statement>| {
        let mut statements: Vec<_> = unless.into_iter().collect();
        statements.extend([Statement::ForThisHost, Statement::Jump(PUBLISH.to_owned())]);
        vec![rule("published ports", statements)]
    };
    let (mut guard, mut arriving, mut leaving) = (Vec::new(), None, None);
    if family == Family::Ip6 {
        // Answers could not go back to a link-local address, and none at all comes back to ::1: those are the relay's.
        let links = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
        arriving = Some(within(Selector::Source6, links.into(), 10, false));
        leaving = Some(within(Selector::Destination6, Ipv6Addr::LOCALHOST.into(), 128, false));
    } else {
        guard.push(rule(
            "loopback addresses come from loopback",
            vec![
                Statement::Is {
                    selector: Selector::InterfaceIn,
                    equal: false,
                    value: Value::Interface("lo".to_owned()),
                },
                from_loopback(Selector::Destination),
                Statement::Drop,
            ],
        ));
    }
    vec![
        chain(ADMIN, None, vec![]),
        chain(PUBLISH, None, publish_rules(family)),
        chain("guard", hook(ChainKind::Filter, Point::Prerouting, -300), guard),
        chain(
            "prerouting",
            hook(ChainKind::Nat, Point::Prerouting, -100),
            if situation.obey_host {
                vec![]
            } else {
                to_publish(arriving)
            },
        ),
        chain("output", hook(ChainKind::Nat, Point::Output, -100), to_publish(leaving)),
        chain(
            "forward",
            hook(ChainKind::Filter, Point::Forward, 0),
            forward_rules(family, situation.forwarding_is_ours),
        ),
        chain(
            "postrouting",
            hook(ChainKind::Nat, Point::Postrouting, 100),
            postrouting_rules(family),
        ),
    ]
}

fn publish_rules(family: Family) -> Vec<Rule> {
    let port = [Selector::Protocol, Selector::DestinationPort];
    let port_at = [words(family).destination, Selector::Protocol, Selector::DestinationPort];
    let translate = |comment, selectors: &[Selector], map: &str, port| {
        rule(
            comment,
            vec![Statement::DestinationNat {
                family,
                selectors: selectors.to_vec(),
                map: map.to_owned(),
                port,
            }],
        )
    };
    vec![
        translate("on one address", &port_at, PUBLISH_AT, true),
        translate("ranges on one address", &port_at, SPAN_AT, false),
        translate("on all addresses", &port, PUBLISH, true),
        translate("ranges on all addresses", &port, SPAN, false),
    ]
}

fn forward_rules(family: Family, forwarding_is_ours: bool) -> Vec<Rule> {
    let words = words(family);
    let pair = |set: &str| in_set(&[Selector::InterfaceIn, Selector::InterfaceOut], set, true);
    let published_inside = || {
        let port = [words.destination, Selector::Protocol, Selector::DestinationPort];
        in_set(&port, INSIDE, true)
    };
    let icmp = Statement::Is {
        selector: Selector::Protocol,
        equal: true,
        value: Value::Protocol(words.icmp),
    };
    let accept = |comment, mut statements: Vec<Statement>| {
        statements.push(Statement::Accept);
        rule(comment, statements)
    };
    let mut rules = vec![
        rule("the administrator's", vec![Statement::Jump(ADMIN.to_owned())]),
        accept("answers", vec![Statement::Established]),
        accept("same network", vec![pair(PEERS)]),
    ];
    if family == Family::Ip {
        let port_of_neighbour = [
            Selector::InterfaceIn,
            Selector::InterfaceOut,
            words.source,
            words.destination,
            Selector::Protocol,
            Selector::DestinationPort,
        ];
        rules.push(accept("links", vec![in_set(&port_of_neighbour, LINKS, true)]));
    }
    rules.extend([
        rule("internal networks", vec![into(INTERNAL, true), Statement::Drop]),
        accept(
            "published",
            vec![out_of(BRIDGES, true), Statement::DestinationRewritten],
        ),
        accept(
            "published, at its own address",
            vec![out_of(DIRECT, true), published_inside()],
        ),
        accept("from a trusted interface", vec![pair(TRUSTED), published_inside()]),
        accept("routed networks answer to ping", vec![out_of(ROUTED, true), icmp]),
        accept("unprotected networks", vec![into(BRIDGES, false), out_of(OPEN, true)]),
        rule("isolation", vec![out_of(BRIDGES, true), Statement::Drop]),
    ]);
    if forwarding_is_ours {
        rules.push(rule(
            "not a router",
            vec![into(BRIDGES, false), out_of(BRIDGES, false), Statement::Drop],
        ));
    }
    rules
}

fn postrouting_rules(family: Family) -> Vec<Rule> {
    let words = words(family);
    // By address, not by interface: where br_netfilter is at work the incoming interface is not known here.
    let hairpin = in_set(&[words.source, words.destination], HAIRPIN, true);
    let mut rules = Vec::new();
    if family == Family::Ip {
        rules.push(rule(
            "localhost",
            vec![
                from_loopback(Selector::Source),
                out_of(BRIDGES, true),
                Statement::Masquerade,
            ],
        ));
    }
    rules.extend([
        rule(
            "hairpin",
            vec![hairpin, Statement::DestinationRewritten, Statement::Masquerade],
        ),
        rule(
            "outwards, with a chosen address",
            vec![
                out_of(BRIDGES, false),
                Statement::SourceNat {
                    family,
                    selectors: vec![Selector::InterfaceIn],
                    map: SOURCE.to_owned(),
                },
            ],
        ),
        rule(
            "outwards",
            vec![into(MASQUERADE, true), out_of(BRIDGES, false), Statement::Masquerade],
        ),
    ]);
    rules
}

fn rule(comment: &'static str, statements: Vec<Statement>) -> Rule {
    Rule { comment, statements }
}

fn from_loopback(selector: Selector) -> Statement {
    within(selector, Ipv4Addr::new(127, 0, 0, 0).into(), 8, true)
}

fn within(selector: Selector, network: IpAddr, length: u8, member: bool) -> Statement {
    Statement::Within {
        selector,
        network,
        length,
        member,
    }
}

fn into(set: &str, member: bool) -> Statement {
    in_set(&[Selector::InterfaceIn], set, member)
}

fn out_of(set: &str, member: bool) -> Statement {
    in_set(&[Selector::InterfaceOut], set, member)
}

fn in_set(selectors: &[Selector], set: &str, member: bool) -> Statement {
    Statement::In {
        selectors: selectors.to_vec(),
        member,
        set: set.to_owned(),
    }
}
