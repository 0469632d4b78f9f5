//! Flags about what a container is called, and how it finds others by name.

use crate::Error;
use clap::Args;
use tierce_api_types::container::{Config, HostConfig};

#[derive(Debug, Args)]
pub(crate) struct NameFlags {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "list")]
    add_host: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "list")]
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
    pub(crate) fn apply(&self, config: &mut Config, host: &mut HostConfig) -> Result<(), Error> {
        let list = |words: &Vec<String>| Some(words.clone());
        config.hostname.clone_from(&self.hostname);
        config.domainname.clone_from(&self.domainname);
        host.dns = list(&self.dns);
        host.dns_options = list(&self.dns_option);
        host.dns_search = list(&self.dns_search);
        host.extra_hosts = (!self.add_host.is_empty()).then(|| self.extra_hosts()).transpose()?;
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
}
