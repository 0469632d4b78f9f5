//! The addresses of one subnet: which are taken, and by whom.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::bitmap::Bitmap;
use crate::network::Ipam;

/// Addresses of one network.
#[derive(Debug, Clone)]
pub(crate) struct AddressPool {
    subnet: Ipv4Net,
    /// First and one past the last slot that is given out unasked.
    range: (u64, u64),
    taken: Bitmap,
    holders: HashMap<Ipv4Addr, String>,
}

/// Why an address was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing is free.
    Exhausted,
    /// The wanted one is held by this container.
    Taken(String),
    /// The wanted one is not in the subnet, or is its network or broadcast address.
    Outside,
}

impl AddressPool {
    /// All free but the network's, the broadcast and the gateway address.
    pub(crate) fn new(ipam: &Ipam) -> Self {
        let subnet = ipam.subnet.trunc();
        let size = 1u64 << (32 - subnet.prefix_len());
        let mut pool = Self {
            subnet,
            range: (0, size),
            taken: Bitmap::new(size),
            holders: HashMap::new(),
        };
        if subnet.prefix_len() < 31 {
            pool.taken.take(0);
            pool.taken.take(size - 1);
        }
        if let Some(gateway) = pool.slot(ipam.gateway) {
            pool.taken.take(gateway);
            pool.holders.insert(ipam.gateway, "gateway".to_owned());
        }
        if let Some(part) = ipam.allocation.filter(|part| subnet.contains(part)) {
            let start = u64::from(u32::from(part.network()) - u32::from(subnet.network()));
            pool.range = (start, start + (1u64 << (32 - part.prefix_len())));
        }
        pool
    }

    /// Gives the wanted address, or the lowest free one.
    pub(crate) fn take(&mut self, wanted: Option<Ipv4Addr>, holder: &str) -> Result<Ipv4Addr, Refusal> {
        let slot = match wanted {
            Some(address) => {
                let slot = self
                    .slot(address)
                    .filter(|slot| !self.is_edge(*slot))
                    .ok_or(Refusal::Outside)?;
                if !self.taken.take(slot) {
                    return Err(Refusal::Taken(self.holders.get(&address).cloned().unwrap_or_default()));
                }
                slot
            }
            None => self
                .taken
                .take_first(self.range.0, self.range.1)
                .ok_or(Refusal::Exhausted)?,
        };
        let address = Ipv4Addr::from(u32::from(self.subnet.network()) + slot as u32);
        self.holders.insert(address, holder.to_owned());
        Ok(address)
    }

    /// Gives an address back. The gateway's stays.
    pub(crate) fn give_back(&mut self, address: Ipv4Addr, holder: &str) {
        if self.holders.get(&address).is_some_and(|held| held == holder) {
            self.holders.remove(&address);
            if let Some(slot) = self.slot(address) {
                self.taken.give_back(slot);
            }
        }
    }

    fn slot(&self, address: Ipv4Addr) -> Option<u64> {
        self.subnet
            .contains(&address)
            .then(|| u64::from(u32::from(address) - u32::from(self.subnet.network())))
    }

    fn is_edge(&self, slot: u64) -> bool {
        let last = (1u64 << (32 - self.subnet.prefix_len())) - 1;
        self.subnet.prefix_len() < 31 && (slot == 0 || slot == last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn ipam(subnet: &str, gateway: &str) -> Ipam {
        Ipam {
            subnet: subnet.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
            allocation: None,
            configured: true,
        }
    }

    #[test]
    fn row_158_lowest_first_static_honoured_freed_on_release() {
        let mut pool = AddressPool::new(&ipam("172.17.0.0/24", "172.17.0.1"));
        assert_eq!(pool.take(None, "a"), Ok("172.17.0.2".parse().unwrap()));
        assert_eq!(
            pool.take(Some("172.17.0.9".parse().unwrap()), "b"),
            Ok("172.17.0.9".parse().unwrap())
        );
        assert_eq!(
            pool.take(Some("172.17.0.9".parse().unwrap()), "c"),
            Err(Refusal::Taken("b".into()))
        );
        for outside in ["172.17.0.0", "172.17.0.255", "172.18.0.1"] {
            assert_eq!(pool.take(Some(outside.parse().unwrap()), "c"), Err(Refusal::Outside));
        }
        pool.give_back("172.17.0.2".parse().unwrap(), "somebody else");
        assert_eq!(pool.take(None, "c"), Ok("172.17.0.3".parse().unwrap()));
        pool.give_back("172.17.0.2".parse().unwrap(), "a");
        assert_eq!(pool.take(None, "c"), Ok("172.17.0.2".parse().unwrap()));
    }

    #[test]
    fn the_range_bounds_what_is_given_unasked() {
        let mut range = ipam("10.0.0.0/16", "10.0.0.1");
        range.allocation = Some("10.0.5.0/30".parse().unwrap());
        let mut pool = AddressPool::new(&range);
        let given: Vec<_> = (0..4).map(|_| pool.take(None, "a").unwrap().to_string()).collect();
        assert_eq!(given, ["10.0.5.0", "10.0.5.1", "10.0.5.2", "10.0.5.3"]);
        assert_eq!(pool.take(None, "a"), Err(Refusal::Exhausted));
        assert!(pool.take(Some("10.0.9.9".parse().unwrap()), "a").is_ok());
    }

    proptest! {
        #[test]
        fn no_address_is_held_twice(prefix in 24u8..=32, steps in prop::collection::vec((any::<bool>(), 0u32..300), 0..300)) {
            let base = u32::from(Ipv4Addr::new(10, 1, 2, 0));
            let network = Ipam {
                subnet: Ipv4Net::new(base.into(), prefix).unwrap(),
                gateway: Ipv4Addr::from(base + 1),
                allocation: None,
                configured: true,
            };
            let mut pool = AddressPool::new(&network);
            let mut held = HashMap::new();
            for (index, (take, number)) in steps.into_iter().enumerate() {
                let holder = index.to_string();
                if take {
                    let wanted = (number > 256).then(|| Ipv4Addr::from(base + number % 256));
                    if let Ok(address) = pool.take(wanted, &holder) {
                        prop_assert!(network.subnet.contains(&address));
                        prop_assert_ne!(address, network.gateway);
                        prop_assert!(held.insert(address, holder).is_none());
                    }
                } else if let Some(address) = held.keys().nth(number as usize % held.len().max(1)).copied() {
                    pool.give_back(address, &held.remove(&address).unwrap());
                }
            }
        }
    }
}
