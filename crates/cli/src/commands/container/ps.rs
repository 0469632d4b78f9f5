//! `tierce ps`

use crate::context::Context;
use crate::error::Error;
use crate::help::{self, FORMAT};
use crate::output;
use crate::output::ports;
use clap::Args;
use serde_json::{Map, Value};
use tierce_api_types::container::ContainerSummary;
use tierce_client::ListContainers;
use tierce_flags::filter::{self, Filter};
use tierce_format::listing::{self, Column, Listing};
use tierce_format::{time, units};

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, FILTERS))]
pub(crate) struct Ps {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
    /// Show n last created containers (includes all states)
    #[arg(
        short = 'n',
        long,
        value_name = "int",
        default_value = "-1",
        allow_negative_numbers = true
    )]
    last: i64,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

const FILTERS: &[&str] = &[
    "ancestor", "before", "exited", "expose", "health", "id", "label", "name", "network", "publish", "since", "status",
    "volume",
];
const COLUMNS: &[Column] = &[
    Column::new("ID", "CONTAINER ID", true),
    Column::new("Image", "IMAGE", true),
    Column::new("Command", "COMMAND", true),
    Column::new("RunningFor", "CREATED", true),
    Column::new("Status", "STATUS", true),
    Column::new("Ports", "PORTS", true),
    Column::new("Names", "NAMES", true),
    Column::new("Size", "SIZE", false),
    Column::new("CreatedAt", "CREATED AT", false),
    Column::new("State", "STATE", false),
    Column::new("Labels", "LABELS", false),
    Column::new("Mounts", "MOUNTS", false),
    Column::new("Networks", "NETWORKS", false),
    Column::new("LocalVolumes", "LOCAL VOLUMES", false),
];

impl Ps {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let limit = if self.latest {
            Some(1)
        } else {
            Some(self.last).filter(|last| *last > 0)
        };
        if self.quiet && !self.format.is_empty() {
            eprintln!("WARNING: Ignoring custom format, because both --format and --quiet are set.");
        }
        let format = if self.quiet {
            String::new()
        } else {
            context.format(&self.format, "psFormat")?
        };
        let size = self.size || format.contains(".Size");
        let options = ListContainers {
            all: self.all,
            limit,
            size,
            filters: filter::collect(&self.filter),
        };
        let found = context.client.containers().list(&options).await?;
        let listing = Listing {
            columns: COLUMNS,
            also: if self.size { &["Size"] } else { &[] },
            format: &format,
            quiet: self.quiet.then_some("ID"),
        };
        // Each is let go before the next one's row is made, so that rows take its place in memory.
        let rows = found
            .into_iter()
            .map(|container| row(&container, !self.no_trunc, |name| listing.shows(name)));
        output::print(&listing, &rows.collect::<Vec<_>>())
    }
}

/// The wanted fields of a container.
pub(in crate::commands) fn row(
    container: &ContainerSummary,
    truncate: bool,
    wanted: impl Fn(&str) -> bool,
) -> Map<String, Value> {
    let columns = COLUMNS.iter().map(Column::name).filter(|name| wanted(name));
    let mut row: Map<String, Value> = columns
        .map(|name| (name.to_owned(), Value::String(field(container, name, truncate))))
        .collect();
    // Docker tells it only where an image store keeps several platforms.
    if wanted("Platform") {
        row.insert("Platform".to_owned(), Value::Null);
    }
    if wanted(listing::LABEL) {
        row.insert(listing::LABEL.to_owned(), labels_of(&container.labels));
    }
    row
}

/// One field of a container, by its column's name.
fn field(container: &ContainerSummary, name: &str, truncate: bool) -> String {
    let short = |text: &str, length: usize| {
        if truncate {
            units::ellipsis(text, length)
        } else {
            text.to_owned()
        }
    };
    match name {
        "ID" if truncate => container.id.chars().take(12).collect(),
        "ID" => container.id.clone(),
        "Image" => image(container, truncate),
        "Command" => format!("\"{}\"", short(&container.command, 20)),
        "RunningFor" => format!("{} ago", time::since(time::from_unix(container.created))),
        "CreatedAt" => time::local(time::from_unix(container.created)),
        "Status" => container.status.clone(),
        "State" => container.state.clone(),
        "Ports" => ports::summary(&container.ports),
        "Names" => {
            let names = container.names.iter().map(|name| name.trim_start_matches('/'));
            // A name with a second slash is a link of another container; shown only in full.
            joined(names.filter(|name| !truncate || !name.contains('/')))
        }
        "Size" => size(container),
        "Labels" => joined(container.labels.iter().map(|(name, value)| format!("{name}={value}"))),
        "Mounts" => joined(container.mounts.iter().map(|mount| {
            let name = if mount.name.is_empty() {
                &mount.source
            } else {
                &mount.name
            };
            short(name, 15)
        })),
        "Networks" => {
            let settings = container.network_settings.iter();
            joined(settings.flat_map(|settings| settings.networks.keys()))
        }
        "LocalVolumes" => {
            let volumes = container.mounts.iter().filter(|mount| mount.kind == "volume");
            volumes.count().to_string()
        }
        _ => String::new(),
    }
}

fn joined<S: AsRef<str>>(words: impl Iterator<Item = S>) -> String {
    let mut text = String::new();
    for (index, word) in words.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(word.as_ref());
    }
    text
}

fn size(container: &ContainerSummary) -> String {
    let own = units::size(container.size_rw as f64);
    match container.size_root_fs {
        whole if whole > 0 => format!("{own} (virtual {})", units::size(whole as f64)),
        _ => own,
    }
}

/// Labels for the method of a row.
pub(in crate::commands) fn labels_of<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
    let labels = labels
        .into_iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(labels.collect())
}

fn image(container: &ContainerSummary, truncate: bool) -> String {
    if container.image.is_empty() {
        return "<no image>".to_owned();
    }
    match container.image.strip_prefix("sha256:") {
        Some(hex) if truncate => hex.chars().take(12).collect(),
        _ => container.image.clone(),
    }
}
