//! Address management: subnets for networks, addresses for endpoints. In memory only: what is held follows from the
//! records of networks and sandboxes, so nothing can leak over a restart.

mod numbers;
mod pool;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::Error;
use crate::config::Pool;
use crate::network::{Ipam, Network};
use numbers::{address, number, size};
use pool::{AddressPool, Refusal};

/// Addresses of all networks.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pools: Mutex<HashMap<String, Vec<AddressPool>>>,
}

impl Addresses {
    /// Begins to manage a network's subnets; its held addresses are forgotten.
    pub(crate) fn open(&self, network: &Network) {
        let pools: Vec<_> = network.subnets().map(AddressPool::new).collect();
        if !pools.is_empty() {
            self.lock().insert(network.id.clone(), pools);
        }
    }

    /// Ends that.
    pub(crate) fn close(&self, network: &Network) {
        self.lock().remove(&network.id);
    }

    /// The wanted address or any of one of the network's subnets, for a container.
    pub(crate) fn take(
        &self,
        network: &Network,
        ipam: &Ipam,
        wanted: Option<IpAddr>,
        holder: &str,
    ) -> Result<IpAddr, Error> {
        let subnet = ipam.subnet;
        let exhausted = || Error::AddressesExhausted {
            family: if subnet.addr().is_ipv4() { "IPv4" } else { "IPv6" },
            network: network.name.clone(),
            subnet: subnet.to_string(),
        };
        let mut pools = self.lock();
        let pools = pools.get_mut(&network.id).into_iter().flatten();
        let mut pools = pools.filter(|pool| pool.subnet() == subnet.trunc());
        let pool = pools.next().ok_or_else(exhausted)?;
        pool.take(wanted, holder).map_err(|refusal| match (refusal, wanted) {
            (Refusal::Taken(by), Some(address)) => Error::AddressTaken(address, by),
            (Refusal::Outside, Some(address)) if subnet.contains(&address) => {
                Error::AddressTaken(address, "the subnet itself".to_owned())
            }
            (Refusal::Outside, Some(address)) => Error::Invalid(format!(
                "invalid address {address}: It does not belong to any of this network's subnets ({subnet})"
            )),
            _ => exhausted(),
        })
    }

