//! `tierce inspect` and `tierce container inspect`

use crate::context::Context;
use crate::error::{self, Error};
use crate::help::INSPECT_FORMAT;
use crate::output::go_names;
use clap::Args;
use serde_json::Value;
use serde_json::value::RawValue;
use tierce_format::{indent, template};

#[derive(Args)]
pub(crate) struct Inspect {
    #[arg(short, long, default_value = "", hide_default_value = true, help = INSPECT_FORMAT)]
    format: String,
    /// Display total file sizes if the type is container
    #[arg(short, long)]
    size: bool,
    /// Only inspect objects of the given type
    #[arg(long, default_value = "", hide_default_value = true, value_parser = ["", "container", "image", "network", "volume"])]
    r#type: String,
    #[arg(required = true, value_name = "NAME|ID")]
    names: Vec<String>,
}

impl Inspect {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        inspect(&self.names, &self.format, async |name| {
            any(context, name, &self.r#type, self.size).await
        })
        .await
    }
}

#[derive(Args)]
pub(crate) struct InspectContainer {
    #[arg(short, long, default_value = "", hide_default_value = true, help = INSPECT_FORMAT)]
    format: String,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
    #[arg(required = true, value_name = "CONTAINER")]
    names: Vec<String>,
}

impl InspectContainer {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        inspect(&self.names, &self.format, async |name| {
            Ok(context.client.containers().inspect_raw(name, self.size).await?)
        })
        .await
    }
}

/// Looks each name up, prints all that were found, then fails with those that were not.
pub(crate) async fn inspect(
    names: &[String],
    format: &str,
    mut look: impl AsyncFnMut(&str) -> Result<Box<RawValue>, Error>,
) -> Result<(), Error> {
    // A form that is none is told before anybody is asked.
    parse(format)?;
    let mut found = Vec::new();
    for name in names {
        found.push(look(name).await);
    }
    show(found, format)
}

fn parse(format: &str) -> Result<Option<template::Template>, Error> {
    template::Template::parse(format).map_err(|error| Error::Failed {
        text: error.to_string(),
        code: error::BAD_TEMPLATE,
    })
}

fn array(documents: &[Box<RawValue>]) -> String {
    let documents: Vec<&str> = documents.iter().map(|document| document.get()).collect();
    format!("[{}]", documents.join(","))
}

/// A form that shows the whole document: then its members keep the daemon's order.
pub(crate) fn is_whole(format: &str) -> bool {
    format == "json" || format.split_whitespace().collect::<String>() == "{{json.}}"
}

/// Prints what was found, then fails with what was not.
pub(crate) fn show(found: Vec<Result<Box<RawValue>, Error>>, format: &str) -> Result<(), Error> {
    let template = parse(format)?;
    let mut documents = Vec::new();
    let mut failures = Vec::new();
    for one in found {
        match one {
            Ok(document) => documents.push(document),
            Err(error) => failures.push(error.to_string()),
        }
    }
    match &template {
        None => {
            println!("{}", indent::indented(&array(&documents)));
        }
        // A list, as without a form, on one line.
        Some(_) if format == "json" => println!("{}", array(&documents)),
        Some(template) => {
            let (mut lines, mut failure) = (Vec::new(), Ok(()));
            for document in &documents {
                if is_whole(format) {
                    lines.push(document.get().to_owned());
                    continue;
                }
                // A raw value is always JSON.
                let document: Value = serde_json::from_str(document.get()).unwrap_or_default();
                match go_names::render(template, &document) {
                    Ok(line) => lines.push(line),
                    Err(error) => {
                        failure = Err(error);
                        break;
                    }
                }
            }
            // Also when there is none, as Docker does.
            println!("{}", lines.join("\n"));
            failure?;
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Error::failed(failures.join("\n")))
    }
}

/// The first object of that name, in Docker's order: container, image, network, volume.
async fn any(context: &Context, name: &str, kind: &str, size: bool) -> Result<Box<RawValue>, Error> {
    let client = &context.client;
    for candidate in ["container", "image", "network", "volume"] {
        if !kind.is_empty() && kind != candidate {
            continue;
        }
        let result = match candidate {
            "container" => client.containers().inspect_raw(name, size).await,
            "image" => client.images().inspect_raw(name, "").await,
            "network" => client.networks().inspect_raw(name, false).await,
            _ => client.volumes().inspect_raw(name).await,
        };
        match result {
            Err(error) if error.status() == Some(404) && kind.is_empty() => {}
            other => return Ok(other?),
        }
    }
    Err(Error::failed(format!("Error: No such object: {name}")))
}
