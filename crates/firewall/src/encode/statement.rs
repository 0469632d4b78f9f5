//! Statements → the kernel's expressions: what is loaded into registers, and what is done with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tierce_sys::netlink::Attributed;

use super::{data, family_number, part, part_length};
use crate::ruleset::{Family, Selector, Statement};

/// First of the sixteen 32-bit registers (`NFT_REG32_00`).
const REGISTER: u32 = 8;
const REGISTER_VERDICT: u32 = 0;

/// One statement.
pub(super) fn encode(m: &mut Attributed<'_>, statement: &Statement) {
    match statement {
        Statement::Is { selector, equal, value } => {
            load(m, *selector, REGISTER);
            compare(m, *equal, &part(value));
        }
        Statement::Within {
            selector,
            network,
            length,
            member,
        } => {
            load(m, *selector, REGISTER);
            let (mask, first) = prefix(*network, *length);
            mask_register(m, &mask);
            compare(m, *member, &first);
        }
        Statement::In { selectors, member, set } => {
            load_all(m, selectors);
            expression(m, "lookup", |m| {
                m.text(1, set).be32(2, REGISTER);
                if !member {
                    m.be32(5, 1);
                }
            });
        }
        // NFT_CT_STATE: bit n+1 for `enum ip_conntrack_info` n: established 0, related 1.
        Statement::Established => conntrack_bits(m, 0, 0b110),
        // NFT_CT_STATUS: IPS_DST_NAT.
        Statement::DestinationRewritten => conntrack_bits(m, 2, 1 << 5),
        Statement::ForThisHost => {
            const BY_DESTINATION: u32 = 2;
            const ADDRESS_TYPE: u32 = 3;
            const LOCAL: u32 = 2;
            expression(m, "fib", |m| {
                m.be32(1, REGISTER).be32(2, ADDRESS_TYPE).be32(3, BY_DESTINATION);
            });
            compare(m, true, &LOCAL.to_ne_bytes());
        }
        Statement::DestinationNat {
            family,
            selectors,
            map,
            port,
        } => {
            const DESTINATION: u32 = 1;
            let port = port.then(|| REGISTER + registers(*family));
            translate(m, DESTINATION, *family, selectors, map, port);
        }
        Statement::SourceNat { family, selectors, map } => {
            const SOURCE: u32 = 0;
            translate(m, SOURCE, *family, selectors, map, None);
        }
        Statement::Masquerade => expression(m, "masq", |_| {}),
        Statement::Counter => expression(m, "counter", |_| {}),
        Statement::Accept => verdict(m, 1, None),
        Statement::Drop => verdict(m, 0, None),
        Statement::Return => verdict(m, -5, None),
        Statement::Jump(chain) => verdict(m, -3, Some(chain)),
    }
}

/// Looks the key up and rewrites with what the map gives; `port`: the register with the port.
fn translate(m: &mut Attributed<'_>, kind: u32, family: Family, selectors: &[Selector], map: &str, port: Option<u32>) {
    load_all(m, selectors);
    expression(m, "lookup", |m| {
        m.text(1, map).be32(2, REGISTER).be32(3, REGISTER);
    });
    expression(m, "nat", |m| {
        m.be32(1, kind).be32(2, u32::from(family_number(family)));
        m.be32(3, REGISTER).be32(4, REGISTER);
        if let Some(port) = port {
            m.be32(5, port).be32(6, port);
        }
    });
}

/// How many registers an address of the family fills.
fn registers(family: Family) -> u32 {
    match family {
        Family::Ip => 1,
        Family::Ip6 | Family::Inet => 4,
    }
}

/// Mask and first address of a network.
fn prefix(network: IpAddr, length: u8) -> (Vec<u8>, Vec<u8>) {
    let length = u32::from(length);
    match network {
        IpAddr::V4(network) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(length)).unwrap_or(0);
            let first = Ipv4Addr::from(u32::from(network) & mask);
            (mask.to_be_bytes().to_vec(), first.octets().to_vec())
        }
        IpAddr::V6(network) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(length)).unwrap_or(0);
            let first = Ipv6Addr::from(u128::from(network) & mask);
            (mask.to_be_bytes().to_vec(), first.octets().to_vec())
        }
    }
}

fn expression(m: &mut Attributed<'_>, name: &str, write: impl FnOnce(&mut Attributed<'_>)) {
    m.nest(1, |m| {
        m.text(1, name).nest(2, write);
    });
}

fn load_all(m: &mut Attributed<'_>, selectors: &[Selector]) {
    let mut register = REGISTER;
    for selector in selectors {
        load(m, *selector, register);
        register += (part_length(selector.value_type()) as u32).div_ceil(4);
    }
}

fn load(m: &mut Attributed<'_>, selector: Selector, register: u32) {
    let meta = |m: &mut Attributed<'_>, key: u32| {
        expression(m, "meta", |m| {
            m.be32(1, register).be32(2, key);
        });
    };
    let payload = |m: &mut Attributed<'_>, base: u32, offset: u32, length: u32| {
        expression(m, "payload", |m| {
            m.be32(1, register).be32(2, base).be32(3, offset).be32(4, length);
        });
    };
    match selector {
        Selector::InterfaceIn => meta(m, 6),
        Selector::InterfaceOut => meta(m, 7),
        Selector::Protocol => meta(m, 16),
        Selector::Source => payload(m, 1, 12, 4),
        Selector::Destination => payload(m, 1, 16, 4),
        Selector::Source6 => payload(m, 1, 8, 16),
        Selector::Destination6 => payload(m, 1, 24, 16),
        Selector::DestinationPort => payload(m, 2, 2, 2),
    }
}

fn compare(m: &mut Attributed<'_>, equal: bool, value: &[u8]) {
    expression(m, "cmp", |m| {
        m.be32(1, REGISTER).be32(2, u32::from(!equal));
        data(m, 3, value);
    });
}

fn mask_register(m: &mut Attributed<'_>, mask: &[u8]) {
    expression(m, "bitwise", |m| {
        m.be32(1, REGISTER).be32(2, REGISTER).be32(3, mask.len() as u32);
        data(m, 4, mask);
        data(m, 5, &vec![0; mask.len()]);
    });
}

fn conntrack_bits(m: &mut Attributed<'_>, key: u32, bits: u32) {
    expression(m, "ct", |m| {
        m.be32(1, REGISTER).be32(2, key);
    });
    mask_register(m, &bits.to_ne_bytes());
    compare(m, false, &[0; 4]);
}

fn verdict(m: &mut Attributed<'_>, code: i32, chain: Option<&str>) {
    expression(m, "immediate", |m| {
        m.be32(1, REGISTER_VERDICT);
        m.nest(2, |m| {
            m.nest(2, |m| {
                m.be32(1, code as u32);
                if let Some(chain) = chain {
                    m.text(2, chain);
                }
            });
        });
    });
}
