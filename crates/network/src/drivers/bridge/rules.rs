//! The packet filter of all bridge networks: a fixed handful of rules; networks and ports are members of sets and maps.
//!
//! ```text
//! guard       prerouting -300   iif != lo, to 127.0.0.0/8                      drop   (the bridges have route_localnet)
//! prerouting  nat -100          to this host                                   jump publish   (not if the host is obeyed)
//! output      nat -100          to this host                                   jump publish
//! publish                       address.protocol.port → map publish_at         dnat address:port
//!                               address.protocol.port → map span_at (ranges)   dnat address
//!                               protocol.port         → map publish            dnat address:port
//!                               protocol.port         → map span    (ranges)   dnat address
//! forward     filter 0                                                         jump admin
//!                               established, related                           accept
//!                               to a bridge, destination rewritten (published) accept
//!                               in . out in set peers (same bridge)            accept
//!                               to a bridge                                    drop   (isolation, unpublished ports)
//!                               from an internal bridge                        drop
//!                               neither from nor to a bridge                   drop   (only if we switched forwarding on)
//! postrouting nat 100           from 127.0.0.0/8 to a bridge                   masquerade
//!                               source . destination in set hairpin, rewritten masquerade
//!                               in in set masquerade, not to a bridge          masquerade
//! ```
//!
//! The chain `admin` is the administrator's: empty when it is made, and whatever is put into it stays.
//!
//! An accept here ends only our table: a drop of another table (Docker's or a firewall's `FORWARD` policy) still
//! holds. `Controller::warnings` names such chains.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tierce_firewall::{
    Chain, ChainKind, Element, Elements, Family, Hook, LiveRules, Point, Rule, Selector, Set, Statement, Table, Type,
    Value,
};

use super::options::Options;
use crate::portmap::nat::{PUBLISH, PUBLISH_AT, SPAN, SPAN_AT};

const BRIDGES: &str = "bridges";
const PEERS: &str = "peers";
const HAIRPIN: &str = "hairpin";
/// Bridges whose packets get the host's address when they leave.
pub(crate) const MASQUERADE: &str = "masquerade";
const INTERNAL: &str = "internal";

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

/// The table without any network.
pub(crate) fn table(name: &str, situation: Situation) -> Table {
    Table {
        family: Family::Ip,
        name: name.to_owned(),
        sets: sets(),
        chains: chains(situation),
        kept: vec![ADMIN.to_owned()],
    }
}

/// What a network puts into the sets.
pub(crate) fn network_elements(options: &Options, subnet: Ipv4Net, internal: bool, table: &str) -> Vec<Elements> {
    let bridge = || Value::Interface(options.bridge.clone());
    let one = |set: &str, interval, element| Elements {
        family: Family::Ip,
        table: table.to_owned(),
        set: set.to_owned(),
        interval,
        elements: vec![element],
    };
    let within = |address| vec![Value::Ipv4(address), Value::Ipv4(address)];
    let hairpin = Element {
        key: within(subnet.network()),
        key_end: Some(within(subnet.broadcast())),
        value: Vec::new(),
    };
    let mut all = vec![
        one(BRIDGES, false, Element::member(vec![bridge()])),
        one(HAIRPIN, true, hairpin),
    ];
    if options.icc {
        all.push(one(PEERS, false, Element::member(vec![bridge(), bridge()])));
    }
    if options.masquerade && !internal {
        all.push(one(MASQUERADE, false, Element::member(vec![bridge()])));
    }
    if internal {
        all.push(one(INTERNAL, false, Element::member(vec![bridge()])));
    }
    all
}

/// Whether the rule for members of [`MASQUERADE`] is in force in a table, given as `ip name`.
pub(crate) fn is_masqueraded(live: &LiveRules, table: &str) -> bool {
    live.masquerades(table, MASQUERADE)
}

fn sets() -> Vec<Set> {
    let set = |name: &str, key: &[Type], value: &[Type], interval| Set {
        name: name.to_owned(),
        key: key.to_vec(),
        value: value.to_vec(),
        interval,
        elements: Vec::new(),
    };
    let interface = [Type::Interface];
    let pair = [Type::Interface, Type::Interface];
    let port = [Type::Protocol, Type::Port];
    let port_at = [Type::Ipv4, Type::Protocol, Type::Port];
    vec![
        set(BRIDGES, &interface, &[], false),
        set(MASQUERADE, &interface, &[], false),
        set(INTERNAL, &interface, &[], false),
        set(PEERS, &pair, &[], false),
        set(HAIRPIN, &[Type::Ipv4, Type::Ipv4], &[], true),
        set(PUBLISH, &port, &[Type::Ipv4, Type::Port], false),
        set(PUBLISH_AT, &port_at, &[Type::Ipv4, Type::Port], false),
        set(SPAN, &port, &[Type::Ipv4], true),
        set(SPAN_AT, &port_at, &[Type::Ipv4], true),
    ]
}

