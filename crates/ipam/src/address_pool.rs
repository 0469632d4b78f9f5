//! The addresses of one subnet: which are taken, and by whom.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::numbers::{address, number, size};
use crate::subnet::{Ipam, is_edge};

/// Addresses of one subnet, counted from its first.
#[derive(Debug, Clone)]
pub(crate) struct AddressPool {
    subnet: IpNet,
    /// First and last that are given out unasked.
    range: (u128, u128),
    /// Of the range, all before this one are taken.
    first_free: u128,
    holders: BTreeMap<u128, String>,
}

/// Why an address was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is free.
    Exhausted,
    /// The wanted one is held by this container.
    Taken(String),
    /// The wanted one is not in the subnet, or is its network or broadcast address.
    Outside,
}

impl AddressPool {
    /// All free but the network's, the broadcast, the gateway's and the auxiliary addresses.
    pub(crate) fn new(ipam: &Ipam) -> Self {
        let subnet = ipam.subnet.trunc();
        let mut pool = Self {
            subnet,
            range: (0, size(subnet)),
            first_free: 0,
            holders: BTreeMap::new(),
        };
        if let Some(part) = ipam.allocation.filter(|part| subnet.contains(part)) {
            let start = number(part.network()) - number(subnet.network());
            pool.range = (start, start + size(part.trunc()));
        }
        pool.first_free = pool.range.0;
        for edge in [0, size(subnet)] {
            if is_edge(address(subnet, edge), subnet) {
                pool.holders.insert(edge, "the network".to_owned());
            }
        }
        let gateway = ipam.gateway.map(|gateway| (gateway, "gateway"));
        let auxiliary = ipam.auxiliary.iter().map(|(name, address)| (*address, name.as_str()));
        for (reserved, holder) in gateway.into_iter().chain(auxiliary) {
            if let Some(slot) = pool.slot(reserved) {
                pool.holders.insert(slot, holder.to_owned());
            }
        }
        pool
    }

    /// The subnet.
    pub(crate) fn subnet(&self) -> IpNet {
        self.subnet
    }

    /// Gives the wanted address, or the lowest free one.
    pub(crate) fn take(&mut self, wanted: Option<IpAddr>, holder: &str) -> Result<IpAddr, Refusal> {
        let slot = match wanted {
            Some(address) => {
                let slot = self.slot(address).filter(|_| !is_edge(address, self.subnet));
                let slot = slot.ok_or(Refusal::Outside)?;
                if let Some(by) = self.holders.get(&slot) {
                    return Err(Refusal::Taken(by.clone()));
                }
                slot
            }
            None => self.lowest().ok_or(Refusal::Exhausted)?,
        };
        self.holders.insert(slot, holder.to_owned());
        Ok(address(self.subnet, slot))
    }

    /// Gives an address back. The gateway's stays.
    pub(crate) fn give_back(&mut self, address: IpAddr, holder: &str) {
        let Some(slot) = self.slot(address) else { return };
        if self.holders.get(&slot).is_some_and(|held| held == holder) {
            self.holders.remove(&slot);
            if slot >= self.range.0 {
                self.first_free = self.first_free.min(slot);
            }
        }
    }

    /// The lowest free slot of the range.
    fn lowest(&mut self) -> Option<u128> {
        let mut free = self.first_free;
        for (taken, _) in self.holders.range(free..) {
            if *taken != free {
                break;
            }
            free = free.checked_add(1)?;
        }
        self.first_free = free;
        (free <= self.range.1).then_some(free)
    }

