//! The networks that are always there: `bridge` unless it is switched off, `host`, `none`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};
use tierce_ipam::{Ipam, choose_subnet, first_host, overlap, overlapping};
use tierce_links::Rtnetlink;

use super::networks::{host_routes, occupied_by};
use super::random_id;
use crate::drivers::bridge::{self, interface_name};
use crate::network::{Configuration, NetworkKind};
use crate::{Config, Error, Network};

/// The addresses that IPv6 interfaces have by themselves.
const LINK_LOCAL: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64));

/// Those whose record is missing or no longer what the configuration says.
pub(super) fn networks(config: &Config, known: &[Arc<Network>]) -> Result<Vec<Network>, Error> {
    let mut wanted = Vec::new();
    if !config.bridge.is_off() {
        wanted.push(default_bridge(config, known)?);
    }
    for (name, kind) in [("host", NetworkKind::Host), ("none", NetworkKind::None)] {
        if !known.iter().any(|network| network.name == name) {
            wanted.push(predefined(name, kind, None, BTreeMap::new())?);
        }
    }
    wanted.retain(|network| !known.iter().any(|known| **known == *network));
    Ok(wanted)
}

fn default_bridge(config: &Config, known: &[Arc<Network>]) -> Result<Network, Error> {
    let wish = &config.bridge;
    let name = interface_name(&wish.name)
        .ok_or_else(|| Error::Invalid(format!("invalid bridge interface name {:?}", wish.name)))?;
    let recorded = known.iter().find(|network| network.name == "bridge");
    let own = |ipv6| bridge_address(config, &name, ipv6, recorded, known);
    let four = own(false)?;
    // Another router's address is nobody else's. The names are Docker's.
    let router = |name: &str, address: Option<IpAddr>, own: IpNet| {
        let address = address.filter(|address| *address != own.addr() && own.contains(address));
        address.map(|address| (name.to_owned(), address)).into_iter().collect()
    };
    let ipam = Ipam {
        gateway: Some(four.addr()),
        auxiliary: router("DefaultGatewayIPv4", wish.gateway.map(IpAddr::from), four),
        allocation: wish.allocation.map(IpNet::from),
        ..Ipam::of(four.trunc())
    };
    let ipam6 = match &wish.ipv6 {
        Some(wish) => {
            let six = own(true)?;
            Some(Ipam {
                gateway: Some(six.addr()),
                auxiliary: router("DefaultGatewayIPv6", wish.gateway.map(IpAddr::from), six),
                allocation: wish.allocation.map(IpNet::from),
                ..Ipam::of(six.trunc())
            })
        }
        None => None,
    };
    let options = bridge::Options {
        icc: wish.icc,
        masquerade: wish.masquerade,
        ..bridge::Options::of(name, wish.mtu)
    };
    let shown = shown_options(config, &options);
    let mut network = predefined("bridge", NetworkKind::Bridge(options), Some(ipam), shown)?;
    network.ipam6 = ipam6;
    if let Some(recorded) = recorded {
        network.id.clone_from(&recorded.id);
        network.created = recorded.created;
    }
    Ok(network)
}

/// `--bip` or `--bip6`, else the address that the interface has, else the first of `--fixed-cidr` or `--fixed-cidr-v6`, else
/// the recorded subnet while nothing is in its way, else a new one.
fn bridge_address(
    config: &Config,
    name: &str,
    ipv6: bool,
    recorded: Option<&Arc<Network>>,
    known: &[Arc<Network>],
) -> Result<IpNet, Error> {
    let wish = &config.bridge;
    let (wanted, part) = if ipv6 {
        let (address, part) = wish
            .ipv6
            .as_ref()
            .map_or((None, None), |wish| (wish.address, wish.allocation));
        (address.map(IpNet::from), part.map(IpNet::from))
    } else {
        (wish.address.map(IpNet::from), wish.allocation.map(IpNet::from))
    };
    if let Some(address) = wanted {
        return Ok(address);
    }
    if let Some(address) = present_address(name, ipv6, part)? {
        return Ok(address);
    }
    if let Some(part) = part {
        return Ok(with_length(first_host(part), part));
    }
    let mut occupied = host_routes(Some(name))?;
    let others = known.iter().filter(|network| network.name != "bridge");
    occupied.extend(others.flat_map(|network| occupied_by(network)));
    let recorded = recorded.and_then(|network| if ipv6 { &network.ipam6 } else { &network.ipam }.as_ref());
    let subnet = match recorded {
        Some(ipam) if overlapping(ipam.subnet, &occupied).is_none() => {
            return Ok(ipam.gateway_address().unwrap_or(ipam.subnet));
        }
        _ => choose_subnet(&config.pools, ipv6, &occupied)?,
    };
    Ok(with_length(first_host(subnet), subnet))
}

/// An address that the interface has already, if containers may have addresses from this `part` beside it. That wins where
/// it is larger than the address's subnet.
fn present_address(name: &str, ipv6: bool, part: Option<IpNet>) -> Result<Option<IpNet>, Error> {
    let route = Rtnetlink::open()?;
    let Some(link) = route.link(name)? else {
        return Ok(None);
    };
    // Every interface may have such an address, whatever its network is.
    let is_own = |address: &IpNet| LINK_LOCAL.contains(address) && part.is_none_or(|part| !LINK_LOCAL.contains(&part));
    let fits = |address: &IpNet| {
        address.addr().is_ipv6() == ipv6 && !is_own(address) && part.is_none_or(|part| overlap(*address, part))
    };
    let present = route.addresses(link.index)?.into_iter().find(fits);
    Ok(present.map(|address| match part {
        Some(part) if part.prefix_len() < address.prefix_len() => with_length(address.addr(), part),
        _ => address,
    }))
}

/// `address` with the prefix length of `subnet`.
fn with_length(address: IpAddr, subnet: IpNet) -> IpNet {
    IpNet::new(address, subnet.prefix_len()).unwrap_or(subnet)
}

/// What `network inspect bridge` shows as options.
fn shown_options(config: &Config, options: &bridge::Options) -> BTreeMap<String, String> {
    let address = config
        .publish_address
        .map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
    let shown = [
        ("com.docker.network.bridge.default_bridge", "true".to_owned()),
        ("com.docker.network.bridge.enable_icc", options.icc.to_string()),
        (
            "com.docker.network.bridge.enable_ip_masquerade",
            options.masquerade.to_string(),
        ),
        ("com.docker.network.bridge.host_binding_ipv4", address),
        ("com.docker.network.bridge.name", options.bridge.clone()),
        ("com.docker.network.driver.mtu", options.mtu.to_string()),
    ];
    shown.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn predefined(
    name: &str,
    kind: NetworkKind,
    ipam: Option<Ipam>,
    options: BTreeMap<String, String>,
) -> Result<Network, Error> {
    Ok(Network {
        id: random_id()?,
        name: name.to_owned(),
        created: jiff::Timestamp::now(),
        kind,
        ipam,
        ipam6: None,
        configuration: Configuration::Own,
        idle: Vec::new(),
        internal: false,
        attachable: false,
        ipam_options: None,
        labels: BTreeMap::new(),
        options,
    })
}
