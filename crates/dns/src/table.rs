//! Who is in which network under which names, and which networks each container sees.
//!
//! Networks are small (a subnet of some hundred addresses), so that a look-up walks through their members.

use crate::message::kind;
use crate::protocol::{Join, Membership};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By container.
    containers: BTreeMap<String, Known>,
}

/// What is known of a container.
#[derive(Debug, Default)]
struct Known {
    memberships: Vec<Membership>,
    /// Names that it alone knows.
    hosts: Vec<(String, IpAddr)>,
}

/// What is known of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The name's addresses of the kind that was asked for, at least one.
    Addresses(Vec<IpAddr>),
    /// The address's name.
    Name(String),
    /// The name is one of ours, and has nothing of the kind.
    Nothing,
    /// It is no name of ours.
    Elsewhere,
}

impl Table {
    /// Enters a container, in place of what was known of it.
    pub(crate) fn enter(&mut self, join: &Join) {
        let mut memberships = join.memberships.clone();
        for membership in &mut memberships {
            membership.network_name.make_ascii_lowercase();
            membership.names.iter_mut().for_each(|name| name.make_ascii_lowercase());
            for (alias, name) in &mut membership.links {
                alias.make_ascii_lowercase();
                name.make_ascii_lowercase();
            }
        }
        let hosts = join
            .hosts
            .iter()
            .map(|(name, address)| (name.to_ascii_lowercase(), *address));
        let known = Known {
            memberships,
            hosts: hosts.collect(),
        };
        self.containers.insert(join.container.clone(), known);
    }

    /// Takes a container out.
    pub(crate) fn leave(&mut self, container: &str) {
        self.containers.remove(container);
    }

    /// Looks a question of `container` up. `name` is in lower case, without the final dot.
    pub(crate) fn find(&self, container: &str, name: &str, kind: u16) -> Found {
        let Some(known) = self.containers.get(container) else {
            return Found::Elsewhere;
        };
        let own: Vec<_> = known.hosts.iter().filter(|(host, _)| host == name).collect();
        if !own.is_empty() {
            return of_kind(own.into_iter().map(|(_, address)| *address), kind);
        }
        let seen = &known.memberships;
        if kind == kind::PTR
            && let Some(address) = reversed(name)
        {
            return self.name_of(seen, address).map_or(Found::Elsewhere, Found::Name);
        }
        let whole = seen.iter().map(|network| (network, name));
        // `container.network` asks that network alone.
        let qualified = seen.iter().filter_map(|network| {
            let rest = name.strip_suffix(network.network_name.as_str())?;
            Some((network, rest.strip_suffix('.')?))
        });
        for (network, name) in whole.chain(qualified) {
            let link = network.links.iter().find(|(alias, _)| alias == name);
            let addresses = self.addresses(&network.network, link.map_or(name, |(_, meant)| meant));
            if addresses.is_empty() {
                continue;
            }
            return of_kind(addresses.into_iter(), kind);
        }
        Found::Elsewhere
    }

    fn members(&self, network: &str) -> impl Iterator<Item = &Membership> {
        let all = self.containers.values().flat_map(|known| &known.memberships);
        all.filter(move |membership| membership.network == network)
    }

    /// All addresses that answer to the name in the network.
    fn addresses(&self, network: &str, name: &str) -> Vec<IpAddr> {
        let named = self
            .members(network)
            .filter(|membership| membership.names.iter().any(|own| own == name));
        named.flat_map(|membership| membership.addresses.clone()).collect()
    }

    /// `name.network` of the address, as Docker answers.
    fn name_of(&self, seen: &[Membership], address: IpAddr) -> Option<String> {
        seen.iter().find_map(|network| {
            let member = self
                .members(&network.network)
                .find(|membership| membership.addresses.contains(&address))?;
            Some(format!("{}.{}", member.names.first()?, network.network_name))
        })
    }
}

/// Those of a name's addresses that were asked for.
fn of_kind(addresses: impl Iterator<Item = IpAddr>, kind: u16) -> Found {
    let wanted = |address: &IpAddr| match address {
        IpAddr::V4(_) => kind == kind::A,
        IpAddr::V6(_) => kind == kind::AAAA,
    };
    let addresses: Vec<_> = addresses.filter(wanted).collect();
    if addresses.is_empty() {
        Found::Nothing
    } else {
        Found::Addresses(addresses)
    }
}

