//! `tierce push`

use super::platform;
use crate::context::Context;
use crate::error::Error;
use crate::output::progress::Progress;
use crate::terminal;
use clap::Args;
use tierce_client::PushImage;
use tierce_oci::Reference;

#[derive(Args)]
pub(crate) struct Push {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    all_tags: bool,
    #[command(flatten)]
    trust: super::trust::Signing,
    #[arg(long, default_value = "", hide_default_value = true, help = PLATFORM)]
    platform: String,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "NAME[:TAG]")]
    name: String,
}

const PLATFORM: &str = "Push a platform-specific manifest as a single-platform image to the registry.
Image index won't be pushed, meaning that other manifests, including attestations won't be preserved.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)";

impl Push {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        self.trust.check()?;
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
            platform: platform::document(&self.platform)?,
            auth: context.credentials_for(&reference)?,
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
