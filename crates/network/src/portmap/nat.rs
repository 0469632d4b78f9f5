//! Published ports → elements of the packet filter's maps. Runs of ports that keep their number become one interval.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
/// A set: published ports at the containers' own addresses.
pub(crate) const INSIDE: &str = "inside";

/// Shorter runs stay single elements: interval maps are dearer to change.
const SHORTEST_SPAN: usize = 16;

/// Where a container's published ports lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    /// Its IPv4 address.
    pub(crate) four: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub(crate) six: Option<Ipv6Addr>,
    /// They may answer at the container's own address.
    pub(crate) inside: bool,
}

impl Targets {
    /// Where the packet filter leads what comes to a host address: an address of the same family.
    fn same_family(self, host: IpAddr) -> Option<IpAddr> {
        match host {
            IpAddr::V4(_) => self.four.map(IpAddr::from),
            // Nothing comes back to ::1 from another interface.
            IpAddr::V6(host) if host.is_loopback() => None,
            IpAddr::V6(_) => self.six.map(IpAddr::from),
        }
    }

    /// Whether the packet filter brings what comes to a host address.
    pub(crate) fn is_translated(self, host: IpAddr) -> bool {
        self.same_family(host).is_some()
    }

    /// Where the relay leads it.
    pub(crate) fn for_relay(self, host: IpAddr) -> Option<IpAddr> {
        let (four, six) = (self.four.map(IpAddr::from), self.six.map(IpAddr::from));
        match host {
            IpAddr::V4(_) => four,
            IpAddr::V6(_) => six.or(four),
        }
    }
}

/// The elements for a container's ports, of both families. IPv6 ports of a container without IPv6 are the relay's.
pub(crate) fn elements(table: &str, published: &[Published], targets: Targets) -> Vec<Elements> {
    let four = of_family(table, Family::Ip, published, targets);
    let six = of_family(table, Family::Ip6, published, targets);
    four.into_iter().chain(six).collect()
}

fn of_family(table: &str, family: Family, published: &[Published], targets: Targets) -> Vec<Elements> {
    let of_family = |port: &&Published| port.address.is_ipv4() == (family == Family::Ip);
    let ports = || published.iter().filter(of_family).copied();
    let mut rewritten: Vec<_> = ports()
        .filter(|port| port.host_port != 0)
        .filter_map(|port| Some((port, targets.same_family(port.address)?)))
        .collect();
    rewritten.sort_by_key(|(port, _)| (port.address, port.port.protocol, port.host_port, port.port.number));
    let mut maps = [
        (PUBLISH, Vec::new()),
        (PUBLISH_AT, Vec::new()),
        (SPAN, Vec::new()),
        (SPAN_AT, Vec::new()),
        (
            INSIDE,
            if targets.inside {
                inside(ports(), targets)
            } else {
                Vec::new()
            },
        ),
    ];
    for run in rewritten.chunk_by(|(one, _), (next, _)| continues(*one, *next)) {
        if let [(first, target), .., (last, _)] = run
            && run.len() >= SHORTEST_SPAN
            && first.host_port == first.port.number
        {
            let at = usize::from(!first.address.is_unspecified());
            maps[2 + at].1.push(Element {
                key: key(*first),
                key_end: Some(key(*last)),
                value: vec![address_value(*target)],
            });
        } else {
            for (port, target) in run {
                let at = usize::from(!port.address.is_unspecified());
                maps[at].1.push(Element {
                    key: key(*port),
                    key_end: None,
                    value: vec![address_value(*target), Value::Port(port.port.number)],
                });
            }
        }
    }
    let filled = maps.into_iter().filter(|(_, elements)| !elements.is_empty());
    filled
        .map(|(set, elements)| Elements {
            family,
            table: table.to_owned(),
            set: set.to_owned(),
            interval: matches!(set, SPAN | SPAN_AT | INSIDE),
            elements,
        })
        .collect()
}

/// The container's ports at its own address, as few ranges as can be.
fn inside(ports: impl Iterator<Item = Published>, targets: Targets) -> Vec<Element> {
    let mut inside: Vec<_> = ports
        .filter_map(|port| {
            let target = match port.address {
                IpAddr::V4(_) => targets.four.map(IpAddr::from),
                IpAddr::V6(_) => targets.six.map(IpAddr::from),
            };
            Some((port.port.protocol, port.port.number, target?))
        })
        .collect();
    inside.sort_unstable();
    inside.dedup();
    let runs = inside.chunk_by(|one, next| one.0 == next.0 && one.1.checked_add(1) == Some(next.1));
    runs.filter_map(|run| {
        let (first, last) = (run.first()?, run.last()?);
        let key = |port: u16| {
            vec![
                address_value(first.2),
                Value::Protocol(first.0.number()),
                Value::Port(port),
            ]
        };
        Some(Element {
            key: key(first.1),
            key_end: Some(key(last.1)),
            value: Vec::new(),
        })
    })
    .collect()
}

/// An address as part of a key or value.
pub(crate) fn address_value(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(address) => Value::Ipv4(address),
        IpAddr::V6(address) => Value::Ipv6(address),
    }
}

fn key(port: Published) -> Vec<Value> {
    let mut key = Vec::new();
    if !port.address.is_unspecified() {
        key.push(address_value(port.address));
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
        let targets = Targets {
            four: "172.17.0.2".parse().ok(),
            six: None,
            inside: true,
        };
        let sizes = |elements: &[Elements]| -> Vec<_> {
            let size = |set: &Elements| (set.family, set.set.clone(), set.elements.len(), set.interval);
            elements.iter().map(size).collect()
        };
        let of = |family, set: &str, count, interval| (family, set.to_owned(), count, interval);
        let four = [
            of(Family::Ip, PUBLISH, 1, false),
            of(Family::Ip, PUBLISH_AT, 1, false),
            of(Family::Ip, SPAN, 1, true),
            of(Family::Ip, INSIDE, 2, true),
        ];
        assert_eq!(sizes(&elements("t", &ports, targets)), four);
        let both = Targets {
            six: "fd00::2".parse().ok(),
            ..targets
        };
        ports.push(published("::1", 8083, 80));
        let mut all = four.to_vec();
        // What is published on ::1 is the relay's.
        all.extend([of(Family::Ip6, PUBLISH, 1, false), of(Family::Ip6, INSIDE, 1, true)]);
        assert_eq!(sizes(&elements("t", &ports, both)), all);
        // A port of a routed network has no port on the host.
        let routed = [published("0.0.0.0", 0, 80)];
        assert_eq!(
            sizes(&elements("t", &routed, targets)),
            [of(Family::Ip, INSIDE, 1, true)]
        );
    }
}
