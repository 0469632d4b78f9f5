//! Networks.

use std::collections::BTreeMap;

use tierce_api_types::network as wire;
use tierce_engine::{Configuration, Ipam, NetworkDetails, NetworkSpec, SubnetSpec};
use tierce_fault::Kind;

use crate::status::Failure;
use crate::timestamp::rfc3339;

/// A network; `with_members` also who is on it.
pub(crate) fn document(details: &NetworkDetails, with_members: bool) -> wire::Network {
    let network = &details.network;
    // What the user named comes first.
    let mut subnets: Vec<_> = network.subnets().chain(&network.idle).collect();
    subnets.sort_by_key(|ipam| !ipam.configured);
    let pools: Vec<_> = subnets.into_iter().map(pool).collect();
    let (enable_ipv4, enable_ipv6) = match network.configuration {
        Configuration::Only { ipv4, ipv6 } => (ipv4, ipv6),
        _ => (
            network.ipam.is_some() || network.ipam6.is_none(),
            network.ipam6.is_some(),
        ),
    };
    wire::Network {
        name: network.name.clone(),
        id: network.id.clone(),
        created: rfc3339(network.created),
        scope: "local".to_owned(),
        driver: network.driver().to_owned(),
        enable_ipv4,
        enable_ipv6,
        config_only: matches!(network.configuration, Configuration::Only { .. }),
        config_from: wire::ConfigReference {
            network: match &network.configuration {
                Configuration::From(name) => name.clone(),
                _ => String::new(),
            },
        },
        ipam: wire::Ipam {
            driver: "default".to_owned(),
            options: network.ipam_options.clone(),
            config: (!pools.is_empty()).then_some(pools),
        },
        internal: network.internal,
        attachable: network.attachable,
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

fn pool(ipam: &Ipam) -> wire::IpamPool {
    // Of a subnet that the user named, only what the user said is shown.
    let gateway = ipam.gateway.filter(|_| ipam.gateway_given || !ipam.configured);
    let auxiliary = ipam.auxiliary.iter();
    wire::IpamPool {
        subnet: ipam.subnet.to_string(),
        ip_range: ipam.allocation.map(|range| range.to_string()).unwrap_or_default(),
        gateway: gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
        auxiliary_addresses: auxiliary
            .map(|(name, address)| (name.clone(), address.to_string()))
            .collect(),
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
                for address in link.networks() {
                    if address.addr().is_ipv4() {
                        member.ipv4_address = address.to_string();
                    } else {
                        member.ipv6_address = address.to_string();
                    }
                }
            }
            members.insert(sandbox.container.clone(), member);
        }
    }
    members
}

/// A create request.
pub(crate) fn create(wire: wire::NetworkCreate) -> Result<NetworkSpec, Failure> {
    if wire.ingress {
        return Err(Failure::not_implemented(format!(
            "create network {}: ingress networks are not served",
            wire.name
        )));
    }
    let ipam = wire.ipam.unwrap_or_default();
    if !matches!(ipam.driver.as_str(), "" | "default") {
        return Err(Failure::new(
            Kind::NotFound,
            format!("plugin {:?} not found", ipam.driver),
        ));
    }
    let mut wrong = Vec::new();
    let subnets = ipam
        .config
        .unwrap_or_default()
        .into_iter()
        .filter_map(|pool| subnet(pool, &mut wrong))
        .collect();
    match &wrong[..] {
        [] => {}
        [only] => return Err(Failure::invalid(format!("invalid network config:\n{only}"))),
        several => {
            let list = several.join("\n* ");
            return Err(Failure::invalid(format!("invalid network config:\n* {list}")));
        }
    }
    let from = wire
        .config_from
        .map(|from| from.network)
        .filter(|name| !name.is_empty());
    let configuration = match from {
        Some(_) if wire.config_only => {
            let text = "a configuration network cannot depend on another configuration network";
            return Err(Failure::invalid(text));
        }
        Some(name) => Configuration::From(name),
        None if wire.config_only => Configuration::Only {
            ipv4: true,
            ipv6: false,
        },
        None => Configuration::Own,
    };
    Ok(NetworkSpec {
        ipv4: wire.enable_ipv4,
        ipv6: wire.enable_ipv6,
        configuration,
        subnets,
        name: wire.name,
        driver: wire.driver,
        internal: wire.internal,
        attachable: wire.attachable,
        ipam_options: ipam.options,
        options: wire.options,
        labels: wire.labels,
    })
}

/// A subnet of a request; what is no address at all is told to `wrong`, in dockerd's words.
fn subnet(pool: wire::IpamPool, wrong: &mut Vec<String>) -> Option<SubnetSpec> {
    let before = wrong.len();
    let range = parsed(
        &pool.ip_range,
        || format!("ip-range {}", pool.ip_range),
        "CIDR block notation",
        wrong,
    );
    let gateway = parsed(&pool.gateway, || format!("gateway {}", pool.gateway), "address", wrong);
    let mut auxiliary = BTreeMap::new();
    for (name, text) in pool.auxiliary_addresses {
        let address = parsed(&text, || format!("auxiliary address {name}"), "address", wrong);
        auxiliary.extend(address.map(|address| (name, address)));
    }
    let Ok(subnet) = pool.subnet.parse() else {
        wrong.insert(
            before,
            format!("invalid subnet {}: invalid CIDR block notation", pool.subnet),
        );
        return None;
    };
    Some(SubnetSpec {
        subnet,
        gateway,
        allocation: range,
        auxiliary,
    })
}

fn parsed<T: std::str::FromStr>(
    text: &str,
    what: impl FnOnce() -> String,
    kind: &str,
    wrong: &mut Vec<String>,
) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    let parsed = text.parse().ok();
    if parsed.is_none() {
        wrong.push(format!("invalid {}: invalid {kind}", what()));
    }
    parsed
}