fn chains(situation: Situation) -> Vec<Chain> {
    let hook = |kind, point, priority| Some(Hook { kind, point, priority });
    let chain = |name: &str, hook, rules| Chain {
        name: name.to_owned(),
        hook,
        rules,
    };
    let to_publish = || {
        vec![rule(
            "published ports",
            vec![Statement::ForThisHost, Statement::Jump(PUBLISH.to_owned())],
        )]
    };
    let guard = rule(
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
    );
    vec![
        chain(ADMIN, None, vec![]),
        chain(PUBLISH, None, publish_rules()),
        chain("guard", hook(ChainKind::Filter, Point::Prerouting, -300), vec![guard]),
        chain(
            "prerouting",
            hook(ChainKind::Nat, Point::Prerouting, -100),
            if situation.obey_host { vec![] } else { to_publish() },
        ),
        chain("output", hook(ChainKind::Nat, Point::Output, -100), to_publish()),
        chain(
            "forward",
            hook(ChainKind::Filter, Point::Forward, 0),
            forward_rules(situation.forwarding_is_ours),
        ),
        chain(
            "postrouting",
            hook(ChainKind::Nat, Point::Postrouting, 100),
            postrouting_rules(),
        ),
    ]
}

fn publish_rules() -> Vec<Rule> {
    let port = [Selector::Protocol, Selector::DestinationPort];
    let port_at = [Selector::Destination, Selector::Protocol, Selector::DestinationPort];
    let translate = |comment, selectors: &[Selector], map: &str, port| {
        rule(
            comment,
            vec![Statement::DestinationNat {
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

fn forward_rules(forwarding_is_ours: bool) -> Vec<Rule> {
    let pair = vec![Selector::InterfaceIn, Selector::InterfaceOut];
    let mut rules = vec![
        rule("the administrator's", vec![Statement::Jump(ADMIN.to_owned())]),
        rule("answers", vec![Statement::Established, Statement::Accept]),
        rule(
            "published",
            vec![
                out_of(BRIDGES, true),
                Statement::DestinationRewritten,
                Statement::Accept,
            ],
        ),
        rule(
            "same network",
            vec![
                Statement::In {
                    selectors: pair,
                    member: true,
                    set: PEERS.to_owned(),
                },
                Statement::Accept,
            ],
        ),
        rule("isolation", vec![out_of(BRIDGES, true), Statement::Drop]),
        rule("internal networks", vec![into(INTERNAL, true), Statement::Drop]),
    ];
    if forwarding_is_ours {
        rules.push(rule(
            "not a router",
            vec![into(BRIDGES, false), out_of(BRIDGES, false), Statement::Drop],
        ));
    }
    rules
}

fn postrouting_rules() -> Vec<Rule> {
    // By address, not by interface: where br_netfilter is at work the incoming interface is not known here.
    let pair = vec![Selector::Source, Selector::Destination];
    let hairpin = Statement::In {
        selectors: pair,
        member: true,
        set: HAIRPIN.to_owned(),
    };
    vec![
        rule(
            "localhost",
            vec![
                from_loopback(Selector::Source),
                out_of(BRIDGES, true),
                Statement::Masquerade,
            ],
        ),
        rule(
            "hairpin",
            vec![hairpin, Statement::DestinationRewritten, Statement::Masquerade],
        ),
        rule(
            "outwards",
            vec![into(MASQUERADE, true), out_of(BRIDGES, false), Statement::Masquerade],
        ),
    ]
}

fn rule(comment: &'static str, statements: Vec<Statement>) -> Rule {
    Rule { comment, statements }
}

fn from_loopback(selector: Selector) -> Statement {
    Statement::Within {
        selector,
        network: Ipv4Addr::new(127, 0, 0, 0),
        length: 8,
    }
}

fn into(set: &str, member: bool) -> Statement {
    Statement::In {
        selectors: vec![Selector::InterfaceIn],
        member,
        set: set.to_owned(),
    }
}

fn out_of(set: &str, member: bool) -> Statement {
    Statement::In {
        selectors: vec![Selector::InterfaceOut],
        member,
        set: set.to_owned(),
    }
}
