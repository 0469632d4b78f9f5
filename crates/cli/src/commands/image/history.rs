//! `tierce history`

use super::platform;
use crate::context::Context;
use crate::error::Error;
use crate::help::{self, FORMAT};
use crate::output;
use clap::Args;
use serde_json::{Map, Value};
use tierce_api_types::image::HistoryItem;
use tierce_format::listing::{Column, Listing};
use tierce_format::{time, units};

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, &[]))]
pub(crate) struct History {
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "IMAGE")]
    image: String,
}

const COLUMNS: &[Column] = &[
    Column::new("ID", "IMAGE", true),
    Column::new("CreatedSince", "CREATED", true),
    Column::new("CreatedBy", "CREATED BY", true),
    Column::new("Size", "SIZE", true),
    Column::new("Comment", "COMMENT", true),
    Column::new("CreatedAt", "CREATED AT", false),
];

/// The same for who wants exact times.
const EXACT_COLUMNS: &[Column] = &[
    Column::new("ID", "IMAGE", true),
    Column::new("CreatedAt", "CREATED AT", true),
    Column::new("CreatedBy", "CREATED BY", true),
    Column::new("Size", "SIZE", true),
    Column::new("Comment", "COMMENT", true),
    Column::new("CreatedSince", "CREATED", false),
];

impl History {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let platform = platform::document(&self.platform).map_err(platform::named)?;
        let items = context.client.images().history(&self.image, &platform).await?;
        let rows: Vec<_> = items.iter().map(|item| self.row(item)).collect();
        output::print(
            &Listing {
                columns: if self.human { COLUMNS } else { EXACT_COLUMNS },
                also: &[],
                format: &self.format,
                quiet: self.quiet.then_some("ID"),
            },
            &rows,
        )
    }

    fn row(&self, item: &HistoryItem) -> Map<String, Value> {
        let created = time::from_unix(item.created);
        let at = time::local_seconds(created);
        let id = if self.no_trunc || item.id == "<missing>" {
            item.id.clone()
        } else {
            super::images::short_id(&item.id)
        };
        let by = item.created_by.replace('\t', " ");
        let (since, size) = if self.human {
            (format!("{} ago", time::since(created)), units::size(item.size as f64))
        } else {
            (at.clone(), item.size.to_string())
        };
        let fields = [
            ("ID", id),
            ("CreatedSince", since),
            ("CreatedAt", at),
            ("CreatedBy", if self.no_trunc { by } else { units::ellipsis(&by, 45) }),
            ("Size", size),
            ("Comment", item.comment.clone()),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect()
    }
}
