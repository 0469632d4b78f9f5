//! `tierce history`

use crate::context::Context;
use crate::error::Error;
use crate::output::listing::{self, Column, Listing};
use crate::output::{time, units};
use clap::Args;
use serde_json::{Map, Value};
use tierce_api_types::image::HistoryItem;

#[derive(Args)]
pub(crate) struct History {
    /// Format output: 'table', 'table TEMPLATE', 'json', or a Go template over .ID .CreatedSince .CreatedAt .CreatedBy
    /// .Size .Comment
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    human: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
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

impl History {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let items = context.client.images().history(&self.image).await?;
        let rows: Vec<_> = items.iter().map(|item| self.row(item)).collect();
        listing::print(
            &Listing {
                columns: COLUMNS,
                also: &[],
                format: &self.format,
                quiet: self.quiet.then_some("ID"),
            },
            &rows,
        )
    }

    fn row(&self, item: &HistoryItem) -> Map<String, Value> {
        let created = time::from_unix(item.created);
        let id = item.id.trim_start_matches("sha256:");
        let id = if self.no_trunc || id == "<missing>" {
            item.id.clone()
        } else {
            id.chars().take(12).collect()
        };
        let by = item.created_by.replace('\t', " ");
        let since = if self.human {
            format!("{} ago", time::since(created))
        } else {
            created.to_string()
        };
        let size = if self.human {
            units::size(item.size as f64)
        } else {
            item.size.to_string()
        };
        let fields = [
            ("ID", id),
            ("CreatedSince", since),
            ("CreatedAt", created.to_string()),
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
