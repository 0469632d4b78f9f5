//! `tierce push`

use crate::context::Context;
use crate::credentials;
use crate::error::Error;
use crate::output::progress::Progress;
use crate::terminal;
use clap::Args;
use tierce_client::PushImage;
use tierce_oci::{Platform, Reference};

#[derive(Args)]
pub(crate) struct Push {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Push a platform-specific manifest as a single-platform image to the registry
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "NAME[:TAG]")]
    name: String,
}

impl Push {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let reference = Reference::parse(&self.name).map_err(|error| Error::failed(error.to_string()))?;
        let bare = reference.tag().is_none() && reference.digest().is_none();
        if self.all_tags && !bare {
            return Err(Error::failed("tag can't be used with --all-tags/-a"));
        }
        let reference = if self.all_tags {
            reference
        } else {
            reference.with_default_tag()
        };
        if bare && !self.all_tags && !self.quiet {
            println!("Using default tag: {}", tierce_oci::DEFAULT_TAG);
        }
        let options = PushImage {
            name: match reference.digest() {
                Some(_) => reference.familiar(),
                None => reference.familiar_name(),
            },
            tag: reference.tag().unwrap_or_default().to_owned(),
            platform: platform_document(&self.platform)?,
            auth: credentials::for_image(&reference)?,
        };
        let mut messages = context.client.images().push(&options).await?;
        let mut progress: Progress<Box<dyn std::io::Write>> = if self.quiet {
            Progress::new(Box::new(std::io::sink()), false)
        } else {
            Progress::new(Box::new(std::io::stdout()), terminal::stdout_is_terminal())
        };
        while let Some(message) = messages.next().await? {
            progress.show(&message)?;
        }
        if self.quiet {
            println!("{reference}");
        }
        Ok(())
    }
}

/// A platform as newer daemons take it: OCI's document as JSON; nothing stays nothing.
pub(in crate::commands) fn platform_document(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let platform: Platform = text
        .parse()
        .map_err(|error: tierce_oci::Error| Error::failed(format!("invalid platform: {error}")))?;
    serde_json::to_string(&platform).map_err(|error| Error::failed(error.to_string()))
}
