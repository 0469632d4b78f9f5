//! The addresses of all networks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::address_pool::{AddressPool, Refusal};
use crate::subnet::Ipam;

/// Addresses of all networks, by the networks' ids.
#[derive(Debug, Default)]
pub struct Addresses {
    pools: Mutex<HashMap<String, Vec<AddressPool>>>,
}

impl Addresses {
    /// Begins to manage a network's subnets; its held addresses are forgotten.
    pub fn open<'a>(&self, network: &str, subnets: impl Iterator<Item = &'a Ipam>) {
        let pools: Vec<_> = subnets.map(AddressPool::new).collect();
        if !pools.is_empty() {
            self.lock().insert(network.to_owned(), pools);
        }
    }

    /// Ends that.
    pub fn close(&self, network: &str) {
        self.lock().remove(network);
    }

    /// The wanted address or the lowest free one of one of the network's subnets, for a container.
    ///
    /// # Errors
    /// Why it cannot be had. A subnet that is not managed has no free address.
    pub fn take(&self, network: &str, subnet: IpNet, wanted: Option<IpAddr>, holder: &str) -> Result<IpAddr, Refusal> {
        let mut pools = self.lock();
        let mut pools = pools.get_mut(network).into_iter().flatten();
        let pool = pools.find(|pool| pool.subnet() == subnet.trunc());
        pool.ok_or(Refusal::Exhausted)?.take(wanted, holder)
    }

    /// Gives a container's address back.
    pub fn give_back(&self, network: &str, address: IpAddr, holder: &str) {
        for pool in self.lock().get_mut(network).into_iter().flatten() {
            pool.give_back(address, holder);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<AddressPool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
