//! The rules of all programs as they are in force, and what they do to a packet.
//!
//! Reading is one file ([`decode`]), judging another ([`judge`]) and pure. What is not understood (a match of iptables'
//! extensions, a limit) may match or not; the verdict says so instead of guessing.

pub(crate) mod decode;
mod judge;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;

use crate::{Value, encode};

/// Everything that filters packets of IPv4 and IPv6, in every table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveRules {
    pub(crate) chains: Vec<LiveChain>,
    /// Tables that filter and cannot be read here: those of the packet filter before nf_tables, as `ip filter`.
    pub(crate) unread: Vec<String>,
    /// By table and name.
    pub(crate) sets: HashMap<(String, String), Vec<LiveElement>>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveChain {
    /// Family and name, as `ip filter`.
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) base: Option<LiveBase>,
    pub(crate) rules: Vec<Vec<Expression>>,
}

/// How the kernel calls a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveBase {
    pub(crate) point: u32,
    pub(crate) priority: i32,
    pub(crate) kind: String,
    pub(crate) drops: bool,
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveElement {
    pub(crate) key: Vec<u8>,
    pub(crate) key_end: Option<Vec<u8>>,
    /// In sets of ranges without `key_end`: what comes from here on is outside.
    pub(crate) ends: bool,
    pub(crate) verdict: Option<LiveVerdict>,
}

/// What a rule decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LiveVerdict {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
}

/// Part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Puts something of the packet into a register.
    Load { to: usize, length: usize, what: Field },
    /// Keeps some bits of a register.
    Mask { from: usize, to: usize, mask: Vec<u8> },
    /// `0..=5`: equal, different, less, at most, greater, at least.
    Compare { from: usize, operator: u32, value: Vec<u8> },
    /// Within two values, or not.
    Range {
        from: usize,
        outside: bool,
        low: Vec<u8>,
        high: Vec<u8>,
    },
    /// In a set, or not; `decides`: the element's verdict is the rule's.
    Lookup {
        from: usize,
        set: String,
        outside: bool,
        decides: bool,
    },
    /// The state of the connection is one of these (iptables' `conntrack`).
    State { mask: u16, inverted: bool },
    /// Decides.
    Verdict(LiveVerdict),
    /// Counts, logs, names: changes nothing.
    Nothing,
    /// Matches no packet that is thought of here.
    Never,
    /// May match or not; its name.
    Unknown(String),
}

/// What is put into a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    InterfaceIn,
    InterfaceOut,
    NumberIn,
    Mark,
    NetworkProtocol,
    TransportProtocol,
    EtherType,
    /// From this byte on.
    NetworkHeader(usize),
    DestinationPort,
    State,
    Status,
    OriginalPort,
    Other,
}

/// The first packet of a connection, seen where forwarded or incoming packets are filtered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Interface it came by.
    pub interface_in: String,
    /// That interface's number, where it is known.
    pub number_in: Option<u32>,
    /// Interface it leaves by; empty: it is for this host.
    pub interface_out: String,
    /// Transport protocol's number.
    pub protocol: u8,
    /// Who sends it; `None`: anybody.
    pub source: Option<IpAddr>,
    /// Where it goes, after translation; of the packet's family.
    pub destination: IpAddr,
    /// Port, after translation.
    pub port: u16,
    /// Port that the sender named, when it was translated.
    pub original_port: Option<u16>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// It passes.
    Open,
    /// It is dropped or refused, by this chain.
    Blocked(String),
    /// That depends on what is not known here: on these chains.
    Depends(Vec<String>),
}

impl Packet {
    /// Whether rules of a table (family and name) see it.
    fn is_seen_by(&self, table: &str) -> bool {
        let family = table.split(' ').next().unwrap_or_default();
        family == "inet" || family == if self.destination.is_ipv4() { "ip" } else { "ip6" }
    }
}

impl LiveRules {
    /// What the chains of all tables at the forward hook do with a packet.
    pub fn forwarded(&self, packet: &Packet) -> Passage {
        judge::passage(self, 2, packet)
    }

    /// As [`Self::forwarded`], by the tables of others that can be read alone; `own` is the name of ours.
    pub fn forwarded_by_others(&self, packet: &Packet, own: &str) -> Passage {
        judge::chains(self, 2, packet, &|table| {
            table.split_once(' ').is_none_or(|(_, name)| name != own)
        })
    }

    /// Tables that filter packets of a family and cannot be read here, as `ip filter (iptables-legacy)`.
    pub fn unread(&self, ipv6: bool) -> Vec<String> {
        let (family, program) = if ipv6 {
            ("ip6 ", "ip6tables")
        } else {
            ("ip ", "iptables")
        };
        let of_family = self.unread.iter().filter(|table| table.starts_with(family));
        of_family.map(|table| format!("{table} ({program}-legacy)")).collect()
    }

    /// Whether a set or map of table `table` (family and name, as `ip filter`) has this key.
    pub fn has(&self, table: &str, set: &str, key: &[Value]) -> bool {
        let elements = self.sets.get(&(table.to_owned(), set.to_owned()));
        elements.is_some_and(|elements| judge::find(elements, &encode::join(key)).is_some())
    }

    /// Whether a rule of table `table` masquerades what is in the set.
    pub fn masquerades(&self, table: &str, set: &str) -> bool {
        let leaving =
            |chain: &&LiveChain| chain.table == table && chain.base.as_ref().is_some_and(|base| base.point == 4);
        let looks_up =
            |one: &Expression| matches!(one, Expression::Lookup { set: named, outside: false, .. } if named == set);
        let mut rules = self.chains.iter().filter(leaving).flat_map(|chain| &chain.rules);
        rules.any(|rule| rule.iter().any(looks_up) && rule.contains(&Expression::Unknown("masq".to_owned())))
    }

    /// Whether any rule may give a packet that leaves another source.
    pub fn may_translate(&self, packet: &Packet) -> bool {
        let translating = |chain: &&LiveChain| {
            let leaving = |base: &LiveBase| base.point == 4 && base.kind == "nat";
            packet.is_seen_by(&chain.table) && chain.base.as_ref().is_some_and(leaving)
        };
        let mut chains = self.chains.iter().filter(translating);
        chains.any(|chain| !chain.rules.is_empty())
    }

    /// What the chains of all tables at the input hook do with a packet.
    pub fn incoming(&self, packet: &Packet) -> Passage {
        judge::passage(self, 1, packet)
    }
}
