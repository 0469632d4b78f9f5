//! Which addresses a new network has: as asked, or from the pools.

use std::net::IpAddr;

use ipnet::IpNet;
use tierce_ipam::{Ipam, Occupied, Pool, choose_subnet, first_host, is_edge, overlapping};

use crate::drivers::bridge::GatewayMode;
use crate::network::{Configuration, NetworkKind};
use crate::request::SubnetSpec;
use crate::{Error, NetworkSpec};

/// Below it the kernel switches IPv6 off.
const IPV6_MTU: u32 = 1280;

/// The subnets of a new network.
pub(super) struct Subnets {
    pub(super) four: Option<Ipam>,
    pub(super) six: Option<Ipam>,
    /// Of families that the network has not.
    pub(super) idle: Vec<Ipam>,
}

/// Subnets of both families, as the network's driver can have them.
pub(super) fn addresses(
    pools: &[Pool],
    spec: &NetworkSpec,
    kind: &NetworkKind,
    occupied: &[Occupied],
) -> Result<Subnets, Error> {
    check(spec)?;
    let (mut ipv4, mut ipv6) = (spec.ipv4.unwrap_or(true), spec.ipv6.unwrap_or(false));
    if !ipv4 && !ipv6 {
        return Err(Error::Invalid("IPv4 or IPv6 must be enabled".to_owned()));
    }
    if matches!(spec.configuration, Configuration::Only { .. }) {
        (ipv4, ipv6) = (false, false);
    }
    let (mtu, has_gateway, has_gateway6) = match kind {
        // Who is inside needs no address of a bridge that has none.
        NetworkKind::Bridge(options) => (
            options.mtu,
            options.gateway_mode != GatewayMode::Isolated && !(options.inhibit_ipv4 && spec.internal),
            options.gateway_mode6 != GatewayMode::Isolated,
        ),
        _ => (IPV6_MTU, true, true),
    };
    if ipv6 && mtu < IPV6_MTU {
        let text = format!("an MTU of {mtu} is too small for IPv6, which needs {IPV6_MTU}");
        return Err(Error::Invalid(text));
    }
    let family = |wanted: bool, is_ipv6: bool, has_gateway: bool| {
        let asked = spec
            .subnets
            .iter()
            .find(|asked| asked.subnet.addr().is_ipv6() == is_ipv6);
        let planned = wanted.then(|| subnet(pools, asked, is_ipv6, occupied)).transpose()?;
        Ok::<_, Error>(planned.map(|ipam| Ipam {
            gateway: ipam.gateway.filter(|_| has_gateway),
            ..ipam
        }))
    };
    let is_idle = |asked: &&SubnetSpec| !if asked.subnet.addr().is_ipv6() { ipv6 } else { ipv4 };
    let idle = spec.subnets.iter().filter(is_idle).map(|asked| Ipam {
        gateway: asked.gateway,
        allocation: asked.allocation,
        auxiliary: asked.auxiliary.clone(),
        configured: true,
        gateway_given: asked.gateway.is_some(),
        ..Ipam::of(asked.subnet.trunc())
    });
    Ok(Subnets {
        four: family(ipv4, false, has_gateway)?,
        six: family(ipv6, true, has_gateway6)?,
        idle: idle.collect(),
    })
}

fn subnet(pools: &[Pool], asked: Option<&SubnetSpec>, ipv6: bool, occupied: &[Occupied]) -> Result<Ipam, Error> {
    let Some(asked) = asked else {
        let subnet = choose_subnet(pools, ipv6, occupied)?;
        return Ok(Ipam {
            gateway: Some(first_host(subnet)),
            ..Ipam::of(subnet)
        });
    };
    let subnet = asked.subnet.trunc();
    if let Some(other) = overlapping(subnet, occupied) {
        let other = format!("{} ({})", other.subnet, other.by);
        return Err(Error::PoolOverlaps {
            subnet: subnet.to_string(),
            other,
        });
    }
    if subnet.prefix_len() == 0 {
        return Err(Error::Invalid(format!("invalid subnet {subnet}: it is everything")));
    }
    let gateway = gateway(asked, subnet)?;
    let mut taken = vec![gateway];
    for (name, address) in &asked.auxiliary {
        if taken.contains(address) {
            return Err(Error::Reserved(format!("secondary ip address ({name}:{address})")));
        }
        taken.push(*address);
    }
    Ok(Ipam {
        subnet,
        gateway: Some(gateway),
        allocation: asked.allocation,
        auxiliary: asked.auxiliary.clone(),
        configured: true,
        gateway_given: asked.gateway.is_some(),
    })
}

