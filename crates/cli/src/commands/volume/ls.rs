//! `tierce volume ls`

use crate::commands::container::ps;
use crate::context::Context;
use crate::error::Error;
use crate::help::{self, FORMAT};
use crate::output;
use clap::Args;
use serde_json::{Map, Value};
use tierce_api_types::volume::Volume;
use tierce_flags::filter::{self, Filter};
use tierce_format::listing::{self, Column, Listing};
use tierce_format::{order, units};

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, FILTERS))]
pub(crate) struct List {
    /// Provide filter values (e.g. "dangling=true")
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

const FILTERS: &[&str] = &["dangling", "driver", "label", "name"];
const COLUMNS: &[Column] = &[
    Column::new("Driver", "DRIVER", true),
    Column::new("Name", "VOLUME NAME", true),
    Column::new("Availability", "AVAILABILITY", false),
    Column::new("Group", "GROUP", false),
    Column::new("Labels", "LABELS", false),
    Column::new("Links", "LINKS", false),
    Column::new("Mountpoint", "MOUNTPOINT", false),
    Column::new("Scope", "SCOPE", false),
    Column::new("Size", "SIZE", false),
    Column::new("Status", "STATUS", false),
];

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let filters = filter::collect(&self.filter);
        let mut volumes = context.client.volumes().list(&filters).await?.volumes;
        volumes.sort_by(|one, other| order::natural(&one.name, &other.name));
        let rows: Vec<_> = volumes.iter().map(row).collect();
        let format = match self.format.as_str() {
            "" if !self.quiet => context.format("", "volumesFormat")?,
            format => format.to_owned(),
        };
        output::print(
            &Listing {
                columns: COLUMNS,
                also: &[],
                format: &format,
                quiet: self.quiet.then_some("Name"),
            },
            &rows,
        )
    }
}

/// The fields of a volume; what only `system df` knows is `N/A` elsewhere.
pub(in crate::commands) fn row(volume: &Volume) -> Map<String, Value> {
    let not_known = || "N/A".to_owned();
    let labels = volume
        .labels
        .iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value}"));
    let usage = volume.usage_data.as_ref();
    let fields = [
        ("Availability", not_known()),
        ("Driver", volume.driver.clone()),
        ("Group", not_known()),
        ("Labels", labels.collect::<Vec<_>>().join(",")),
        (
            "Links",
            usage.map_or_else(not_known, |usage| usage.ref_count.to_string()),
        ),
        ("Mountpoint", volume.mountpoint.clone()),
        ("Name", volume.name.clone()),
        ("Scope", volume.scope.clone()),
        (
            "Size",
            usage.map_or_else(not_known, |usage| units::exact_size(usage.size as f64)),
        ),
        ("Status", not_known()),
    ];
    let mut row: Map<String, Value> = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    row.insert(listing::LABEL.to_owned(), ps::labels_of(volume.labels.iter().flatten()));
    row
}