    /// Gives a container's address back.
    pub(crate) fn give_back(&self, network: &str, address: IpAddr, holder: &str) {
        for pool in self.lock().get_mut(network).into_iter().flatten() {
            pool.give_back(address, holder);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<AddressPool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subnet that is in use, and what uses it (for error texts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occupied {
    /// The subnet.
    pub(crate) subnet: IpNet,
    /// `network NAME` or `host route by INTERFACE`.
    pub(crate) by: String,
}

/// The first piece of the pools that overlaps nothing. `ipv6`: which of the pools count.
pub(crate) fn choose_subnet(pools: &[Pool], ipv6: bool, occupied: &[Occupied]) -> Result<IpNet, Error> {
    let pools = || pools.iter().filter(|pool| pool.base.addr().is_ipv6() == ipv6);
    let obstacles = Obstacles::of(occupied, ipv6);
    if let Some(free) = pools().find_map(|pool| free_piece(pool, &obstacles)) {
        return Ok(free);
    }
    let mut reasons: Vec<_> = occupied
        .iter()
        .filter(|occupied| pools().any(|pool| overlap(pool.base, occupied.subnet)))
        .take(5)
        .map(|occupied| format!("{} is used by {}", occupied.subnet, occupied.by))
        .collect();
    if reasons.is_empty() {
        reasons.push(if ipv6 {
            "no IPv6 pools are configured".to_owned()
        } else {
            "no pools are configured".to_owned()
        });
    }
    Err(Error::PoolsExhausted(reasons.join(", ")))
}

/// What is in use, in order, to be asked many times: with hundreds of networks each asks about all others.
struct Obstacles {
    /// First addresses.
    starts: Vec<u128>,
    /// The last address of all that start there or before.
    ends: Vec<u128>,
}

impl Obstacles {
    fn of(occupied: &[Occupied], ipv6: bool) -> Self {
        let of_family = occupied
            .iter()
            .map(|occupied| occupied.subnet)
            .filter(|subnet| subnet.addr().is_ipv6() == ipv6);
        let mut ranges: Vec<_> = of_family
            .map(|subnet| (number(subnet.network()), number(subnet.broadcast())))
            .collect();
        ranges.sort_unstable();
        let mut end = 0;
        let ends = ranges.iter().map(|(_, last)| {
            end = (*last).max(end);
            end
        });
        Self {
            ends: ends.collect(),
            starts: ranges.iter().map(|(first, _)| *first).collect(),
        }
    }

    /// Where what is in the way of a piece ends, if something is.
    fn end(&self, piece: IpNet) -> Option<u128> {
        let before = self.starts.partition_point(|start| *start <= number(piece.broadcast()));
        let end = *self.ends.get(before.checked_sub(1)?)?;
        (end >= number(piece.network())).then_some(end)
    }
}

/// Goes from one obstacle to behind it: an IPv6 pool has more pieces than anybody can try.
fn free_piece(pool: &Pool, obstacles: &Obstacles) -> Option<IpNet> {
    let base = pool.base.trunc();
    if pool.size < base.prefix_len() {
        return None;
    }
    let mut offset = 0;
    while offset <= size(base) {
        let piece = subnet_at(address(base, offset), pool.size)?;
        let Some(end) = obstacles.end(piece) else {
            return Some(piece);
        };
        let behind = end.max(number(piece.broadcast()));
        // Back to the beginning of a piece; the obstacle may be smaller than one.
        offset = (behind - number(base.network())).checked_add(1)?;
        offset = offset.checked_next_multiple_of(size(piece).checked_add(1)?)?;
    }
    None
}

fn subnet_at(address: IpAddr, length: u8) -> Option<IpNet> {
    match address {
        IpAddr::V4(address) => Ipv4Net::new(address, length).ok().map(IpNet::from),
        IpAddr::V6(address) => Ipv6Net::new(address, length).ok().map(IpNet::from),
    }
}

/// The first usable address of a subnet.
pub(crate) fn first_host(subnet: IpNet) -> IpAddr {
    address(subnet, u128::from(is_edge(subnet.network(), subnet)))
}

/// Network and broadcast address of IPv4, the routers' anycast address of IPv6; very small subnets have none.
pub(crate) fn is_edge(address: IpAddr, subnet: IpNet) -> bool {
    match subnet {
        IpNet::V4(small) => small.prefix_len() < 31 && [subnet.network(), subnet.broadcast()].contains(&address),
        IpNet::V6(small) => small.prefix_len() < 128 && address == subnet.network(),
    }
}

/// What a subnet collides with.
pub(crate) fn overlapping(subnet: IpNet, occupied: &[Occupied]) -> Option<&Occupied> {
    occupied.iter().find(|other| overlap(subnet, other.subnet))
}

/// Whether two subnets have an address in common.
pub(crate) fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn occupied(subnet: &str, by: &str) -> Occupied {
        Occupied {
            subnet: subnet.parse().unwrap(),
            by: by.into(),
        }
    }

    #[test]
    fn subnets_avoid_networks_and_host_routes() {
        let pools = crate::Config::default_pools();
        assert_eq!(choose_subnet(&pools, false, &[]).unwrap().to_string(), "172.17.0.0/24");
        let taken = [
            occupied("172.17.0.0/24", "network bridge"),
            occupied("172.17.0.0/22", "host route by tun0"),
        ];
        assert_eq!(
            choose_subnet(&pools, false, &taken).unwrap().to_string(),
            "172.17.4.0/24"
        );
        let vpn = [occupied("172.16.0.0/12", "host route by tun0")];
        let error = choose_subnet(&pools, false, &vpn).unwrap_err().to_string();
        assert!(error.contains("172.16.0.0/12 is used by host route by tun0"), "{error}");
    }

    #[test]
    fn the_default_pools_give_thousands_of_networks() {
        let pools = crate::Config::default_pools();
        let mut taken = Vec::new();
        for _ in 0..1500 {
            taken.push(Occupied {
                subnet: choose_subnet(&pools, false, &taken).unwrap(),
                by: String::new(),
            });
        }
        for (index, one) in taken.iter().enumerate() {
            assert!(overlapping(one.subnet, &taken[index + 1..]).is_none());
        }
    }

    proptest! {
        #[test]
        fn the_first_free_piece_is_found(taken in prop::collection::vec((any::<u16>(), 17u8..=32), 0..60), size in 17u8..=30) {
            let base: IpNet = "10.5.0.0/16".parse().unwrap();
            let subnet = |(low, length): (u16, u8)| IpNet::new(Ipv4Addr::from(0x0a05_0000 | u32::from(low)).into(), length);
            let taken: Vec<_> = taken
                .into_iter()
                .map(|one| Occupied { subnet: subnet(one).unwrap().trunc(), by: String::new() })
                .collect();
            let naive = base.subnets(size).unwrap().find(|piece| overlapping(*piece, &taken).is_none());
            prop_assert_eq!(choose_subnet(&[Pool { base, size }], false, &taken).ok(), naive);
        }
    }

    #[test]
    fn ipv6_subnets_come_from_a_range_that_the_host_alone_has() {
        let pool = crate::Config::unique_local_pool("2fc7308e-3c71-4293-b625-b99dffde30e4");
        // What Docker Engine 28.5 makes of the same id.
        assert_eq!((pool.base.to_string().as_str(), pool.size), ("fd70:2d65:d6f3::/48", 64));
        let choose = |taken: &[Occupied]| choose_subnet(&[pool], true, taken).map(|subnet| subnet.to_string());
        assert_eq!(choose(&[]).unwrap(), "fd70:2d65:d6f3::/64");
        let taken = [
            occupied("fd70:2d65:d6f3::/64", "network a"),
            occupied("fd70:2d65:d6f3:1:2::/80", "network b"),
        ];
        assert_eq!(choose(&taken).unwrap(), "fd70:2d65:d6f3:2::/64");
        let error = choose(&[occupied("fd00::/8", "host route by tun0")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("fd00::/8 is used by host route by tun0"), "{error}");
        let error = choose_subnet(&[], true, &[]).unwrap_err().to_string();
        assert!(error.contains("no IPv6 pools are configured"), "{error}");
        // 2^64 pieces, of which the first half is taken.
        let wide = Pool {
            base: "2001:db8::/32".parse().unwrap(),
            size: 96,
        };
        let half = occupied("2001:db8::/33", "network c");
        assert_eq!(
            choose_subnet(&[wide], true, &[half]).unwrap().to_string(),
            "2001:db8:8000::/96"
        );
    }
}
