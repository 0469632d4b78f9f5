//! Flags about what a container is called, and how it finds others by name.

use clap::Args;
use tierce_api_types::container::{Config, HostConfig};

#[derive(Debug, Args)]
pub(crate) struct NameFlags {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "list", value_parser = parse_host)]
    add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "list", value_parser = parse_server)]
    dns: Vec<String>,
    /// Set DNS options
    #[arg(long, alias = "dns-opt", value_name = "list")]
    dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "list")]
    dns_search: Vec<String>,
    /// Container NIS domain name
    #[arg(long, default_value = "", hide_default_value = true)]
    domainname: String,
    /// Container host name
    #[arg(short = 'h', long, default_value = "", hide_default_value = true)]
    hostname: String,
}

impl NameFlags {
    pub(crate) fn apply(&self, config: &mut Config, host: &mut HostConfig) {
        let list = |words: &Vec<String>| Some(words.clone());
        config.hostname.clone_from(&self.hostname);
        config.domainname.clone_from(&self.domainname);
        host.dns = list(&self.dns);
        host.dns_options = list(&self.dns_option);
        host.dns_search = list(&self.dns_search);
        host.extra_hosts = (!self.add_host.is_empty()).then(|| self.add_host.clone());
    }
}

/// `name:address` or `name=address`, as the daemon wants it.
fn parse_host(text: &str) -> Result<String, String> {
    let pair = text
        .split_once(['=', ':'])
        .filter(|(name, address)| !name.is_empty() && !address.is_empty());
    let (name, address) = pair.ok_or_else(|| format!("bad format for add-host: {text:?}"))?;
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(address);
    if address != "host-gateway" && address.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address in add-host: {address:?}"));
    }
    Ok(format!("{name}:{address}"))
}

fn parse_server(text: &str) -> Result<String, String> {
    match text.trim().parse::<std::net::IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("IP address is not correctly formatted: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_servers_are_read_as_docker_reads_them() {
        assert_eq!(parse_host("a:1.2.3.4").unwrap(), "a:1.2.3.4");
        assert_eq!(parse_host("a=[::1]").unwrap(), "a:::1");
        assert_eq!(parse_host("a:host-gateway").unwrap(), "a:host-gateway");
        assert!(parse_host("a").is_err() && parse_host("a:b").is_err() && parse_server("x").is_err());
    }
}
