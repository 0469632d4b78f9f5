//! `tierce rmi`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_client::RemoveImage;

#[derive(Args)]
pub(crate) struct Rmi {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Rmi {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut failures = Vec::new();
        for name in &self.images {
            let options = RemoveImage {
                force: self.force,
                no_prune: self.no_prune,
            };
            match context.client.images().remove(name, options).await {
                Ok(removed) => {
                    for step in removed {
                        if let Some(id) = step.deleted {
                            println!("Deleted: {id}");
                        } else if let Some(reference) = step.untagged {
                            println!("Untagged: {reference}");
                        }
                    }
                }
                Err(error) if self.force && error.status() == Some(404) => {
                    eprintln!("Error response from daemon: {error}");
                }
                Err(error) => failures.push(Error::from(error).to_string()),
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(Error::failed(failures.join("\n")))
        }
    }
}
