//! Flags about the network.

use super::ports;
use crate::error::Error;
use clap::Args;
use std::collections::BTreeMap;
use tierce_api_types::container::{Config, HostConfig, NetworkingConfig};
use tierce_api_types::network::{EndpointIpam, EndpointSettings};
use tierce_oci::container::Empty;

#[derive(Args)]
pub(super) struct NetworkFlags {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "list")]
    add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "list")]
    dns: Vec<String>,
    /// Set DNS options
    #[arg(long, visible_alias = "dns-opt", value_name = "list")]
    dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "list")]
    dns_search: Vec<String>,
    /// Container NIS domain name
    #[arg(long, default_value = "", hide_default_value = true)]
    domainname: String,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "list")]
    expose: Vec<String>,
    /// Container host name
    #[arg(short = 'h', long, default_value = "", hide_default_value = true)]
    hostname: String,
    /// IPv4 address (e.g., 172.30.100.104)
    #[arg(long, default_value = "", hide_default_value = true)]
    ip: String,
    /// IPv6 address (e.g., 2001:db8::33)
    #[arg(long, default_value = "", hide_default_value = true)]
    ip6: String,
    /// Container MAC address (e.g., 92:d0:c6:0a:29:33)
    #[arg(long, default_value = "", hide_default_value = true)]
    mac_address: String,
    /// Connect a container to a network (bridge, none, host, container:<name|id>, or a network)
    #[arg(long, visible_alias = "net", default_value = "", hide_default_value = true)]
    network: String,
    /// Add network-scoped alias for the container
    #[arg(long, visible_alias = "net-alias", value_name = "list")]
    network_alias: Vec<String>,
    /// Publish a container's port(s) to the host
    #[arg(short, long, value_name = "list")]
    publish: Vec<String>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    publish_all: bool,
}

impl NetworkFlags {
    pub(super) fn apply(&self, config: &mut Config, host: &mut HostConfig) -> Result<(), Error> {
        let list = |words: &Vec<String>| Some(words.clone());
        config.hostname.clone_from(&self.hostname);
        config.domainname.clone_from(&self.domainname);
        config.mac_address.clone_from(&self.mac_address);
        host.dns = list(&self.dns);
        host.dns_options = list(&self.dns_option);
        host.dns_search = list(&self.dns_search);
        host.extra_hosts = (!self.add_host.is_empty()).then(|| self.extra_hosts()).transpose()?;
        host.network_mode = if self.network.is_empty() {
            "default".to_owned()
        } else {
            self.network.clone()
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

    /// `name:address` or `name=address`, as the daemon wants it.
    fn extra_hosts(&self) -> Result<Vec<String>, Error> {
        let parse = |text: &String| match text.split_once(['=', ':']) {
            Some((name, address)) if !name.is_empty() && !address.is_empty() => {
                let address = address
                    .strip_prefix('[')
                    .and_then(|rest| rest.strip_suffix(']'))
                    .unwrap_or(address);
                if address != "host-gateway" && address.parse::<std::net::IpAddr>().is_err() {
                    return Err(Error::usage(format!("invalid IP address in add-host: \"{address}\"")));
                }
                Ok(format!("{name}:{address}"))
            }
            _ => Err(Error::usage(format!("bad format for add-host: \"{text}\""))),
        };
        self.add_host.iter().map(parse).collect()
    }

    /// What is asked of the one network named.
    pub(super) fn networking(&self) -> Result<NetworkingConfig, Error> {
        let asks = !self.ip.is_empty() || !self.ip6.is_empty() || !self.network_alias.is_empty();
        let mut endpoints_config = BTreeMap::new();
        if asks {
            for (flag, address) in [("--ip", &self.ip), ("--ip6", &self.ip6)] {
                if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
                    return Err(Error::usage(format!(
                        "invalid argument \"{address}\" for \"{flag}\" flag: ip is not valid"
                    )));
                }
            }
            let ipam = EndpointIpam {
                ipv4_address: self.ip.clone(),
                ipv6_address: self.ip6.clone(),
                ..EndpointIpam::default()
            };
            let aliases = (!self.network_alias.is_empty()).then(|| self.network_alias.clone());
            let settings = EndpointSettings {
                ipam_config: Some(ipam),
                aliases,
                ..EndpointSettings::default()
            };
            let name = if self.network.is_empty() {
                "default"
            } else {
                &self.network
            };
            endpoints_config.insert(name.to_owned(), Some(settings));
        }
        Ok(NetworkingConfig { endpoints_config })
    }
}
