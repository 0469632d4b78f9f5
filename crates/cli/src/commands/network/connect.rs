//! `tierce network connect`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_api_types::network::{EndpointIpam, EndpointSettings, NetworkConnect};
use tierce_flags::filter::{self, Commas};
use tierce_flags::pairs;

#[derive(Args)]
pub(crate) struct Connect {
    /// Add network-scoped alias for the container
    #[arg(long, value_name = "strings")]
    alias: Vec<Commas>,
    /// driver options for the network
    #[arg(long, value_name = "strings", value_parser = pairs::pair)]
    driver_opt: Vec<(String, String)>,
    #[arg(
        help = "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
        long,
        value_name = "int",
        default_value = "0",
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    gw_priority: i64,
    /// IPv4 address (e.g., "172.30.100.104")
    #[arg(long, default_value = "", hide_default_value = true)]
    ip: String,
    /// IPv6 address (e.g., "2001:db8::33")
    #[arg(long, default_value = "", hide_default_value = true)]
    ip6: String,
    /// Add link to another container
    #[arg(long, value_name = "list", value_parser = pairs::link)]
    link: Vec<String>,
    /// Add a link-local address for the container
    #[arg(long, value_name = "strings")]
    link_local_ip: Vec<Commas>,
    network: String,
    container: String,
}

impl Connect {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let list = |words: Vec<String>| (!words.is_empty()).then_some(words);
        let settings = EndpointSettings {
            ipam_config: Some(EndpointIpam {
                ipv4_address: self.ip,
                ipv6_address: self.ip6,
                link_local_ips: filter::words(&self.link_local_ip),
            }),
            links: list(self.link),
            aliases: list(filter::words(&self.alias)),
            driver_opts: (!self.driver_opt.is_empty()).then(|| self.driver_opt.into_iter().collect()),
            gw_priority: self.gw_priority,
            ..EndpointSettings::default()
        };
        let request = NetworkConnect {
            container: self.container,
            endpoint_config: Some(settings),
        };
        Ok(context.client.networks().connect(&self.network, &request).await?)
    }
}
