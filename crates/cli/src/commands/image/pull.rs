//! `tierce pull`, and the pull of `run`.

use crate::context::Context;
use crate::error::Error;
use crate::output::progress::Progress;
use crate::terminal;
use clap::Args;
use std::io::IsTerminal;
use tierce_client::PullImage;
use tierce_oci::Reference;

#[derive(Args)]
pub(crate) struct Pull {
    /// Download all tagged images in the repository
    #[arg(short, long)]
    all_tags: bool,
    #[command(flatten)]
    trust: super::trust::Verification,
    /// Set platform if server is multi-platform capable
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: String,
}

impl Pull {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        self.trust.check()?;
        let reference = Reference::parse(&self.name).map_err(|error| Error::failed(error.to_string()))?;
        let bare = reference.tag().is_none() && reference.digest().is_none();
        if self.all_tags && !bare {
            return Err(Error::failed("tag can't be used with --all-tags/-a"));
        }
        if bare && !self.all_tags && !self.quiet {
            println!("Using default tag: {}", tierce_oci::DEFAULT_TAG);
        }
        pull(
            context,
            &self.name,
            &self.platform,
            self.all_tags,
            self.quiet,
            Output::Stdout,
        )
        .await?;
        println!("{}", reference.with_default_tag());
        Ok(())
    }
}

/// Where progress goes.
#[derive(Clone, Copy)]
pub(in crate::commands) enum Output {
    Stdout,
    Stderr,
}

/// Pulls an image and shows the progress.
pub(in crate::commands) async fn pull(
    context: &Context,
    name: &str,
    platform: &str,
    all_tags: bool,
    quiet: bool,
    output: Output,
) -> Result<(), Error> {
    let reference = Reference::parse(name).map_err(|error| Error::failed(error.to_string()))?;
    let reference = if all_tags {
        reference
    } else {
        reference.with_default_tag()
    };
    let tag = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or_default().to_owned(),
    };
    let options = PullImage {
        name: reference.familiar_name(),
        tag,
        platform: platform.to_owned(),
        auth: context.credentials_for(&reference)?,
    };
    let mut messages = context.client.images().pull(&options).await?;
    let mut progress: Progress<Box<dyn std::io::Write>> = match output {
        _ if quiet => Progress::new(Box::new(std::io::sink()), false),
        Output::Stdout => Progress::new(Box::new(std::io::stdout()), terminal::stdout_is_terminal()),
        Output::Stderr => Progress::new(Box::new(std::io::stderr()), std::io::stderr().is_terminal()),
    };
    while let Some(message) = messages.next().await? {
        progress.show(&message)?;
    }
    Ok(())
}

/// The name with the tag that a pull would take.
pub(in crate::commands) fn with_tag(name: &str) -> String {
    Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.with_default_tag().familiar())
}
