//! `tierce import`

use super::load::opening;
use crate::context::Context;
use crate::error::Error;
use crate::output::progress::Progress;
use crate::terminal;
use clap::Args;
use std::fs::File;
use std::io;
use tierce_client::{ImportImage, Upload};
use tierce_oci::Reference;

#[derive(Args)]
pub(crate) struct Import {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long, default_value = "", hide_default_value = true)]
    message: String,
    /// Set platform if server is multi-platform capable
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(value_name = "file|URL|-")]
    source: String,
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Import {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (repository, tag) = split_name(self.name.as_deref())?;
        let archive = if self.source == "-" {
            Some(Upload::from_reader(io::stdin()))
        } else if self.source.starts_with("http://") || self.source.starts_with("https://") {
            None
        } else {
            let file =
                File::open(&self.source).map_err(|error| Error::failed(opening(self.source.as_ref(), &error)))?;
            Some(Upload::from_reader(file))
        };
        let options = ImportImage {
            address: self.source,
            repository,
            tag,
            message: self.message,
            platform: self.platform,
            changes: self.change,
        };
        let mut messages = context.client.images().import(&options, archive).await?;
        let mut progress = Progress::new(io::stdout(), terminal::stdout_is_terminal());
        while let Some(message) = messages.next().await? {
            progress.show(&message)?;
        }
        Ok(())
    }
}

/// A name for a new image, in two parts as the daemon takes it; both empty when there is none.
pub(in crate::commands) fn split_name(name: Option<&str>) -> Result<(String, String), Error> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok((String::new(), String::new()));
    };
    let reference = Reference::parse(name).map_err(|error| Error::failed(error.to_string()))?;
    if reference.digest().is_some() {
        return Err(Error::failed("refusing to create a tag with a digest reference"));
    }
    Ok((
        reference.familiar_name(),
        reference.tag().unwrap_or_default().to_owned(),
    ))
}
