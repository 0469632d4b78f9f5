//! Published ports → elements of the packet filter's maps. Runs of ports that keep their number become one interval.

use std::net::{IpAddr, Ipv4Addr};

use tierce_firewall::{Element, Elements, Family, Value};

use crate::sandbox::Published;

/// Map names, shared with the rules of the bridge driver: by host address or for all, with or without a port to
/// rewrite.
pub(crate) const PUBLISH: &str = "publish";
/// As [`PUBLISH`], keyed by host address too.
pub(crate) const PUBLISH_AT: &str = "publish_at";
/// Ranges that keep their port numbers.
pub(crate) const SPAN: &str = "span";
/// As [`SPAN`], keyed by host address too.
pub(crate) const SPAN_AT: &str = "span_at";

/// Shorter runs stay single elements: interval maps are dearer to change.
const SHORTEST_SPAN: usize = 16;

/// The elements for a container's IPv4 ports; IPv6 ones are the relay's.
pub(crate) fn elements(table: &str, published: &[Published], target: Ipv4Addr) -> Vec<Elements> {
    let mut ports: Vec<_> = published
        .iter()
        .filter(|port| port.address.is_ipv4())
        .copied()
        .collect();
    ports.sort_by_key(|port| (port.address, port.port.protocol, port.host_port, port.port.number));
    let mut maps = [
        (PUBLISH, Vec::new()),
        (PUBLISH_AT, Vec::new()),
        (SPAN, Vec::new()),
        (SPAN_AT, Vec::new()),
    ];
    for run in ports.chunk_by(|one, next| continues(*one, *next)) {
        let [first, .., last] = run else {
            for port in run {
                push_single(&mut maps, *port, target);
            }
            continue;
        };
        if run.len() >= SHORTEST_SPAN && first.host_port == first.port.number {
            let at = usize::from(!first.address.is_unspecified());
            maps[2 + at].1.push(Element {
                key: key(*first),
                key_end: Some(key(*last)),
                value: vec![Value::Ipv4(target)],
            });
        } else {
            for port in run {
                push_single(&mut maps, *port, target);
            }
        }
    }
    let filled = maps.into_iter().filter(|(_, elements)| !elements.is_empty());
    filled
        .map(|(set, elements)| Elements {
            family: Family::Ip,
            table: table.to_owned(),
            set: set.to_owned(),
            interval: set == SPAN || set == SPAN_AT,
            elements,
        })
        .collect()
}

fn push_single(maps: &mut [(&str, Vec<Element>); 4], port: Published, target: Ipv4Addr) {
    let at = usize::from(!port.address.is_unspecified());
    maps[at].1.push(Element {
        key: key(port),
        key_end: None,
        value: vec![Value::Ipv4(target), Value::Port(port.port.number)],
    });
}

fn key(port: Published) -> Vec<Value> {
    let mut key = Vec::new();
    if let IpAddr::V4(address) = port.address
        && !address.is_unspecified()
    {
        key.push(Value::Ipv4(address));
    }
    key.extend([
        Value::Protocol(port.port.protocol.number()),
        Value::Port(port.host_port),
    ]);
    key
}

fn continues(one: Published, next: Published) -> bool {
    let identity = |port: Published| port.host_port == port.port.number;
    one.address == next.address
        && one.port.protocol == next.port.protocol
        && identity(one)
        && identity(next)
        && one.host_port.checked_add(1) == Some(next.host_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Port, Protocol};

    fn published(address: &str, host_port: u16, number: u16) -> Published {
        Published {
            port: Port {
                number,
                protocol: Protocol::Tcp,
            },
            address: address.parse().unwrap(),
            host_port,
        }
    }

    #[test]
    fn a_range_of_ten_thousand_is_one_element() {
        let mut ports: Vec<_> = (10_000..20_000).map(|port| published("0.0.0.0", port, port)).collect();
        ports.extend([
            published("0.0.0.0", 8080, 80),
            published("127.0.0.1", 8081, 80),
            published("::", 8080, 80),
        ]);
        let elements = elements("t", &ports, "172.17.0.2".parse().unwrap());
        let sizes: Vec<_> = elements
            .iter()
            .map(|set| (set.set.as_str(), set.elements.len(), set.interval))
            .collect();
        assert_eq!(sizes, [(PUBLISH, 1, false), (PUBLISH_AT, 1, false), (SPAN, 1, true)]);
    }
}
