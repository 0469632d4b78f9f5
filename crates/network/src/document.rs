//! A network as the documents that Docker Engine keeps of it (libnetwork's key-value store).
//!
//! ```text
//! network/<id>/           name, driver, options, labels, address pools
//! bridge/<id>/            the bridge driver's part: interface, gateway, switches
//! endpoint_count/<id>/    {"Count":0}, for an older dockerd
//! ```
//! Source: moby `daemon/libnetwork/network.go` (`MarshalJSON`), `drivers/bridge/bridge_store.go`; a store written by
//! Docker Engine 28.5 (`crates/store/tests/fixtures/local-kv.db`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tierce_ipam::Ipam;

use crate::Network;
use crate::drivers::bridge::Options;
use crate::drivers::{ipvlan, macvlan};
use crate::network::{Configuration, NetworkKind};
use crate::parent;

/// Member of `generic` under which the options of the driver are.
const OPTIONS: &str = "com.docker.network.generic";
const MTU: &str = "com.docker.network.driver.mtu";
const BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
/// Who made a bridge (`BridgeIfaceCreator`): the engine, which removes it with the network.
const MADE_BY_ENGINE: i32 = 1;
/// Somebody else, whose it stays.
const MADE_BY_USER: i32 = 2;
/// How Go prints an address that is not there.
const NO_ADDRESS: &str = "<nil>";

/// What is read of `network/<id>/`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    id: String,
    name: String,
    created: jiff::Timestamp,
    network_type: String,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    attachable: bool,
    #[serde(flatten)]
    settings: Settings,
    #[serde(default)]
    ipam_options: Option<BTreeMap<String, String>>,
    #[serde(default)]
    in_delete: bool,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    generic: Option<Map<String, Value>>,
    #[serde(default, rename = "ipamV4Config")]
    wishes: Option<String>,
    #[serde(default, rename = "ipamV4Info")]
    pools: Option<String>,
    #[serde(default, rename = "ipamV6Config")]
    wishes6: Option<String>,
    #[serde(default, rename = "ipamV6Info")]
    pools6: Option<String>,
}

/// Whose settings it has, and the families of those that take its own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    config_only: bool,
    config_from: String,
    #[serde(rename = "enableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "enableIPv6")]
    enable_ipv6: bool,
}

/// What was asked for; the member is JSON in a string.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Wish {
    preferred_pool: String,
    sub_pool: String,
    gateway: String,
    aux_addresses: Option<BTreeMap<String, IpAddr>>,
}

