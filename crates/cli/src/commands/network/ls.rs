//! `tierce network ls`

use crate::commands::container::ps;
use crate::context::Context;
use crate::error::Error;
use crate::help::{self, FORMAT};
use crate::output;
use clap::Args;
use serde_json::{Map, Value};
use tierce_api_types::network::Network;
use tierce_flags::filter::{self, Filter};
use tierce_format::listing::{self, Column, Listing};
use tierce_format::{order, time};

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, FILTERS))]
pub(crate) struct List {
    /// Provide filter values (e.g. "driver=bridge")
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];
const COLUMNS: &[Column] = &[
    Column::new("ID", "NETWORK ID", true),
    Column::new("Name", "NAME", true),
    Column::new("Driver", "DRIVER", true),
    Column::new("Scope", "SCOPE", true),
    Column::new("CreatedAt", "CREATED AT", false),
    Column::new("IPv4", "IPV4", false),
    Column::new("IPv6", "IPV6", false),
    Column::new("Internal", "INTERNAL", false),
    Column::new("Labels", "LABELS", false),
];

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let filters = filter::collect(&self.filter);
        let mut networks = context.client.networks().list(&filters).await?;
        networks.sort_by(|one, other| order::natural(&one.name, &other.name));
        let rows: Vec<_> = networks.iter().map(|network| row(network, !self.no_trunc)).collect();
        let format = match self.format.as_str() {
            "" if !self.quiet => context.format("", "networksFormat")?,
            format => format.to_owned(),
        };
        output::print(
            &Listing {
                columns: COLUMNS,
                also: &[],
                format: &format,
                quiet: self.quiet.then_some("ID"),
            },
            &rows,
        )
    }
}

fn row(network: &Network, truncate: bool) -> Map<String, Value> {
    let length = if truncate { 12 } else { network.id.len() };
    let labels = network.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let created = network.created.parse().map(time::utc);
    let fields = [
        ("ID", network.id.chars().take(length).collect()),
        ("Name", network.name.clone()),
        ("Driver", network.driver.clone()),
        ("Scope", network.scope.clone()),
        ("CreatedAt", created.unwrap_or_else(|_| network.created.clone())),
        ("IPv4", network.enable_ipv4.to_string()),
        ("IPv6", network.enable_ipv6.to_string()),
        ("Internal", network.internal.to_string()),
        ("Labels", labels.collect::<Vec<_>>().join(",")),
    ];
    let mut row: Map<String, Value> = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    row.insert(listing::LABEL.to_owned(), ps::labels_of(network.labels.iter()));
    row
}
