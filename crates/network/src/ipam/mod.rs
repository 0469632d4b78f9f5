//! Address management: subnets for networks, addresses for endpoints. In memory only: what is held follows from the
//! records of networks and sandboxes, so nothing can leak over a restart.

mod bitmap;
mod pool;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::Ipv4Net;

use crate::Error;
use crate::config::Pool;
use crate::network::Network;
use pool::{AddressPool, Refusal};

/// Addresses of all networks.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    pools: Mutex<HashMap<String, AddressPool>>,
}

impl Addresses {
    /// Begins to manage a network's subnet; its held addresses are forgotten.
    pub(crate) fn open(&self, network: &Network) {
        if let Some(ipam) = &network.ipam {
            self.lock().insert(network.id.clone(), AddressPool::new(ipam));
        }
    }

    /// Ends that.
    pub(crate) fn close(&self, network: &Network) {
        self.lock().remove(&network.id);
    }

    /// The wanted address or any, for a container.
    pub(crate) fn take(&self, network: &Network, wanted: Option<Ipv4Addr>, holder: &str) -> Result<Ipv4Addr, Error> {
        let subnet = network
            .ipam
            .as_ref()
            .map(|ipam| ipam.subnet.to_string())
            .unwrap_or_default();
        let exhausted = || Error::AddressesExhausted {
            network: network.name.clone(),
            subnet: subnet.clone(),
        };
        let mut pools = self.lock();
        let pool = pools.get_mut(&network.id).ok_or_else(exhausted)?;
        pool.take(wanted, holder).map_err(|refusal| match (refusal, wanted) {
            (Refusal::Taken(by), Some(address)) => Error::AddressTaken(address.into(), by),
            (Refusal::Outside, Some(address)) => Error::Invalid(format!(
                "invalid address {address}: It does not belong to any of this network's subnets ({subnet})"
            )),
            _ => exhausted(),
        })
    }

    /// Gives a container's address back.
    pub(crate) fn give_back(&self, network: &str, address: Ipv4Addr, holder: &str) {
        if let Some(pool) = self.lock().get_mut(network) {
            pool.give_back(address, holder);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, AddressPool>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subnet that is in use, and what uses it (for error texts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occupied {
    /// The subnet.
    pub(crate) subnet: Ipv4Net,
    /// `network NAME` or `host route by INTERFACE`.
    pub(crate) by: String,
}

/// The first piece of the pools that overlaps nothing.
pub(crate) fn choose_subnet(pools: &[Pool], occupied: &[Occupied]) -> Result<Ipv4Net, Error> {
    for pool in pools {
        let Ok(pieces) = pool.base.trunc().subnets(pool.size) else {
            continue;
        };
        if let Some(free) = pieces.into_iter().find(|piece| overlapping(*piece, occupied).is_none()) {
            return Ok(free);
        }
    }
    let mut reasons: Vec<_> = occupied
        .iter()
        .filter(|occupied| pools.iter().any(|pool| overlap(pool.base, occupied.subnet)))
        .take(5)
        .map(|occupied| format!("{} is used by {}", occupied.subnet, occupied.by))
        .collect();
    if reasons.is_empty() {
        reasons.push("no pools are configured".to_owned());
    }
    Err(Error::PoolsExhausted(reasons.join(", ")))
}

/// What a subnet collides with.
pub(crate) fn overlapping(subnet: Ipv4Net, occupied: &[Occupied]) -> Option<&Occupied> {
    occupied.iter().find(|other| overlap(subnet, other.subnet))
}

/// Whether two subnets have an address in common.
pub(crate) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

#[cfg(test)]
mod tests {
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
        assert_eq!(choose_subnet(&pools, &[]).unwrap().to_string(), "172.17.0.0/24");
        let taken = [
            occupied("172.17.0.0/24", "network bridge"),
            occupied("172.17.0.0/22", "host route by tun0"),
        ];
        assert_eq!(choose_subnet(&pools, &taken).unwrap().to_string(), "172.17.4.0/24");
        let vpn = [occupied("172.16.0.0/12", "host route by tun0")];
        let error = choose_subnet(&pools, &vpn).unwrap_err().to_string();
        assert!(error.contains("172.16.0.0/12 is used by host route by tun0"), "{error}");
    }

    #[test]
    fn the_default_pools_give_thousands_of_networks() {
        let pools = crate::Config::default_pools();
        let mut taken = Vec::new();
        for _ in 0..600 {
            taken.push(Occupied {
                subnet: choose_subnet(&pools, &taken).unwrap(),
                by: String::new(),
            });
        }
        for (index, one) in taken.iter().enumerate() {
            assert!(overlapping(one.subnet, &taken[index + 1..]).is_none());
        }
    }
}
