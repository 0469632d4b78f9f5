//! Parts of keys and values as bytes of registers.

use crate::ruleset::{Type, Value};

const IFNAMSIZ: usize = 16;

/// A part's bytes as they stand in a register, without padding.
pub(super) fn part(value: &Value) -> Vec<u8> {
    match value {
        Value::Ipv4(address) => address.octets().to_vec(),
        Value::Ipv6(address) => address.octets().to_vec(),
        Value::Protocol(number) => vec![*number],
        Value::Port(number) => number.to_be_bytes().to_vec(),
        Value::Interface(name) => {
            let mut bytes = name.as_bytes().to_vec();
            bytes.resize(IFNAMSIZ, 0);
            bytes
        }
    }
}

/// Several parts, each padded to whole registers; a single one stays as it is.
pub(crate) fn join(values: &[Value]) -> Vec<u8> {
    if let [only] = values {
        return part(only);
    }
    let mut bytes = Vec::new();
    for value in values {
        bytes.extend(part(value));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

pub(super) fn part_length(part: Type) -> usize {
    match part {
        Type::Ipv4 => 4,
        Type::Ipv6 | Type::Interface => 16,
        Type::Protocol => 1,
        Type::Port => 2,
    }
}

pub(super) fn width(parts: &[Type]) -> usize {
    match parts {
        [only] => part_length(*only),
        several => several.iter().map(|part| part_length(*part).next_multiple_of(4)).sum(),
    }
}

/// `nft`'s own numbers of types (`enum datatypes`), six bits each in a concatenation; the kernel only keeps them.
pub(super) fn type_number(parts: &[Type]) -> u32 {
    parts.iter().fold(0, |number, part| {
        number << 6
            | match part {
                Type::Ipv4 => 7,
                Type::Ipv6 => 8,
                Type::Protocol => 12,
                Type::Port => 13,
                Type::Interface => 41,
            }
    })
}
