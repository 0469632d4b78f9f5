//! `tierce create`, and what `run` shares with it: make the container, pull its image where missing.

use super::api_socket;
use crate::commands::image::pull;
use crate::context::Context;
use crate::error::Error;
use crate::terminal;
use clap::Args;
use std::io::Write as _;
use tierce_api_types::container::{CreateRequest, CreateResponse};
use tierce_client::{CreateContainer, RemoveContainer};
use tierce_flags::ContainerFlags;

#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Create {
    #[command(flatten)]
    flags: ContainerFlags,
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let request = self
            .flags
            .request(terminal::size())
            .map_err(|error| Error::from(error).of("create"))?;
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
        rootfs: rootfs(&flags.image.rootfs)?,
    };
    let mut request = request.clone();
    add_proxies(context, &mut request)?;
    if flags.image.use_api_socket {
        api_socket::add(context, &mut request);
    }
    let (request, image) = (&request, &request.config.image);
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
    if flags.image.pull == "always" && options.rootfs.is_empty() {
        pull_image().await?;
    }
    let containers = context.client.containers();
    if flags.image.replace {
        remove_namesake(context, &options.name).await?;
    }
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
    if flags.image.use_api_socket {
        api_socket::copy_credentials(context, &created.id).await?;
    }
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

/// The directory as the daemon must be told it: from the root.
fn rootfs(given: &str) -> Result<String, Error> {
    if given.is_empty() {
        return Ok(String::new());
    }
    let path =
        std::path::absolute(given).map_err(|error| Error::usage(format!("resolve the path {given}: {error}")))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Adds the variables of the user's proxies, unless the command line has them.
fn add_proxies(context: &Context, request: &mut CreateRequest) -> Result<(), Error> {
    let variables = context.proxy_variables()?;
    if variables.is_empty() {
        return Ok(());
    }
    let env = request.config.env.get_or_insert_default();
    let given: Vec<String> = env
        .iter()
        .map(|word| word.split('=').next().unwrap_or_default().to_owned())
        .collect();
    let own = variables.into_iter().filter(|(name, _)| !given.contains(name));
    env.extend(own.map(|(name, value)| format!("{name}={value}")));
    Ok(())
}

/// Removes the container whose name the new one is to have; one that is not there is gone already.
async fn remove_namesake(context: &Context, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::usage(
            "--replace needs the name of what it replaces: give --name too",
        ));
    }
    let containers = context.client.containers();
    let gone = |error: &tierce_client::Error| error.status() == Some(404);
    // Its own signal and time first: what it is at may be worth it.
    match containers.stop(name, "", None).await {
        Err(error) if gone(&error) => return Ok(()),
        result => result?,
    };
    let options = RemoveContainer {
        force: true,
        ..RemoveContainer::default()
    };
    match containers.remove(name, options).await {
        Err(error) if !gone(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether it is the image that is missing, and not a network or a volume.
fn names_image(error: &tierce_client::Error) -> bool {
    error.to_string().contains("No such image")
}
