//! `tierce search`

use crate::context::Context;
use crate::error::Error;
use crate::help;
use crate::output;
use clap::Args;
use serde_json::{Map, Value};
use tierce_flags::filter::{self, Filter};
use tierce_format::listing::{Column, Listing};

/// Longest description that is shown whole.
const DESCRIPTION: usize = 45;

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, FILTERS))]
pub(crate) struct Search {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    /// Pretty-print search using a Go template
    #[arg(long, default_value = "", hide_default_value = true)]
    format: String,
    /// Max number of search results
    #[arg(long, value_name = "int")]
    limit: Option<i64>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "TERM")]
    term: String,
}

const FILTERS: &[&str] = &["is-automated", "is-official", "stars"];
const COLUMNS: &[Column] = &[
    Column::new("Name", "NAME", true),
    Column::new("Description", "DESCRIPTION", true),
    Column::new("StarCount", "STARS", true),
    Column::new("IsOfficial", "OFFICIAL", true),
];

impl Search {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let filters = filter::collect(&self.filter);
        let registry = self.term.split_once('/').map(|(registry, _)| registry);
        let address = super::address(registry.filter(|registry| registry.contains(['.', ':'])));
        let auth = context.config()?.get(&address)?;
        let mut found = context
            .client
            .images()
            .search(&self.term, self.limit, &filters, auth.as_ref())
            .await?;
        found.sort_by_key(|one| std::cmp::Reverse(one.star_count));
        let rows: Vec<Map<String, Value>> = found
            .iter()
            .map(|one| {
                let fields = [
                    ("Name", one.name.clone()),
                    ("Description", description(&one.description, self.no_trunc)),
                    ("StarCount", one.star_count.to_string()),
                    ("IsOfficial", if one.is_official { "[OK]" } else { "" }.to_owned()),
                ];
                fields
                    .map(|(name, value)| (name.to_owned(), Value::from(value)))
                    .into_iter()
                    .collect()
            })
            .collect();
        let listing = Listing {
            columns: COLUMNS,
            also: &[],
            format: &self.format,
            quiet: None,
        };
        output::print(&listing, &rows)
    }
}

/// One line, cut unless it is wanted whole.
fn description(text: &str, whole: bool) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if whole || text.chars().count() <= DESCRIPTION {
        return text;
    }
    let cut: String = text.chars().take(DESCRIPTION - 1).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::description;

    #[test]
    fn row_033_long_descriptions_are_cut() {
        assert_eq!(description("a\nb", false), "a b");
        let long = "x".repeat(50);
        assert_eq!(description(&long, false), format!("{}…", "x".repeat(44)));
        assert_eq!(description(&long, true), long);
    }
}
