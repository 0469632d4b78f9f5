//! `tierce context ls`

use crate::context::{Choice, variable};
use crate::error::Error;
use crate::help::{self, FORMAT};
use crate::output;
use clap::Args;
use serde_json::{Map, Value, json};
use tierce_format::listing::{Column, Listing};
use tierce_format::order;
use tierce_settings::DEFAULT;

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, &[]))]
pub(crate) struct List {
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
    /// Only show context names
    #[arg(short, long)]
    quiet: bool,
}

const COLUMNS: &[Column] = &[
    Column::new("Name", "NAME", true),
    Column::new("Description", "DESCRIPTION", true),
    Column::new("DockerEndpoint", "DOCKER ENDPOINT", true),
    Column::new("Error", "ERROR", true),
    // No head: it must not mark the head of the table.
    Column::new("Current", "", false),
];
/// The context in use is marked.
const TABLE: &str = "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}";

impl List {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        let mut rows = vec![row(
            choice,
            DEFAULT,
            "Current DOCKER_HOST based configuration",
            &choice.default_host(),
            "",
        )];
        for context in choice.settings.contexts().list()? {
            let (host, error) = match context.endpoint() {
                Some(endpoint) => (endpoint.host, ""),
                None => (String::new(), "cannot find docker endpoint in context"),
            };
            rows.push(row(choice, &context.name, context.description(), &host, error));
        }
        if !rows.iter().any(|row| row["Current"] == true)
            && let Err(error) = choice.settings.contexts().get(&choice.name)
        {
            rows.push(row(choice, &choice.name, "", "", &error.to_string()));
        }
        rows.sort_by(|one, other| {
            let name = |row: &Map<String, Value>| row["Name"].as_str().unwrap_or_default().to_owned();
            order::natural(&name(one), &name(other))
        });
        let format = match self.format.as_str() {
            "" | "table" if !self.quiet => TABLE,
            format => format,
        };
        output::print(
            &Listing {
                columns: COLUMNS,
                also: &[],
                format,
                quiet: self.quiet.then_some("Name"),
            },
            &rows,
        )?;
        if variable("DOCKER_HOST").is_some() {
            eprintln!(
                "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the \
                 global --context flag, or unset DOCKER_HOST environment variable."
            );
        }
        Ok(())
    }
}

fn row(choice: &Choice, name: &str, description: &str, host: &str, error: &str) -> Map<String, Value> {
    let fields = [
        ("Current", json!(name == choice.name)),
        ("Description", json!(description)),
        ("DockerEndpoint", json!(host)),
        ("Error", json!(error)),
        ("Name", json!(name)),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}
