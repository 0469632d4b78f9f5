//! `--network name` and `--network name=…,alias=…,ip=…`. Source of keys and texts: docker/cli `opts/network.go`.

use super::csv;
use super::network::is_mac_address;
use super::pairs;
use std::collections::BTreeMap;
use tierce_api_types::network::{EndpointIpam, EndpointSettings};

/// One network, and what is asked of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) target: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) links: Vec<String>,
    pub(crate) ipv4_address: String,
    pub(crate) ipv6_address: String,
    pub(crate) link_local_ips: Vec<String>,
    pub(crate) mac_address: String,
    driver_options: BTreeMap<String, String>,
    gateway_priority: i64,
}

/// Reads one `--network`.
pub(crate) fn parse(text: &str) -> Result<Attachment, String> {
    let mut network = Attachment::default();
    // A name has no equals sign.
    if !text.contains('=') {
        text.clone_into(&mut network.target);
        return Ok(network);
    }
    for field in csv::fields(text)? {
        let (key, value) = field
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| format!("invalid field {field}"))?;
        let value = value.trim();
        match key.trim() {
            "name" => value.clone_into(&mut network.target),
            "alias" => network.aliases.push(value.to_owned()),
            "ip" => value.clone_into(&mut network.ipv4_address),
            "ip6" => value.clone_into(&mut network.ipv6_address),
            "link-local-ip" => network.link_local_ips.push(value.to_owned()),
            "mac-address" if is_mac_address(value) => value.clone_into(&mut network.mac_address),
            "mac-address" => return Err(format!("{value} is not a valid mac address")),
            "driver-opt" => {
                let (name, value) =
                    pairs::pair(value).map_err(|_| "invalid key value pair format in driver options".to_owned())?;
                network
                    .driver_options
                    .insert(name.trim().to_owned(), value.trim().to_owned());
            }
            "gw-priority" => {
                network.gateway_priority = value
                    .parse()
                    .map_err(|_| format!("invalid gw-priority: strconv.Atoi: parsing {value:?}: invalid syntax"))?;
            }
            key => return Err(format!("invalid field key {key}")),
        }
    }
    if network.target.is_empty() {
        return Err("network name/id is not specified".to_owned());
    }
    Ok(network)
}

impl Attachment {
    /// A network of which nothing is asked.
    pub(crate) fn to(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            ..Self::default()
        }
    }

    /// Its name, and what the daemon is asked for.
    pub(crate) fn settings(&self) -> (String, EndpointSettings) {
        let list = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
        let ipam = EndpointIpam {
            ipv4_address: self.ipv4_address.clone(),
            ipv6_address: self.ipv6_address.clone(),
            link_local_ips: self.link_local_ips.clone(),
        };
        let settings = EndpointSettings {
            ipam_config: (ipam != EndpointIpam::default()).then_some(ipam),
            aliases: list(&self.aliases),
            links: list(&self.links),
            mac_address: self.mac_address.clone(),
            driver_opts: (!self.driver_options.is_empty()).then(|| self.driver_options.clone()),
            gw_priority: self.gateway_priority,
            ..EndpointSettings::default()
        };
        (self.target.clone(), settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_dockers() {
        assert_eq!(parse("bridge").unwrap(), Attachment::to("bridge"));
        let long = parse("name=net,alias=a,alias=b,ip=10.0.0.2,driver-opt=k=v,gw-priority=5").unwrap();
        let (name, settings) = long.settings();
        assert_eq!((&*name, settings.gw_priority), ("net", 5));
        assert_eq!(settings.aliases.unwrap(), ["a", "b"]);
        assert_eq!(settings.ipam_config.unwrap().ipv4_address, "10.0.0.2");
        assert_eq!(settings.driver_opts.unwrap()["k"], "v");
        for bad in [
            "alias=a",
            "name=n,frob=1",
            "name=n,driver-opt=x",
            "name=n,mac-address=1",
            "=x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
