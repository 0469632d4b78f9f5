//! Flags about the network.

use super::attachment::{self, Attachment};
use super::names::NameFlags;
use super::{pairs, ports};
use crate::Error;
use clap::Args;
use std::collections::BTreeMap;
use tierce_api_types::container::{Config, HostConfig, NetworkingConfig};
use tierce_oci::container::Empty;

#[derive(Debug, Args)]
pub(crate) struct NetworkFlags {
    #[command(flatten)]
    names: NameFlags,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "list")]
    expose: Vec<String>,
    /// IPv4 address (e.g., 172.30.100.104)
    #[arg(long, default_value = "", hide_default_value = true)]
    ip: String,
    /// IPv6 address (e.g., 2001:db8::33)
    #[arg(long, default_value = "", hide_default_value = true)]
    ip6: String,
    /// Add link to another container
    #[arg(long, value_name = "list", value_parser = pairs::link)]
    link: Vec<String>,
    /// Container IPv4/IPv6 link-local addresses
    #[arg(long, value_name = "list")]
    link_local_ip: Vec<String>,
    /// Container MAC address (e.g., 92:d0:c6:0a:29:33)
    #[arg(long, default_value = "", hide_default_value = true)]
    mac_address: String,
    /// Connect a container to a network
    #[arg(long, alias = "net", value_name = "network", value_parser = attachment::parse)]
    network: Vec<Attachment>,
    /// Add network-scoped alias for the container
    #[arg(long, alias = "net-alias", value_name = "list")]
    network_alias: Vec<String>,
    /// Publish a container's port(s) to the host
    #[arg(short, long, value_name = "list")]
    publish: Vec<String>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    publish_all: bool,
}

impl NetworkFlags {
    pub(crate) fn apply(&self, config: &mut Config, host: &mut HostConfig) -> Result<(), Error> {
        if !self.mac_address.is_empty() && !is_mac_address(&self.mac_address) {
            return Err(Error::usage(format!("{} is not a valid mac address", self.mac_address)));
        }
        self.names.apply(config, host);
        config.mac_address.clone_from(&self.mac_address);
        host.links = (!self.link.is_empty()).then(|| self.link.clone());
        host.network_mode = match self.network.first() {
            Some(first) => first.target.clone(),
            None => "default".to_owned(),
        };
        host.publish_all_ports = self.publish_all;
        let (mut exposed, bindings) = ports::parse_all(&self.publish)?;
        for text in &self.expose {
            exposed.extend(ports::parse_exposed(text)?);
        }
        config.exposed_ports =
            (!exposed.is_empty()).then(|| exposed.into_iter().map(|port| (port, Empty {})).collect());
        host.port_bindings = Some(bindings);
        Ok(())
    }

    /// What is asked of the networks. The flags beside `--network` concern the first one.
    pub(crate) fn networking(&self) -> Result<NetworkingConfig, Error> {
        let mut networks = self.network.clone();
        if networks.is_empty() {
            networks.push(Attachment::to("default"));
        }
        self.complete(&mut networks[0])?;
        if networks.iter().any(|one| is_own(&one.target)) && !networks.iter().all(|one| is_own(&one.target)) {
            return Err(Error::usage(
                "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
            ));
        }
        let alone = networks.len() == 1;
        let mut endpoints_config = BTreeMap::new();
        for network in networks {
            let (name, settings) = network.settings();
            // A network of which nothing is asked is named by the mode already.
            if alone && settings == Attachment::to(&name).settings().1 {
                continue;
            }
            if endpoints_config.insert(name.clone(), Some(settings)).is_some() {
                return Err(Error::usage(format!("network {name:?} is specified multiple times")));
            }
        }
        Ok(NetworkingConfig { endpoints_config })
    }

    fn complete(&self, first: &mut Attachment) -> Result<(), Error> {
        let both = |flag: &str, what: &str| {
            Error::usage(format!(
                "conflicting options: cannot specify both {flag} and per-network {what}"
            ))
        };
        if !self.network_alias.is_empty() {
            if !first.aliases.is_empty() {
                return Err(both("--network-alias", "alias"));
            }
            first.aliases.clone_from(&self.network_alias);
        }
        for (flag, given, member, what) in [
            ("--ip", &self.ip, &mut first.ipv4_address, "IPv4 address"),
            ("--ip6", &self.ip6, &mut first.ipv6_address, "IPv6 address"),
        ] {
            if given.is_empty() {
                continue;
            }
            if !member.is_empty() {
                return Err(both(flag, what));
            }
            member.clone_from(given);
        }
        if !self.link_local_ip.is_empty() {
            if !first.link_local_ips.is_empty() {
                return Err(both("--link-local-ip", "link-local IP addresses"));
            }
            first.link_local_ips.clone_from(&self.link_local_ip);
        }
        if !self.mac_address.is_empty() && !first.mac_address.is_empty() {
            return Err(both("--mac-address", "MAC address"));
        }
        // On Docker's own networks they are the container's alone.
        if is_own(&first.target) {
            first.links.clone_from(&self.link);
        }
        Ok(())
    }
}

/// A network of the user's own.
fn is_own(name: &str) -> bool {
    !matches!(name, "default" | "bridge" | "host" | "none") && !name.starts_with("container:")
}

/// Six or more pairs of hexadecimal digits, as Go's `net.ParseMAC` takes them.
pub(crate) fn is_mac_address(text: &str) -> bool {
    let separator = if text.contains('-') { '-' } else { ':' };
    let parts: Vec<&str> = text.split(separator).collect();
    matches!(parts.len(), 6 | 8 | 20)
        && parts
            .iter()
            .all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_interfaces_are_checked() {
        assert!(is_mac_address("92:d0:c6:0a:29:33") && is_mac_address("92-d0-c6-0a-29-33"));
        for bad in ["", "92:d0:c6:0a:29", "92:d0:c6:0a:29:3g", "92d0c60a2933"] {
            assert!(!is_mac_address(bad), "{bad}");
        }
    }
}
