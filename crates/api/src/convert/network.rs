//! Networks.

use std::collections::BTreeMap;

use tierce_api_types::network as wire;
use tierce_engine::{NetworkDetails, NetworkSpec};

use crate::status::Failure;
use crate::timestamp::rfc3339;

/// A network; `with_members` also who is on it.
pub(crate) fn document(details: &NetworkDetails, with_members: bool) -> wire::Network {
    let network = &details.network;
    let pool = network.ipam.as_ref().map(|ipam| wire::IpamPool {
        subnet: ipam.subnet.to_string(),
        ip_range: ipam.allocation.map(|range| range.to_string()).unwrap_or_default(),
        gateway: ipam.gateway.to_string(),
        ..wire::IpamPool::default()
    });
    wire::Network {
        name: network.name.clone(),
        id: network.id.clone(),
        created: rfc3339(network.created),
        scope: "local".to_owned(),
        driver: network.driver().to_owned(),
        enable_ipv4: true,
        enable_ipv6: false,
        ipam: wire::Ipam {
            driver: "default".to_owned(),
            options: (!network.is_predefined()).then(BTreeMap::new),
            config: pool.map(|pool| vec![pool]),
        },
        internal: network.internal,
        containers: if with_members {
            members(details)
        } else {
            BTreeMap::new()
        },
        options: network.options.clone(),
        labels: network.labels.clone(),
        ..wire::Network::default()
    }
}

fn members(details: &NetworkDetails) -> BTreeMap<String, wire::NetworkContainer> {
    let mut members = BTreeMap::new();
    for sandbox in &details.members {
        for endpoint in sandbox
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.network == details.network.id)
        {
            let mut member = wire::NetworkContainer {
                name: sandbox.name.clone(),
                endpoint_id: endpoint.id.clone(),
                ..wire::NetworkContainer::default()
            };
            if let Some(link) = &endpoint.link {
                member.mac_address = link.mac.to_string();
                member.ipv4_address = format!("{}/{}", link.address, link.prefix_length);
            }
            members.insert(sandbox.container.clone(), member);
        }
    }
    members
}

/// A create request.
pub(crate) fn create(wire: wire::NetworkCreate) -> Result<NetworkSpec, Failure> {
    for (asked, what) in [
        (wire.ingress, "ingress networks"),
        (
            wire.config_only || wire.config_from.is_some(),
            "configuration-only networks",
        ),
        (wire.enable_ipv6 == Some(true), "IPv6 networks"),
        (wire.enable_ipv4 == Some(false), "networks without IPv4"),
    ] {
        if asked {
            return Err(Failure::not_implemented(format!(
                "create network {}: {what} are not served",
                wire.name
            )));
        }
    }
    let ipam = wire.ipam.unwrap_or_default();
    if !matches!(ipam.driver.as_str(), "" | "default") {
        return Err(Failure::invalid(format!(
            "create network {}: there is no IPAM driver {:?}",
            wire.name, ipam.driver
        )));
    }
    let pools = ipam.config.unwrap_or_default();
    if pools.len() > 1 {
        return Err(Failure::not_implemented(format!(
            "create network {}: more than one subnet is not served",
            wire.name
        )));
    }
    let pool = pools.into_iter().next().unwrap_or_default();
    Ok(NetworkSpec {
        subnet: optional(&pool.subnet, "subnet")?,
        gateway: optional(&pool.gateway, "gateway")?,
        allocation: optional(&pool.ip_range, "address range")?,
        name: wire.name,
        driver: wire.driver,
        internal: wire.internal,
        options: wire.options,
        labels: wire.labels,
    })
}

fn optional<T: std::str::FromStr>(text: &str, what: &str) -> Result<Option<T>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| Failure::invalid(format!("invalid {what} {text:?}")))
}
