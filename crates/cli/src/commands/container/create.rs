//! `tierce create`, and what `run` shares with it: make the container, pull its image where missing.

use crate::commands::image::pull;
use crate::context::Context;
use crate::error::Error;
use crate::flags::ContainerFlags;
use clap::Args;
use std::io::Write as _;
use tierce_api_types::container::{CreateRequest, CreateResponse};
use tierce_client::CreateContainer;

#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Create {
    #[command(flatten)]
    flags: ContainerFlags,
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let request = self.flags.request()?;
        let created = create(context, &self.flags, &request).await?;
        println!("{}", created.id);
        Ok(())
    }
}

/// Makes the container; pulls the image first where the flags or its absence ask for it.
pub(super) async fn create(
    context: &Context,
    flags: &ContainerFlags,
    request: &CreateRequest,
) -> Result<CreateResponse, Error> {
    let options = CreateContainer {
        name: flags.image.name.clone(),
        platform: flags.image.platform.clone(),
    };
    let image = &request.config.image;
    let pull_image = async || {
        pull::pull(
            context,
            image,
            &flags.image.platform,
            false,
            flags.quiet,
            pull::Output::Stderr,
        )
        .await
    };
    if flags.image.pull == "always" {
        pull_image().await?;
    }
    let containers = context.client.containers();
    let created = match containers.create(&options, request).await {
        Err(error) if error.status() == Some(404) && flags.image.pull == "missing" && names_image(&error) => {
            if !flags.quiet {
                eprintln!("Unable to find image '{}' locally", pull::with_tag(image));
            }
            pull_image().await?;
            containers.create(&options, request).await?
        }
        other => other?,
    };
    for warning in &created.warnings {
        eprintln!("WARNING: {warning}");
    }
    if let Some(path) = &flags.cidfile {
        let written = std::fs::File::options()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|mut file| file.write_all(created.id.as_bytes()));
        written.map_err(|error| Error::failed(format!("write the container ID to {}: {error}", path.display())))?;
    }
    Ok(created)
}

/// Whether it is the image that is missing, and not a network or a volume.
fn names_image(error: &tierce_client::Error) -> bool {
    error.to_string().contains("No such image")
}
