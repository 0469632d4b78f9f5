//! `tierce rmi`

use super::platform;
use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_client::RemoveImage;
use tierce_flags::filter::{self, Commas};

#[derive(Args)]
pub(crate) struct Rmi {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
    /// Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")
    #[arg(long, value_name = "strings")]
    platform: Vec<Commas>,
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Rmi {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let platforms = filter::words(&self.platform);
        let platforms: Result<Vec<String>, Error> = platforms.iter().map(|text| platform::document(text)).collect();
        let options = RemoveImage {
            force: self.force,
            no_prune: self.no_prune,
            platforms: platforms?,
        };
        // With `--force` an image that is gone already is told of, and no failure.
        let (mut failures, mut fatal) = (Vec::new(), !self.force);
        for name in &self.images {
            match context.client.images().remove(name, &options).await {
                Ok(removed) => {
                    for step in removed {
                        if let Some(id) = step.deleted {
                            println!("Deleted: {id}");
                        } else if let Some(reference) = step.untagged {
                            println!("Untagged: {reference}");
                        }
                    }
                }
                Err(error) => {
                    fatal |= error.status() != Some(404);
                    failures.push(Error::from(error).to_string());
                }
            }
        }
        let failures = failures.join("\n");
        if !failures.is_empty() && fatal {
            return Err(Error::failed(failures));
        }
        if !failures.is_empty() {
            eprintln!("{failures}");
        }
        Ok(())
    }
}
