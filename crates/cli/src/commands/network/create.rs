//! `tierce network create`

use super::pools;
use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_api_types::network::{ConfigReference, Ipam, NetworkCreate};
use tierce_flags::filter::{self, Commas};
use tierce_flags::pairs;

#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    kind: Kind,
    #[command(flatten)]
    addresses: Addresses,
    /// Driver to manage the Network
    #[arg(short, long, default_value = "bridge")]
    driver: String,
    /// Set metadata on a network
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "map", value_parser = pairs::pair)]
    opt: Vec<(String, String)>,
    #[arg(value_name = "NETWORK")]
    network: String,
}

/// What the network is for.
#[derive(Args)]
struct Kind {
    /// Enable manual container attachment
    #[arg(long)]
    attachable: bool,
    /// The network from which to copy the configuration
    #[arg(long, default_value = "", hide_default_value = true)]
    config_from: String,
    /// Create a configuration only network
    #[arg(long)]
    config_only: bool,
    /// Create swarm routing-mesh network
    #[arg(long)]
    ingress: bool,
    /// Restrict external access to the network
    #[arg(long)]
    internal: bool,
    /// Control the network's scope
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
}

/// Which addresses it has.
#[derive(Args)]
struct Addresses {
    /// Auxiliary IPv4 or IPv6 addresses used by Network driver
    #[arg(long, value_name = "map", value_parser = pairs::pair)]
    aux_address: Vec<(String, String)>,
    /// IPv4 or IPv6 Gateway for the master subnet
    #[arg(long, value_name = "strings")]
    gateway: Vec<Commas>,
    /// Allocate container ip from a sub-range
    #[arg(long, value_name = "strings")]
    ip_range: Vec<Commas>,
    /// IP Address Management Driver
    #[arg(long, default_value = "default")]
    ipam_driver: String,
    /// Set IPAM driver specific options
    #[arg(long, value_name = "map", value_parser = pairs::pair)]
    ipam_opt: Vec<(String, String)>,
    /// Enable or disable IPv4 address assignment
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    ipv4: bool,
    /// Enable or disable IPv6 address assignment
    #[arg(long)]
    ipv6: bool,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, value_name = "strings")]
    subnet: Vec<Commas>,
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let request = self.request()?;
        let created = context.client.networks().create(&request).await?;
        if !created.warning.is_empty() {
            eprintln!("WARNING: {}", created.warning);
        }
        println!("{}", created.id);
        Ok(())
    }

    fn request(self) -> Result<NetworkCreate, Error> {
        let Self {
            kind,
            addresses,
            driver,
            label,
            opt,
            network,
        } = self;
        let config = pools::pools(&pools::Wanted {
            subnets: filter::words(&addresses.subnet),
            ranges: filter::words(&addresses.ip_range),
            gateways: filter::words(&addresses.gateway),
            auxiliary: addresses.aux_address,
        })?;
        let ipam = Ipam {
            driver: addresses.ipam_driver,
            // Also where there are none: inspections show the difference.
            options: Some(addresses.ipam_opt.into_iter().collect()),
            config: (!config.is_empty()).then_some(config),
        };
        Ok(NetworkCreate {
            name: network,
            check_duplicate: false,
            driver,
            scope: kind.scope,
            // The daemon's own choice stands unless the user says otherwise.
            enable_ipv4: (!addresses.ipv4).then_some(false),
            enable_ipv6: addresses.ipv6.then_some(true),
            ipam: Some(ipam),
            internal: kind.internal,
            attachable: kind.attachable,
            ingress: kind.ingress,
            config_only: kind.config_only,
            config_from: (!kind.config_from.is_empty()).then_some(ConfigReference {
                network: kind.config_from,
            }),
            options: opt.into_iter().collect(),
            labels: pairs::labels(&label),
        })
    }
}