/// As asked, or the first address.
fn gateway(asked: &SubnetSpec, subnet: IpNet) -> Result<IpAddr, Error> {
    let gateway = match asked.gateway {
        Some(gateway) if is_edge(gateway, subnet) => {
            return Err(Error::Reserved(format!("gateway ({gateway})")));
        }
        Some(gateway) => gateway,
        None => first_host(subnet),
    };
    if gateway.is_multicast() {
        let shown = IpNet::new(gateway, subnet.prefix_len()).unwrap_or(subnet);
        return Err(Error::Invalid(format!("multicast subnet '{shown}' is not allowed")));
    }
    Ok(gateway)
}

/// Says all that is wrong with what was asked for, in dockerd's words.
fn check(spec: &NetworkSpec) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for asked in &spec.subnets {
        let subnet = asked.subnet;
        if subnet != subnet.trunc() {
            wrong.push(format!("invalid subnet {subnet}: it should be {}", subnet.trunc()));
        }
        if let Some(range) = asked.allocation
            && let Some(reason) = unfit_range(range, subnet)
        {
            wrong.push(format!("invalid ip-range {range}: {reason}"));
        }
        let gateway = asked.gateway.map(|gateway| ("gateway".to_owned(), gateway));
        let auxiliary = asked.auxiliary.iter();
        let auxiliary = auxiliary.map(|(name, address)| (format!("auxiliary address {name}"), *address));
        for (what, address) in gateway.into_iter().chain(auxiliary) {
            if let Some(reason) = unfit(address, subnet) {
                let address = if what == "gateway" {
                    format!(" {address}")
                } else {
                    String::new()
                };
                wrong.push(format!("invalid {what}{address}: {reason}"));
            }
        }
    }
    match &wrong[..] {
        [] => {}
        [only] => return Err(Error::Invalid(format!("invalid network config:\n{only}"))),
        several => {
            let list = several.join("\n* ");
            return Err(Error::Invalid(format!("invalid network config:\n* {list}")));
        }
    }
    for is_ipv6 in [false, true] {
        let subnets = spec.subnets.iter().map(|asked| asked.subnet);
        if subnets.filter(|subnet| subnet.addr().is_ipv6() == is_ipv6).count() > 1 {
            return Err(Error::SeveralSubnets);
        }
    }
    Ok(())
}

/// Why the part cannot be one of the subnet's.
fn unfit_range(range: IpNet, subnet: IpNet) -> Option<String> {
    if range.addr().is_ipv6() != subnet.addr().is_ipv6() {
        Some(other_family(subnet))
    } else if range.prefix_len() < subnet.prefix_len() {
        Some(format!("CIDR block is bigger than its parent subnet {subnet}"))
    } else if range != range.trunc() {
        Some(format!("it should be {}", range.trunc()))
    } else if !subnet.contains(&range) {
        Some(format!("parent subnet {subnet} doesn't contain ip-range"))
    } else {
        None
    }
}

/// Why an address cannot be one of the subnet's.
fn unfit(address: IpAddr, subnet: IpNet) -> Option<String> {
    if address.is_ipv6() != subnet.addr().is_ipv6() {
        Some(other_family(subnet))
    } else if subnet.contains(&address) {
        None
    } else {
        Some(format!("parent subnet {subnet} doesn't contain this address"))
    }
}

fn other_family(subnet: IpNet) -> String {
    let family = if subnet.addr().is_ipv4() { "IPv4" } else { "IPv6" };
    format!("parent subnet is an {family} block")
}
