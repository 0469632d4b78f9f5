//! `tierce events`

use crate::commands::container::is_whole;
use crate::context::Context;
use crate::error::Error;
use crate::help::{self, INSPECT_FORMAT};
use crate::output::go_names;
use clap::Args;
use jiff::Timestamp;
use tierce_api_types::event::EventMessage;
use tierce_client::EventsOptions;
use tierce_flags::filter::{self, Filter};
use tierce_format::template::Template;
use tierce_format::time;

/// Members of an event.
const FIELDS: &[&str] = &[
    "Action",
    "Actor.Attributes",
    "Actor.ID",
    "From",
    "ID",
    "Scope",
    "Status",
    "Time",
    "TimeNano",
    "Type",
];
const FILTERS: &[&str] = &[
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "plugin",
    "scope",
    "type",
    "volume",
];

#[derive(Args)]
#[command(after_help = help::accepted_names(FIELDS, FILTERS))]
pub(crate) struct Events {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    #[arg(long, default_value = "", hide_default_value = true, help = INSPECT_FORMAT)]
    format: String,
    /// Show all events created since timestamp
    #[arg(long, default_value = "", hide_default_value = true)]
    since: String,
    /// Stream events until this timestamp
    #[arg(long, default_value = "", hide_default_value = true)]
    until: String,
}

impl Events {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let template = Template::parse(&self.format)?;
        let options = EventsOptions {
            since: time::moment("since", &self.since)?,
            until: time::moment("until", &self.until)?,
            filters: filter::collect(&self.filter),
        };
        let mut events = context.client.system().events(&options).await?;
        while let Some(event) = events.next().await? {
            match &template {
                None => println!("{}", line(&event)),
                Some(_) if is_whole(&self.format) => {
                    let line = serde_json::to_string(&event)
                        .map_err(|error| Error::failed(format!("encode an event: {error}")))?;
                    println!("{line}");
                }
                Some(template) => {
                    let document = serde_json::to_value(&event)
                        .map_err(|error| Error::failed(format!("encode an event: {error}")))?;
                    println!("{}", go_names::render(template, &document)?);
                }
            }
        }
        Ok(())
    }
}

/// `TIME TYPE ACTION ID (name=value, …)`.
fn line(event: &EventMessage) -> String {
    let moment =
        Timestamp::from_nanosecond(i128::from(event.time_nano)).unwrap_or_else(|_| time::from_unix(event.time));
    let attributes: Vec<String> = event
        .actor
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut text = format!(
        "{} {} {} {}",
        time::local_nanoseconds(moment),
        event.kind,
        event.action,
        event.actor.id
    );
    if !attributes.is_empty() {
        text = format!("{text} ({})", attributes.join(", "));
    }
    text
}
