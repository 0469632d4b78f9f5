//! Address pools from the flags of `network create`: ranges, gateways and reserved addresses go to the subnet that has
//! them. Source of the rules and texts: docker/cli `network/create.go`.

use crate::error::Error;
use std::net::IpAddr;
use tierce_api_types::network::IpamPool;

/// What the flags say.
pub(super) struct Wanted {
    /// `--subnet`
    pub(super) subnets: Vec<String>,
    /// `--ip-range`
    pub(super) ranges: Vec<String>,
    /// `--gateway`
    pub(super) gateways: Vec<String>,
    /// `--aux-address`: a name and an address.
    pub(super) auxiliary: Vec<(String, String)>,
}

/// An address and how many of its bits are those of a network.
#[derive(Clone, Copy)]
struct Prefix {
    address: IpAddr,
    length: u8,
}

/// The pools of a network, one for each subnet.
pub(super) fn pools(wanted: &Wanted) -> Result<Vec<IpamPool>, Error> {
    if wanted.subnets.len() < wanted.ranges.len() || wanted.subnets.len() < wanted.gateways.len() {
        return Err(Error::failed(
            "every ip-range or gateway must have a corresponding subnet",
        ));
    }
    let mut pools: Vec<(Prefix, IpamPool)> = Vec::new();
    for subnet in &wanted.subnets {
        let prefix = prefix(subnet)?;
        if pools
            .iter()
            .any(|(other, _)| other.holds(prefix) || prefix.holds(*other))
        {
            return Err(Error::failed(
                "multiple overlapping subnet configuration is not supported",
            ));
        }
        let pool = IpamPool {
            subnet: subnet.clone(),
            ..IpamPool::default()
        };
        pools.push((prefix, pool));
    }
    for range in &wanted.ranges {
        let pool = pool_of(
            &mut pools,
            prefix(range)?,
            &format!("no matching subnet for range {range}"),
        )?;
        if !pool.ip_range.is_empty() {
            return Err(Error::failed(format!(
                "cannot configure multiple ranges ({range}, {}) on the same subnet ({})",
                pool.ip_range, pool.subnet
            )));
        }
        pool.ip_range.clone_from(range);
    }
    for gateway in &wanted.gateways {
        let missing = format!("no matching subnet for gateway {gateway}");
        let pool = pool_of(&mut pools, prefix(gateway)?, &missing)?;
        if !pool.gateway.is_empty() {
            return Err(Error::failed(format!(
                "cannot configure multiple gateways ({gateway}, {}) for the same subnet ({})",
                pool.gateway, pool.subnet
            )));
        }
        pool.gateway.clone_from(gateway);
    }
    for (name, address) in &wanted.auxiliary {
        let missing = format!("no matching subnet for aux-address {address}");
        let pool = pool_of(&mut pools, prefix(address)?, &missing)?;
        pool.auxiliary_addresses.insert(name.clone(), address.clone());
    }
    Ok(pools.into_iter().map(|(_, pool)| pool).collect())
}

/// The pool that has an address.
fn pool_of<'p>(pools: &'p mut [(Prefix, IpamPool)], part: Prefix, missing: &str) -> Result<&'p mut IpamPool, Error> {
    let found = pools.iter_mut().find(|(subnet, _)| subnet.holds(part));
    found.map(|(_, pool)| pool).ok_or_else(|| Error::failed(missing))
}

/// `10.1.0.0/16`, or an address alone.
fn prefix(text: &str) -> Result<Prefix, Error> {
    let invalid = || Error::failed(format!("invalid CIDR address: {text}"));
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().map_err(|_| invalid())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        "" if !text.contains('/') => longest,
        length => length.parse().map_err(|_| invalid())?,
    };
    if length > longest {
        return Err(invalid());
    }
    Ok(Prefix { address, length })
}

impl Prefix {
    /// Whether the other one begins in this network.
    fn holds(self, other: Self) -> bool {
        let (one, two, bits) = match (self.address, other.address) {
            (IpAddr::V4(one), IpAddr::V4(two)) => (u128::from(u32::from(one)), u128::from(u32::from(two)), 32),
            (IpAddr::V6(one), IpAddr::V6(two)) => (u128::from(one), u128::from(two), 128),
            _ => return false,
        };
        (one ^ two).checked_shr(bits - u32::from(self.length)).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(subnets: &[&str], ranges: &[&str], gateways: &[&str]) -> Wanted {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Wanted {
            subnets: owned(subnets),
            ranges: owned(ranges),
            gateways: owned(gateways),
            auxiliary: vec![("host".to_owned(), "10.1.0.9".to_owned())],
        }
    }

    #[test]
    fn addresses_go_to_their_subnet() {
        let both = wanted(
            &["10.1.0.0/16", "fd00::/64"],
            &["10.1.2.0/24"],
            &["fd00::1", "10.1.0.1"],
        );
        let pools = pools(&both).unwrap();
        assert_eq!(
            (pools[0].ip_range.as_str(), pools[0].gateway.as_str()),
            ("10.1.2.0/24", "10.1.0.1")
        );
        assert_eq!(pools[0].auxiliary_addresses["host"], "10.1.0.9");
        assert_eq!(pools[1].gateway, "fd00::1");
    }

    #[test]
    fn contradictions_have_dockers_texts() {
        for (wanted, text) in [
            (
                wanted(&[], &["10.0.0.0/8"], &[]),
                "every ip-range or gateway must have a corresponding subnet",
            ),
            (
                wanted(&["10.1.0.0/16", "10.1.2.0/24"], &[], &[]),
                "multiple overlapping subnet configuration is not supported",
            ),
            (
                wanted(&["10.1.0.0/16"], &["10.2.0.0/24"], &[]),
                "no matching subnet for range 10.2.0.0/24",
            ),
            (
                wanted(&["10.1.0.0/16"], &[], &["10.2.0.1"]),
                "no matching subnet for gateway 10.2.0.1",
            ),
            (
                wanted(&["10.2.0.0/16"], &[], &[]),
                "no matching subnet for aux-address 10.1.0.9",
            ),
            (wanted(&["10.1.0.0/33"], &[], &[]), "invalid CIDR address: 10.1.0.0/33"),
        ] {
            assert_eq!(pools(&wanted).unwrap_err().to_string(), text);
        }
    }
}
