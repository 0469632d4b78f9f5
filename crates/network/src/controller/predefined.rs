//! The networks that are always there: `bridge` unless it is switched off, `host`, `none`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tierce_ipam::{Ipam, choose_subnet, first_host, overlapping};
use tierce_links::Rtnetlink;

use super::networks::{host_routes, occupied_by};
use super::random_id;
use crate::drivers::bridge::{self, interface_name};
use crate::network::{Configuration, NetworkKind};
use crate::{Config, Error, Network};

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

/// `--bip` or `--bip6`, else the address that the interface has, else the recorded subnet while nothing is in its way,
/// else a new one.
fn bridge_address(
    config: &Config,
    name: &str,
    ipv6: bool,
    recorded: Option<&Arc<Network>>,
    known: &[Arc<Network>],
) -> Result<IpNet, Error> {
    let wish = &config.bridge;
    let wanted = if ipv6 {
        let address = wish.ipv6.as_ref().and_then(|wish| wish.address);
        address.map(IpNet::from)
    } else {
        wish.address.map(IpNet::from)
    };
    if let Some(address) = wanted {
        return Ok(address);
    }
    let route = Rtnetlink::open()?;
    if let Some(link) = route.link(name)?
        && let Some(address) = route
            .addresses(link.index)?
            .into_iter()
            .find(|address| address.addr().is_ipv6() == ipv6)
    {
        return Ok(address);
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
