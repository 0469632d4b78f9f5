//! nfnetlink messages → live rules (`linux/netfilter/nf_tables.h`, `linux/netfilter/xt_conntrack.h`).

use tierce_sys::netlink::Attributes;

use super::{Expression, Field, LiveBase, LiveChain, LiveElement, LiveVerdict};

/// The family of a message, when it sees packets of IPv4 or IPv6, as `nft` names it.
fn family(payload: &[u8]) -> Option<&'static str> {
    match payload.first()? {
        1 => Some("inet"),
        2 => Some("ip"),
        10 => Some("ip6"),
        _ => None,
    }
}

/// An attribute of a message, which starts with `struct nfgenmsg`.
fn attribute(payload: &[u8], kind: u16) -> Option<&[u8]> {
    Attributes::find(payload.get(4..)?, kind)
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// Family and name of the table that a message is about.
pub(crate) fn table(payload: &[u8]) -> Option<String> {
    Some(format!("{} {}", family(payload)?, text(attribute(payload, 1)?)))
}

/// A chain without its rules.
pub(crate) fn chain(payload: &[u8]) -> Option<LiveChain> {
    let base = attribute(payload, 4).and_then(|hook| {
        Some(LiveBase {
            point: number(Attributes::find(hook, 1)?)?,
            priority: number(Attributes::find(hook, 2)?)?.cast_signed(),
            kind: attribute(payload, 7).map(text).unwrap_or_default(),
            drops: attribute(payload, 5).and_then(number) == Some(0),
        })
    });
    Some(LiveChain {
        table: table(payload)?,
        name: text(attribute(payload, 3)?),
        base,
        rules: Vec::new(),
    })
}

/// Table, chain and content of a rule.
pub(crate) fn rule(payload: &[u8]) -> Option<(String, String, Vec<Expression>)> {
    let list = attribute(payload, 4).unwrap_or_default();
    let expressions = Attributes::new(list).map(|(_, one)| {
        let name = Attributes::find(one, 1).map(text).unwrap_or_default();
        let data = Attributes::find(one, 2).unwrap_or_default();
        expression(&name, data).unwrap_or(Expression::Unknown(name))
    });
    Some((table(payload)?, text(attribute(payload, 2)?), expressions.collect()))
}

/// The elements that a message has.
pub(crate) fn elements(payload: &[u8]) -> Vec<LiveElement> {
    let list = attribute(payload, 3).unwrap_or_default();
    let element = |one: &[u8]| {
        Some(LiveElement {
            key: value(Attributes::find(one, 1)?)?,
            key_end: Attributes::find(one, 10).and_then(value),
            ends: Attributes::find(one, 3)
                .and_then(number)
                .is_some_and(|flags| flags & 1 != 0),
            verdict: Attributes::find(one, 2).and_then(verdict),
        })
    };
    Attributes::new(list).filter_map(|(_, one)| element(one)).collect()
}

/// `NFTA_DATA_VALUE`
fn value(data: &[u8]) -> Option<Vec<u8>> {
    Attributes::find(data, 1).map(<[u8]>::to_vec)
}

/// `NFTA_DATA_VERDICT`
fn verdict(data: &[u8]) -> Option<LiveVerdict> {
    let verdict = Attributes::find(data, 2)?;
    let chain = || Attributes::find(verdict, 2).map(text);
    match number(Attributes::find(verdict, 1)?)?.cast_signed() {
        0 => Some(LiveVerdict::Drop),
        1 => Some(LiveVerdict::Accept),
        -3 => Some(LiveVerdict::Jump(chain()?)),
        -4 => Some(LiveVerdict::Goto(chain()?)),
        -5 => Some(LiveVerdict::Return),
        _ => None,
    }
}

/// Offset of a register: the first four are of 16 bytes, the others the same space in words.
fn register(bytes: &[u8]) -> Option<usize> {
    match number(bytes)? as usize {
        wide @ 1..=4 => Some((wide - 1) * 16),
        word @ 8..=23 => Some((word - 8) * 4),
        _ => None,
    }
}

/// `None`: not understood.
fn expression(name: &str, data: &[u8]) -> Option<Expression> {
    let at = |kind| Attributes::find(data, kind);
    let register = |kind| register(at(kind)?);
    let number = |kind| number(at(kind)?);
    Some(match name {
        "counter" | "log" | "notrack" | "last" => Expression::Nothing,
        "meta" if at(3).is_some() => Expression::Nothing,
        "meta" => Expression::Load {
            to: register(1)?,
            length: 4,
            what: meta(number(2)?),
        },
        "payload" => {
            let length = number(4)?;
            Expression::Load {
                to: register(1)?,
                length: length as usize,
                what: payload(number(2)?, number(3)?, length)?,
            }
        }
        "ct" if at(4).is_some() => Expression::Nothing,
        "ct" => Expression::Load {
            to: register(1)?,
            length: 4,
            what: match (number(2)?, at(3)) {
                (0, _) => Field::State,
                (2, _) => Field::Status,
                (10, _) => Field::TransportProtocol,
                (12, Some([0])) => Field::OriginalPort,
                _ => Field::Other,
            },
        },
        "fib" => Expression::Load {
            to: register(1)?,
            length: 4,
            what: Field::Other,
        },
        "bitwise" if value(at(5)?)?.iter().all(|byte| *byte == 0) => Expression::Mask {
            from: register(1)?,
            to: register(2)?,
            mask: value(at(4)?)?,
        },
        "cmp" => Expression::Compare {
            from: register(1)?,
            operator: number(2)?,
            value: value(at(3)?)?,
        },
        "range" => Expression::Range {
            from: register(1)?,
            outside: number(2)? == 1,
            low: value(at(3)?)?,
            high: value(at(4)?)?,
        },
        "lookup" => Expression::Lookup {
            from: register(2)?,
            set: text(at(1)?),
            outside: number(5).unwrap_or(0) & 1 != 0,
            decides: number(3) == Some(0),
        },
        "immediate" => Expression::Verdict(verdict(at(2)?)?),
        "reject" => Expression::Verdict(LiveVerdict::Drop),
        "match" => extension(&text(at(1)?), number(2)?, at(3)?)?,
        "target" => match text(at(1)?).as_str() {
            "REJECT" => Expression::Verdict(LiveVerdict::Drop),
            "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "CT" => Expression::Nothing,
            _ => return None,
        },
        _ => return None,
    })
}

fn meta(key: u32) -> Field {
    match key {
        1 => Field::EtherType,
        3 => Field::Mark,
        4 => Field::NumberIn,
        6 => Field::InterfaceIn,
        7 => Field::InterfaceOut,
        15 => Field::NetworkProtocol,
        16 => Field::TransportProtocol,
        _ => Field::Other,
    }
}

/// What a place of a packet says depends on its family, which the rule does not know.
fn payload(base: u32, offset: u32, length: u32) -> Option<Field> {
    const NETWORK: u32 = 1;
    const TRANSPORT: u32 = 2;
    Some(match (base, offset, length) {
        (NETWORK, at, _) => Field::NetworkHeader(usize::try_from(at).ok()?),
        (TRANSPORT, 2, 2) => Field::DestinationPort,
        _ => Field::Other,
    })
}

/// Matches of iptables that are not translated into nf_tables' own.
fn extension(name: &str, revision: u32, info: &[u8]) -> Option<Expression> {
    let half = |at: usize| Some(u16::from_ne_bytes(info.get(at..at + 2)?.try_into().ok()?));
    match (name, revision) {
        ("comment", _) => Some(Expression::Nothing),
        // A header of IPv6 that only attacks have (ufw drops them).
        ("rt", _) => Some(Expression::Never),
        ("conntrack", 2 | 3) => {
            const STATE: u16 = 1;
            let (matched, inverted, states) = (half(146)?, half(148)?, half(150)?);
            (matched == STATE).then_some(Expression::State {
                mask: states,
                inverted: inverted & STATE != 0,
            })
        }
        _ => None,
    }
}