/// The address that a name for reverse look-ups stands for (RFC 1035 3.5, RFC 3596 2.5).
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(name) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut parts = name.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = parts.next()?.parse().ok()?;
        }
        return parts.next().is_none().then(|| Ipv4Addr::from(octets).into());
    }
    let name = name.strip_suffix(".ip6.arpa")?;
    let mut bits = 0u128;
    let mut digits = name.rsplit('.');
    for _ in 0..32 {
        let digit = digits.next().filter(|digit| digit.len() == 1)?;
        bits = bits << 4 | u128::from(u8::from_str_radix(digit, 16).ok()?);
    }
    digits.next().is_none().then(|| Ipv6Addr::from(bits).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(container: &str, memberships: &[(&str, &[&str], &[&str])]) -> Join {
        let memberships = memberships.iter().map(|(network, names, addresses)| Membership {
            network: format!("id of {network}"),
            network_name: (*network).to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            links: Vec::new(),
        });
        Join {
            container: container.to_owned(),
            memberships: memberships.collect(),
            ..Join::default()
        }
    }

    fn table() -> Table {
        let mut table = Table::default();
        table.enter(&join("c1", &[("front", &["web", "www", "c1"], &["10.0.1.2"])]));
        table.enter(&join(
            "c2",
            &[
                ("Back.End", &["Db", "c2"], &["10.0.2.2", "fd00:2::2"]),
                ("front", &["db-front", "c2"], &["10.0.1.3"]),
            ],
        ));
        table.enter(&join("c3", &[("front", &["web3", "www", "c3"], &["10.0.1.4"])]));
        table
    }

    fn addresses(found: &Found) -> Vec<String> {
        match found {
            Found::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn row_159_containers_of_a_network_find_each_other_by_name_alias_and_short_id() {
        let table = table();
        for name in ["db-front", "c2", "db-front.front"] {
            assert_eq!(addresses(&table.find("c1", name, kind::A)), ["10.0.1.3"], "{name}");
        }
        assert_eq!(
            addresses(&table.find("c2", "www", kind::A)),
            ["10.0.1.2", "10.0.1.4"],
            "both that share an alias"
        );
        assert_eq!(table.find("c1", "db", kind::A), Found::Elsewhere, "another network's");
        assert_eq!(table.find("c1", "db.back.end", kind::A), Found::Elsewhere);
        assert_eq!(addresses(&table.find("c2", "db.back.end", kind::A)), ["10.0.2.2"]);
        assert_eq!(
            addresses(&table.find("c2", "c2", kind::A)),
            ["10.0.2.2"],
            "networks in their order"
        );
        assert_eq!(table.find("stranger", "web", kind::A), Found::Elsewhere);
    }

    #[test]
    fn row_159_a_name_of_ours_is_never_asked_for_elsewhere() {
        let table = table();
        assert_eq!(table.find("c1", "web", kind::AAAA), Found::Nothing);
        assert_eq!(addresses(&table.find("c2", "db", kind::AAAA)), ["fd00:2::2"]);
        for mail_or_service in [15, 33, 65] {
            assert_eq!(table.find("c1", "web", mail_or_service), Found::Nothing);
        }
    }

    #[test]
    fn row_159_addresses_have_names() {
        let table = table();
        let find = |container, name| table.find(container, name, kind::PTR);
        assert_eq!(
            find("c1", "3.1.0.10.in-addr.arpa"),
            Found::Name("db-front.front".to_owned())
        );
        assert_eq!(find("c1", "2.2.0.10.in-addr.arpa"), Found::Elsewhere);
        let bits = u128::from("fd00:2::2".parse::<Ipv6Addr>().unwrap());
        let mut nibbles = (0..32)
            .map(|n| format!("{:x}", bits >> (4 * n) & 15))
            .collect::<Vec<_>>();
        nibbles.push("ip6.arpa".to_owned());
        let six = nibbles.join(".");
        assert_eq!(find("c2", &six), Found::Name("db.back.end".to_owned()));
        assert_eq!(find("c2", &six[2..]), Found::Elsewhere, "not all nibbles");
        for bad in [
            "1.10.in-addr.arpa",
            "1.2.3.4.5.in-addr.arpa",
            "x.ip6.arpa",
            "in-addr.arpa",
            "300.1.1.1.in-addr.arpa",
        ] {
            assert_eq!(find("c2", bad), Found::Elsewhere, "{bad}");
        }
    }

    #[test]
    fn row_159_a_link_is_a_name_of_its_own_container_alone() {
        let mut table = table();
        let mut linked = join("c3", &[("front", &["web3"], &["10.0.1.4"])]);
        linked.memberships[0].links = vec![("Database".to_owned(), "DB-front".to_owned())];
        table.enter(&linked);
        assert_eq!(addresses(&table.find("c3", "database", kind::A)), ["10.0.1.3"]);
        assert_eq!(table.find("c1", "database", kind::A), Found::Elsewhere);
    }

    #[test]
    fn row_159_a_name_of_the_hosts_file_is_its_own_containers_alone_and_comes_first() {
        let mut table = table();
        let mut with_hosts = join("c3", &[("front", &["web3"], &["10.0.1.4"])]);
        let entry = |name: &str, address: &str| (name.to_owned(), address.parse().unwrap());
        with_hosts.hosts = vec![
            entry("Host.Docker.Internal", "172.17.0.1"),
            entry("Host.Docker.Internal", "fd00:17::1"),
            entry("db-front", "192.0.2.9"),
        ];
        table.enter(&with_hosts);
        let name = "host.docker.internal";
        assert_eq!(addresses(&table.find("c3", name, kind::A)), ["172.17.0.1"]);
        assert_eq!(addresses(&table.find("c3", name, kind::AAAA)), ["fd00:17::1"]);
        assert_eq!(addresses(&table.find("c3", "db-front", kind::A)), ["192.0.2.9"]);
        assert_eq!(table.find("c3", "db-front", kind::AAAA), Found::Nothing);
        assert_eq!(table.find("c1", name, kind::A), Found::Elsewhere);
    }

    #[test]
    fn who_leaves_is_found_no_more() {
        let mut table = table();
        table.leave("c2");
        assert_eq!(table.find("c1", "c2", kind::A), Found::Elsewhere);
        table.enter(&join("c1", &[]));
        assert_eq!(table.find("c3", "web", kind::A), Found::Elsewhere);
    }
}
