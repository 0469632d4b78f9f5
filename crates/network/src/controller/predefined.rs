//! The networks that are always there: `bridge`, `host`, `none`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::networks::{first_host, host_routes, occupied_by};
use super::random_id;
use crate::drivers::bridge::{self, interface_name};
use crate::ipam;
use crate::network::{Ipam, NetworkKind};
use crate::rtnetlink::Rtnetlink;
use crate::{Config, Error, Network};

/// Those whose record is missing or no longer what the configuration says.
pub(super) fn networks(config: &Config, known: &[Arc<Network>]) -> Result<Vec<Network>, Error> {
    let mut wanted = vec![default_bridge(config, known)?];
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
    let address = bridge_address(config, &name, recorded, known)?;
    let ipam = Ipam {
        subnet: address.trunc(),
        gateway: address.addr(),
        allocation: wish.allocation,
        configured: false,
    };
    let options = bridge::Options {
        bridge: name,
        mtu: wish.mtu,
        icc: wish.icc,
        masquerade: wish.masquerade,
        publish_address: None,
    };
    let shown = shown_options(config, &options);
    let mut network = predefined("bridge", NetworkKind::Bridge(options), Some(ipam), shown)?;
    if let Some(recorded) = recorded {
        network.id.clone_from(&recorded.id);
        network.created = recorded.created;
    }
    Ok(network)
}

/// `--bip`, else the address that the interface has, else the recorded subnet while nothing is in its way, else a new
/// one.
fn bridge_address(
    config: &Config,
    name: &str,
    recorded: Option<&Arc<Network>>,
    known: &[Arc<Network>],
) -> Result<Ipv4Net, Error> {
    if let Some(address) = config.bridge.address {
        return Ok(address);
    }
    let route = Rtnetlink::open()?;
    if let Some(link) = route.link(name)?
        && let Some(address) = route.addresses(link.index)?.into_iter().next()
    {
        return Ok(address);
    }
    let mut occupied = host_routes(Some(name))?;
    let others = known.iter().filter(|network| network.name != "bridge");
    occupied.extend(others.filter_map(|network| occupied_by(network)));
    let recorded = recorded.and_then(|network| network.ipam.as_ref());
    let (subnet, gateway) = match recorded {
        Some(ipam) if ipam::overlapping(ipam.subnet, &occupied).is_none() => (ipam.subnet, ipam.gateway),
        _ => {
            let subnet = ipam::choose_subnet(&config.pools, &occupied)?;
            (subnet, first_host(subnet))
        }
    };
    Ok(Ipv4Net::new(gateway, subnet.prefix_len()).unwrap_or(subnet))
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
        internal: false,
        labels: BTreeMap::new(),
        options,
    })
}
