//! Pools, and the subnets that networks get from them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::numbers::{address, number, size};
use crate::subnet::overlap;

/// A range that is cut into subnets of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The whole range.
    pub base: IpNet,
    /// Prefix length of each piece.
    pub size: u8,
}

impl Pool {
    /// Docker's familiar ranges cut into /24: 172.17.0.0/16 … 172.31.0.0/16, that is 3,840 networks.
    pub fn defaults() -> Vec<Self> {
        (17..=31)
            .filter_map(|second| Ipv4Net::new(Ipv4Addr::new(172, second, 0, 0), 16).ok())
            .map(|base| Self {
                base: base.into(),
                size: 24,
            })
            .collect()
    }

    /// IPv6 subnets that no other host has (RFC 4193), made of the daemon's id as dockerd makes them: 65,536 of /64.
    pub fn unique_local(id: &str) -> Self {
        const GLOBAL_ID: u64 = (1 << 40) - 1;
        let digest = tierce_oci::Digest::sha256_of(id.as_bytes());
        let first = digest.hex().get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let global = u128::from(first.unwrap_or_default() & GLOBAL_ID);
        let base = Ipv6Addr::from((0xfd << 120) | (global << 80));
        Self {
            base: Ipv6Net::new(base, 48).unwrap_or_default().into(),
            size: 64,
        }
    }
}

/// All pools are used up or shadowed by the host's routes; what uses them.
#[derive(Debug, thiserror::Error)]
#[error(
    "all predefined address pools have been fully subnetted: {0}; add a pool (default-address-pools) or remove unused networks"
)]
pub struct PoolsExhausted(String);

/// A subnet that is in use, and what uses it (for error texts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupied {
    /// The subnet.
    pub subnet: IpNet,
    /// `network NAME` or `host route by INTERFACE`.
    pub by: String,
}

/// What a subnet collides with.
pub fn overlapping(subnet: IpNet, occupied: &[Occupied]) -> Option<&Occupied> {
    occupied.iter().find(|other| overlap(subnet, other.subnet))
}

/// The first piece of the pools that overlaps nothing. `ipv6`: which of the pools count.
pub fn choose_subnet(pools: &[Pool], ipv6: bool, occupied: &[Occupied]) -> Result<IpNet, PoolsExhausted> {
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
    Err(PoolsExhausted(reasons.join(", ")))
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

#[cfg(test)]
mod tests {
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
        let pools = Pool::defaults();
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
        let pools = Pool::defaults();
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
        let pool = Pool::unique_local("2fc7308e-3c71-4293-b625-b99dffde30e4");
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