    fn slot(&self, address: IpAddr) -> Option<u128> {
        self.subnet
            .contains(&address)
            .then(|| number(address) - number(self.subnet.network()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::Ipv4Addr;

    use ipnet::Ipv4Net;
    use proptest::prelude::*;

    use super::*;

    fn ipam(subnet: &str, gateway: &str) -> Ipam {
        Ipam {
            gateway: Some(gateway.parse().unwrap()),
            configured: true,
            ..Ipam::of(subnet.parse().unwrap())
        }
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn row_158_lowest_first_static_honoured_freed_on_release() {
        let mut pool = AddressPool::new(&ipam("172.17.0.0/24", "172.17.0.1"));
        assert_eq!(pool.take(None, "a"), Ok(at("172.17.0.2")));
        assert_eq!(pool.take(Some(at("172.17.0.9")), "b"), Ok(at("172.17.0.9")));
        assert_eq!(pool.take(Some(at("172.17.0.9")), "c"), Err(Refusal::Taken("b".into())));
        for outside in ["172.17.0.0", "172.17.0.255", "172.18.0.1", "fd00::1"] {
            assert_eq!(pool.take(Some(at(outside)), "c"), Err(Refusal::Outside));
        }
        pool.give_back(at("172.17.0.2"), "somebody else");
        assert_eq!(pool.take(None, "c"), Ok(at("172.17.0.3")));
        pool.give_back(at("172.17.0.2"), "a");
        assert_eq!(pool.take(None, "c"), Ok(at("172.17.0.2")));
        assert_eq!(pool.take(None, "d"), Ok(at("172.17.0.4")));
    }

    #[test]
    fn row_158_ipv6_addresses_are_counted_too() {
        let mut pool = AddressPool::new(&ipam("fd00:1::/64", "fd00:1::1"));
        assert_eq!(pool.take(None, "a"), Ok(at("fd00:1::2")));
        assert_eq!(
            pool.take(Some(at("fd00:1::ffff:0:0:1")), "b"),
            Ok(at("fd00:1::ffff:0:0:1"))
        );
        assert_eq!(pool.take(Some(at("fd00:1::")), "c"), Err(Refusal::Outside));
        assert_eq!(pool.take(Some(at("fd00:2::5")), "c"), Err(Refusal::Outside));
        // The last address of an IPv6 subnet is one like any other.
        assert!(pool.take(Some(at("fd00:1::ffff:ffff:ffff:ffff")), "c").is_ok());
        let mut small = AddressPool::new(&ipam("fd00:1::/126", "fd00:1::1"));
        let given: Vec<_> = (0..2).map(|_| small.take(None, "a").unwrap().to_string()).collect();
        assert_eq!(given, ["fd00:1::2", "fd00:1::3"]);
        assert_eq!(small.take(None, "a"), Err(Refusal::Exhausted));
        // Nothing is as large as everything.
        let mut all = AddressPool::new(&ipam("::/0", "::1"));
        assert_eq!(all.take(None, "a"), Ok(at("::2")));
    }

    #[test]
    fn auxiliary_addresses_are_never_given() {
        let mut reserved = ipam("10.0.0.0/24", "10.0.0.1");
        reserved.auxiliary.insert("router".to_owned(), at("10.0.0.2"));
        let mut pool = AddressPool::new(&reserved);
        assert_eq!(pool.take(None, "a"), Ok(at("10.0.0.3")));
        assert_eq!(
            pool.take(Some(at("10.0.0.2")), "a"),
            Err(Refusal::Taken("router".to_owned()))
        );
    }

    #[test]
    fn the_range_bounds_what_is_given_unasked() {
        let mut range = ipam("10.0.0.0/16", "10.0.0.1");
        range.allocation = Some("10.0.5.0/30".parse().unwrap());
        let mut pool = AddressPool::new(&range);
        let given: Vec<_> = (0..4).map(|_| pool.take(None, "a").unwrap().to_string()).collect();
        assert_eq!(given, ["10.0.5.0", "10.0.5.1", "10.0.5.2", "10.0.5.3"]);
        assert_eq!(pool.take(None, "a"), Err(Refusal::Exhausted));
        assert!(pool.take(Some(at("10.0.9.9")), "a").is_ok());
    }

    proptest! {
        #[test]
        fn no_address_is_held_twice(prefix in 24u8..=32, steps in prop::collection::vec((any::<bool>(), 0u32..300), 0..300)) {
            let base = u32::from(Ipv4Addr::new(10, 1, 2, 0));
            let subnet = Ipv4Net::new(base.into(), prefix).unwrap();
            let gateway = IpAddr::from(Ipv4Addr::from(base + 1));
            let network = Ipam { gateway: Some(gateway), configured: true, ..Ipam::of(subnet.into()) };
            let mut pool = AddressPool::new(&network);
            let mut held = HashMap::new();
            for (index, (take, number)) in steps.into_iter().enumerate() {
                let holder = index.to_string();
                if take {
                    let wanted = (number > 256).then(|| IpAddr::from(Ipv4Addr::from(base + number % 256)));
                    // What is given unasked is the lowest that is free.
                    let lowest = subnet.hosts().map(IpAddr::from).find(|host| *host != gateway && !held.contains_key(host));
                    let given = pool.take(wanted, &holder);
                    if wanted.is_none() {
                        prop_assert_eq!(given.as_ref().ok(), lowest.as_ref());
                    }
                    if let Ok(address) = given {
                        prop_assert!(network.subnet.contains(&address));
                        prop_assert_ne!(address, gateway);
                        prop_assert!(held.insert(address, holder).is_none());
                    }
                } else if let Some(address) = held.keys().nth(number as usize % held.len().max(1)).copied() {
                    pool.give_back(address, &held.remove(&address).unwrap());
                }
            }
        }
    }
}
