//! Rule sets as values: tables, chains, rules, sets and maps. Nothing here talks to the kernel.
//!
//! The words are those of `nft(8)`; only what Tierce needs is modelled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
}

/// A table with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Which packets.
    pub family: Family,
    /// Its name.
    pub name: String,
    /// Sets and maps.
    pub sets: Vec<Set>,
    /// Chains, jump targets included.
    pub chains: Vec<Chain>,
    /// Those of `chains` that are for other people's rules: what is in them stays when the table is replaced.
    pub kept: Vec<String>,
}

/// A named set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Types of the key's parts.
    pub key: Vec<Type>,
    /// Types of the value's parts; empty: a plain set.
    pub value: Vec<Type>,
    /// Keys may be ranges.
    pub interval: bool,
    /// First content.
    pub elements: Vec<Element>,
}

/// Type of one part of a key or value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `ipv4_addr`
    Ipv4,
    /// `ipv6_addr`
    Ipv6,
    /// `inet_proto`
    Protocol,
    /// `inet_service`
    Port,
    /// `ifname`
    Interface,
}

/// One part of a key or value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A transport protocol's number.
    Protocol(u8),
    /// A port.
    Port(u16),
    /// An interface's name.
    Interface(String),
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Element {
    /// The key, or the lower end of each part's range.
    pub key: Vec<Value>,
    /// The upper end of each part's range, in interval sets.
    pub key_end: Option<Vec<Value>>,
    /// What a map gives for it.
    pub value: Vec<Value>,
}

impl Element {
    /// Member of a plain set.
    pub fn member(key: Vec<Value>) -> Self {
        Self {
            key,
            key_end: None,
            value: Vec::new(),
        }
    }
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where the kernel calls it; `None`: only by jumps.
    pub hook: Option<Hook>,
    /// Its rules in order.
    pub rules: Vec<Rule>,
}

/// Attachment of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// `filter` or `nat`.
    pub kind: ChainKind,
    /// Where.
    pub point: Point,
    /// Order among the chains of all tables; lower is earlier.
    pub priority: i32,
}

/// Type of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    /// Sees every packet.
    Filter,
    /// Sees the first packet of each connection.
    Nat,
}

/// Netfilter's hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Arrived.
    Prerouting,
    /// For this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// Leaving.
    Postrouting,
}

/// A rule: statements that all must match, the last of them deciding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it is for; shown by `nft list`.
    pub comment: &'static str,
    /// Matches, then the decision.
    pub statements: Vec<Statement>,
}

/// Part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `selector value`, or `selector != value`.
    Is {
        /// What of the packet.
        selector: Selector,
        /// Must it be equal or different?
        equal: bool,
        /// To what.
        value: Value,
    },
    /// `ip daddr network/length`, or `ip daddr != network/length`
    Within {
        /// A source or destination address of the network's family.
        selector: Selector,
        /// First address.
        network: IpAddr,
        /// Prefix length.
        length: u8,
        /// In the network, or not in it.
        member: bool,
    },
    /// `selectors @set`
    In {
        /// Parts of the key.
        selectors: Vec<Selector>,
        /// In the set, or not in it.
        member: bool,
        /// The set's name.
        set: String,
    },
    /// `ct state established,related`
    Established,
    /// `ct status dnat`
    DestinationRewritten,
    /// `fib daddr type local`
    ForThisHost,
    /// `dnat to selectors map @map`; the map gives an address, or address and port.
    DestinationNat {
        /// Family of the map's addresses.
        family: Family,
        /// Parts of the key.
        selectors: Vec<Selector>,
        /// The map's name.
        map: String,
        /// The map's values have a port.
        port: bool,
    },
    /// `snat to selectors map @map`; the map gives an address.
    SourceNat {
        /// Family of the map's addresses.
        family: Family,
        /// Parts of the key.
        selectors: Vec<Selector>,
        /// The map's name.
        map: String,
    },
    /// `masquerade`
    Masquerade,
    /// `counter`
    Counter,
    /// `accept`, ends the hook for this table.
    Accept,
    /// `drop`
    Drop,
    /// `return`
    Return,
    /// `jump chain`
    Jump(String),
}

/// What of a packet is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector {
    /// `iifname`
    InterfaceIn,
    /// `oifname`
    InterfaceOut,
    /// `meta l4proto`
    Protocol,
    /// `ip saddr`
    Source,
    /// `ip daddr`
    Destination,
    /// `ip6 saddr`
    Source6,
    /// `ip6 daddr`
    Destination6,
    /// `th dport`
    DestinationPort,
}

impl Selector {
    /// The type of what it reads.
    pub fn value_type(self) -> Type {
        match self {
            Self::InterfaceIn | Self::InterfaceOut => Type::Interface,
            Self::Protocol => Type::Protocol,
            Self::Source | Self::Destination => Type::Ipv4,
            Self::Source6 | Self::Destination6 => Type::Ipv6,
            Self::DestinationPort => Type::Port,
        }
    }
}

/// One change; several are applied together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The table becomes this, whatever it was; no packet sees a state in between. Kept chains, and what others made for
    /// use in them (chains without a hook, sets), stay as they are.
    Replace(Table),
    /// All of the table goes; if a kept chain has rules, that chain and what they may refer to stay.
    Withdraw(Table),
    /// The table goes with everything in it, if it is there.
    RemoveTable {
        /// Which packets.
        family: Family,
        /// Its name.
        name: String,
    },
    /// Elements come in; equal ones may be there already.
    Add(Elements),
    /// Elements go.
    Remove(Elements),
}

impl Change {
    /// The family of the table that is changed.
    pub fn family(&self) -> Family {
        match self {
            Self::Replace(table) | Self::Withdraw(table) => table.family,
            Self::RemoveTable { family, .. } => *family,
            Self::Add(elements) | Self::Remove(elements) => elements.family,
        }
    }
}

/// Elements of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// The table's family.
    pub family: Family,
    /// The table.
    pub table: String,
    /// The set.
    pub set: String,
    /// Whether its keys may be ranges.
    pub interval: bool,
    /// They.
    pub elements: Vec<Element>,
}