/// What was given; its data is JSON in a string in the JSON in a string.
#[derive(Debug, Deserialize)]
struct Given {
    #[serde(rename = "IPAMData")]
    data: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pool {
    pool: IpNet,
    #[serde(default)]
    gateway: Option<IpNet>,
}

/// Reads a network from its document and the bridge driver's.
///
/// - `mtu`: what a network without a wish has.
///
/// # Errors
/// Why this program cannot serve the network: another driver, no addresses, a document that it does not understand.
pub(crate) fn read(network: &[u8], bridge: Option<&[u8]>, mtu: u32) -> Result<Network, String> {
    let document: Document = serde_json::from_slice(network).map_err(|error| error.to_string())?;
    if document.in_delete {
        return Err("it was being removed".to_owned());
    }
    let options = options(document.generic.as_ref());
    let (mut ipam, mut ipam6) = (None, None);
    let mut idle = Vec::new();
    let kind = match document.network_type.as_str() {
        "host" => NetworkKind::Host,
        "null" => NetworkKind::None,
        "macvlan" => {
            NetworkKind::Macvlan(macvlan::Options::parse(&options, &document.id).map_err(|error| error.to_string())?)
        }
        "ipvlan" => {
            NetworkKind::Ipvlan(ipvlan::Options::parse(&options, &document.id).map_err(|error| error.to_string())?)
        }
        "bridge" => {
            let bridge: Value = bridge
                .and_then(|bridge| serde_json::from_slice(bridge).ok())
                .unwrap_or_default();
            let interface = bridge["BridgeName"].as_str().filter(|name| !name.is_empty());
            let interface =
                interface.map_or_else(|| format!("br-{}", document.id.get(..12).unwrap_or("")), str::to_owned);
            let mut parsed =
                Options::parse(&options, interface, mtu, document.internal).map_err(|error| error.to_string())?;
            parsed.is_adopted = bridge["BridgeIfaceCreator"] == MADE_BY_USER;
            if document.name == "bridge" {
                // The option says what the configuration said, which may say otherwise today.
                parsed.publish_address = None;
            }
            NetworkKind::Bridge(parsed)
        }
        other => return Err(format!("its driver {other:?} is not served")),
    };
    if !matches!(kind, NetworkKind::Host | NetworkKind::None) {
        ipam = subnet(document.wishes.as_deref(), document.pools.as_deref())?;
        ipam6 = subnet(document.wishes6.as_deref(), document.pools6.as_deref())?;
        if ipam.is_none() && ipam6.is_none() {
            return Err("it has no addresses".to_owned());
        }
    }
    for (has, wishes) in [(ipam.is_some(), &document.wishes), (ipam6.is_some(), &document.wishes6)] {
        if !has {
            idle.extend(wished(wishes.as_deref())?);
        }
    }
    let settings = document.settings;
    let configuration = match settings.config_from {
        _ if settings.config_only => Configuration::Only {
            ipv4: settings.enable_ipv4,
            ipv6: settings.enable_ipv6,
        },
        name if !name.is_empty() => Configuration::From(name),
        _ => Configuration::Own,
    };
    Ok(Network {
        id: document.id,
        name: document.name,
        created: document.created,
        kind,
        ipam,
        ipam6,
        configuration,
        idle,
        internal: document.internal,
        attachable: document.attachable,
        ipam_options: document.ipam_options,
        labels: document.labels.unwrap_or_default(),
        options,
    })
}

fn options(generic: Option<&Map<String, Value>>) -> BTreeMap<String, String> {
    let options = generic.and_then(|generic| generic.get(OPTIONS)?.as_object());
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    options.into_iter().flatten().filter_map(text).collect()
}

/// The first pool of a family; `None`: there is none.
fn subnet(wishes: Option<&str>, pools: Option<&str>) -> Result<Option<Ipam>, String> {
    let told = |error: serde_json::Error| format!("its address pools cannot be read: {error}");
    let given: Vec<Given> = serde_json::from_str(pools.unwrap_or("[]")).map_err(told)?;
    let Some(given) = given.first() else {
        return Ok(None);
    };
    let pool: Pool = serde_json::from_str(&given.data).map_err(told)?;
    let wish: Vec<Wish> = serde_json::from_str(wishes.unwrap_or("[]")).map_err(told)?;
    let wish = wish.into_iter().next().unwrap_or_default();
    Ok(Some(Ipam {
        subnet: pool.pool.trunc(),
        gateway: pool.gateway.map(|gateway| gateway.addr()),
        allocation: wish.sub_pool.parse().ok(),
        auxiliary: wish.aux_addresses.unwrap_or_default(),
        configured: !wish.preferred_pool.is_empty(),
        gateway_given: !wish.gateway.is_empty(),
    }))
}

/// The first subnet of a family that was asked for; the network has not the family.
fn wished(wishes: Option<&str>) -> Result<Option<Ipam>, String> {
    let told = |error: serde_json::Error| format!("its address pools cannot be read: {error}");
    let wish: Vec<Wish> = serde_json::from_str(wishes.unwrap_or("[]")).map_err(told)?;
    let Some(wish) = wish.into_iter().next() else {
        return Ok(None);
    };
    let subnet = wish.preferred_pool.parse::<IpNet>().ok();
    Ok(subnet.map(|subnet| Ipam {
        gateway: wish.gateway.parse().ok(),
        allocation: wish.sub_pool.parse().ok(),
        auxiliary: wish.aux_addresses.unwrap_or_default(),
        configured: true,
        gateway_given: !wish.gateway.is_empty(),
        ..Ipam::of(subnet)
    }))
}

/// The document of a network.
pub(crate) fn network(network: &Network) -> Value {
    let predefined = network.is_predefined();
    // dockerd says so of the networks host and none, too.
    let (ipv4, ipv6) = match network.configuration {
        Configuration::Only { ipv4, ipv6 } => (ipv4, ipv6),
        _ => (
            network.ipam.is_some() || network.ipam6.is_none(),
            network.ipam6.is_some(),
        ),
    };
    let config_only = matches!(network.configuration, Configuration::Only { .. });
    let config_from = match &network.configuration {
        Configuration::From(name) => name,
        _ => "",
    };
    let without_gateway = |ipam: &Option<Ipam>| ipam.as_ref().is_some_and(|ipam| ipam.gateway.is_none());
    let mut generic = json!({ OPTIONS: network.options });
    let mut document = json!({
        "addrSpace": "", "attachable": network.attachable, "configFrom": config_from, "configOnly": config_only, "created": network.created,
        "enableIPv4": ipv4, "enableIPv6": ipv6, "id": network.id, "inDelete": false, "ingress": false,
        "internal": network.internal, "ipamOptions": network.ipam_options, "ipamType": "default", "labels": network.labels,
        "loadBalancerIP": "", "loadBalancerMode": "NAT", "name": network.name, "networkType": network.driver(),
        "persist": true, "scope": "local", "skipGwAllocIPv4": without_gateway(&network.ipam), "skipGwAllocIPv6": without_gateway(&network.ipam6),
    });
    if predefined {
        document["labels"] = Value::Null;
    }
    for (ipam, config, info) in [
        (&network.ipam, "ipamV4Config", "ipamV4Info"),
        (&network.ipam6, "ipamV6Config", "ipamV6Info"),
    ] {
        let Some(ipam) = ipam else { continue };
        document["addrSpace"] = "LocalDefault".into();
        document[config] = wishes(ipam, predefined).into();
        document[info] = pools(ipam, predefined).to_string().into();
        generic["com.docker.network.enable_ipv4"] = ipv4.into();
        generic["com.docker.network.enable_ipv6"] = ipv6.into();
    }
    for idle in &network.idle {
        let config = if idle.subnet.addr().is_ipv6() {
            "ipamV6Config"
        } else {
            "ipamV4Config"
        };
        document[config] = wishes(idle, predefined).into();
    }
    if network.internal {
        generic["com.docker.network.internal"] = true.into();
    }
    document["generic"] = generic;
    document
}

/// A list of one, in the order of Go's structure.
fn wishes(ipam: &Ipam, predefined: bool) -> String {
    let text = |given: Option<String>| Value::from(given.unwrap_or_default()).to_string();
    let pool = text(ipam.configured.then(|| ipam.subnet.to_string()));
    let part = text(ipam.allocation.map(|part| part.to_string()));
    let gateway = text(
        ipam.gateway
            .filter(|_| ipam.gateway_given)
            .map(|gateway| gateway.to_string()),
    );
    let others = match (ipam.auxiliary.is_empty(), predefined) {
        (true, true) => "{}".to_owned(),
        (true, false) => "null".to_owned(),
        (false, _) => json!(ipam.auxiliary).to_string(),
    };
    format!(r#"[{{"PreferredPool":{pool},"SubPool":{part},"Gateway":{gateway},"AuxAddresses":{others}}}]"#)
}

fn pools(ipam: &Ipam, predefined: bool) -> Value {
    let mut data = json!({ "AddressSpace": "LocalDefault", "Pool": ipam.subnet });
    if let Some(gateway) = ipam.gateway_address() {
        data["Gateway"] = gateway.to_string().into();
    }
    if predefined || !ipam.auxiliary.is_empty() {
        let length = ipam.subnet.prefix_len();
        let shown = ipam.auxiliary.iter();
        let shown = shown.map(|(name, address)| (name.clone(), format!("{address}/{length}").into()));
        data["AuxAddresses"] = Value::Object(shown.collect());
    }
    let part = ipam.allocation.map(|part| format!("/{part}")).unwrap_or_default();
    let id = format!("LocalDefault/{}{part}", ipam.subnet);
    json!([{ "IPAMData": data.to_string(), "PoolID": id }])
}

fn shown(address: Option<impl ToString>) -> String {
    address.map_or_else(|| NO_ADDRESS.to_owned(), |address| address.to_string())
}

/// The document of the macvlan or ipvlan driver, under the driver's name; `None` for a network of another driver.
/// Source: moby `daemon/libnetwork/drivers/macvlan/macvlan_store.go` and its sibling.
///
/// - `parent_is_ours`: a dockerd that removes the network removes the parent, too.
pub(crate) fn upper(network: &Network, parent_is_ours: bool) -> Option<Value> {
    let parent = network.kind.parent()?;
    let subnets = |ipam: &Option<Ipam>| {
        let shown = ipam.as_ref().map(|ipam| {
            let gateway = ipam.gateway_address().map(|gateway| gateway.to_string());
            json!({ "SubnetIP": ipam.subnet, "GwIP": gateway.unwrap_or_default() })
        });
        shown.map(|subnet| json!([subnet]).to_string())
    };
    let is_dummy = parent == parent::dummy_of(&network.id);
    let mut document = json!({
        "CreatedSubIface": parent_is_ours, "ID": network.id, "Internal": network.internal || is_dummy,
        "Mtu": 0, "Parent": parent,
    });
    for (ipam, member) in [(&network.ipam, "Ipv4Subnets"), (&network.ipam6, "Ipv6Subnets")] {
        if let Some(subnets) = subnets(ipam) {
            document[member] = subnets.into();
        }
    }
    match &network.kind {
        NetworkKind::Macvlan(options) => document["MacvlanMode"] = options.mode.name().into(),
        NetworkKind::Ipvlan(options) => {
            document["IpvlanMode"] = options.mode.name().into();
            document["IpvlanFlag"] = options.flag.name().into();
        }
        _ => return None,
    }
    Some(document)
}

/// The bridge driver's document; `None` for a network of another driver.
pub(crate) fn bridge(network: &Network) -> Option<Value> {
    let NetworkKind::Bridge(bridge) = &network.kind else {
        return None;
    };
    let mtu: u32 = network.options.get(MTU).and_then(|mtu| mtu.parse().ok()).unwrap_or(0);
    let given = |name: &str| {
        let value = network.options.get(&format!("com.docker.network.{name}"));
        value.cloned().unwrap_or_default()
    };
    let binding = network.options.get(BINDING).map_or(NO_ADDRESS, String::as_str);
    let mut document = json!({
        "BridgeIfaceCreator": if bridge.is_adopted { MADE_BY_USER } else { MADE_BY_ENGINE },
        "BridgeName": bridge.bridge, "ContainerIfacePrefix": given("container_iface_prefix"), "DefaultBindingIP": binding,
        "DefaultBridge": network.name == "bridge", "DefaultGatewayIPv4": NO_ADDRESS, "DefaultGatewayIPv6": NO_ADDRESS,
        "EnableICC": bridge.icc, "EnableIPMasquerade": bridge.masquerade, "EnableIPv4": network.ipam.is_some(),
        "EnableIPv6": network.ipam6.is_some(), "GwModeIPv4": given("bridge.gateway_mode_ipv4"),
        "GwModeIPv6": given("bridge.gateway_mode_ipv6"), "HostIP": shown(bridge.host_address),
        "HostIPv6": shown(bridge.host_address6), "ID": network.id, "InhibitIPv4": bridge.inhibit_ipv4, "Internal": network.internal, "Mtu": mtu,
        "TrustedHostInterfaces": given("bridge.trusted_host_interfaces"),
    });
    for (ipam, member) in [(&network.ipam, "AddressIPv4"), (&network.ipam6, "AddressIPv6")] {
        if let Some(ipam) = ipam {
            document[member] = ipam.gateway_address().unwrap_or(ipam.subnet).to_string().into();
        }
    }
    Some(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_store::bolt::Database;

    /// What Docker Engine 28.5 kept of its three networks and of two of a user's.
    const STORE: &[u8] = include_bytes!("../../store/tests/fixtures/local-kv.db");

    #[test]
    fn documents_of_dockerd_are_read_and_written_to_the_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local-kv.db");
        std::fs::write(&path, STORE).unwrap();
        let mut database = Database::open(&path, 0o644).unwrap();
        let bucket = database.root.bucket("libnetwork");
        let mut names = Vec::new();
        for (key, value) in bucket.values() {
            let Some(id) = key.strip_prefix("docker/network/v1.0/network/") else {
                continue;
            };
            let theirs = bucket.get(&format!("docker/network/v1.0/bridge/{id}"));
            let theirs = theirs.map(|value| std::str::from_utf8(&value[8..]).unwrap());
            let found = read(&value[8..], theirs.map(str::as_bytes), 1500).unwrap();
            let ours = |document: &Value| String::from_utf8(tierce_store::to_json(document).unwrap()).unwrap();
            assert_eq!(ours(&network(&found)), std::str::from_utf8(&value[8..]).unwrap());
            assert_eq!(bridge(&found).as_ref().map(ours).as_deref(), theirs);
            names.push(found.name.clone());
        }
        names.sort();
        assert_eq!(names, ["bridge", "host", "none", "plain", "unet"]);
    }

    /// What Docker Engine 28.5 kept of networks with IPv6 and of all kinds of options: a line the network, a line the
    /// bridge driver's part.
    const IPV6: &str = include_str!("../fixtures/ipv6-networks.jsonl");

    #[test]
    fn dockerds_networks_with_ipv6_are_read_and_written_to_the_byte() {
        let lines: Vec<_> = IPV6.lines().collect();
        let mut names = Vec::new();
        for pair in lines.chunks(2) {
            let found = read(pair[0].as_bytes(), Some(pair[1].as_bytes()), 1500).unwrap();
            let ours = |document: &Value| String::from_utf8(tierce_store::to_json(document).unwrap()).unwrap();
            assert_eq!(ours(&network(&found)), pair[0]);
            assert_eq!(ours(&bridge(&found).unwrap()), pair[1]);
            names.push(found.name.clone());
        }
        assert_eq!(names, ["v6dual", "v6only", "v6sub", "v6aux", "v6iso", "v6int", "v6opt"]);
    }

    #[test]
    fn a_subnet_of_a_family_that_the_network_has_not_is_kept() {
        let pools = json!([{ "IPAMData": json!({ "Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24" }).to_string() }]);
        let document = json!({
            "id": "a".repeat(64), "name": "n", "created": "2026-11-29T08:29:31Z", "networkType": "bridge",
            "ipamV4Info": pools.to_string(), "ipamV6Config": r#"[{"PreferredPool":"2001:db8::/64"}]"#,
        });
        let found = read(document.to_string().as_bytes(), None, 1500).unwrap();
        let idle = found.idle[0].clone();
        assert_eq!(
            (idle.subnet.to_string().as_str(), idle.configured),
            ("2001:db8::/64", true)
        );
        assert_eq!(found.ipam6, None);
        let written = network(&found).to_string();
        assert_eq!(read(written.as_bytes(), None, 1500).unwrap(), found);
    }

    #[test]
    fn what_is_not_served_says_why() {
        let text = |kind: &str| {
            let document = json!({
                "id": "a".repeat(64), "name": "n", "created": "2026-11-29T08:29:31Z", "networkType": kind,
            });
            read(document.to_string().as_bytes(), None, 1500).unwrap_err()
        };
        assert_eq!(text("overlay"), "its driver \"overlay\" is not served");
        assert_eq!(text("bridge"), "it has no addresses");
        assert!(read(b"{}", None, 1500).unwrap_err().contains("missing field"));
    }
}
