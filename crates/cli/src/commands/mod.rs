//! The commands, one file each; this file is their list.

mod checkpoint;
mod confirm;
mod container;
mod context;
mod image;
mod manifest;
mod network;
mod registry;
mod shell;
mod system;
mod volume;

use crate::context::{Choice, Context, Global};
use crate::error::Error;
use clap::{Args, Subcommand};

/// A whole command line.
#[derive(Args)]
pub(crate) struct Invocation {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum Command {
    #[command(flatten)]
    Container(container::Verb),
    #[command(flatten)]
    Image(image::Verb),
    #[command(flatten)]
    Registry(registry::Verb),
    #[command(flatten)]
    System(system::Verb),
    #[command(flatten)]
    Shell(shell::Verb),
    /// Manage checkpoints
    #[command(name = "checkpoint", subcommand)]
    CheckpointGroup(checkpoint::Group),
    /// Manage containers
    #[command(name = "container", subcommand)]
    ContainerGroup(container::Group),
    /// Manage contexts
    #[command(name = "context", subcommand)]
    ContextGroup(context::Group),
    /// Manage images
    #[command(name = "image", subcommand)]
    ImageGroup(image::Group),
    /// Manage Docker image manifests and manifest lists
    #[command(name = "manifest", subcommand, long_about = MANIFEST)]
    ManifestGroup(manifest::Group),
    /// Manage networks
    #[command(name = "network", subcommand)]
    NetworkGroup(network::Group),
    /// Manage volumes
    #[command(name = "volume", subcommand)]
    VolumeGroup(volume::Group),
    /// Manage the daemon
    #[command(name = "system", subcommand)]
    SystemGroup(system::Group),
}

const MANIFEST: &str = "\
Commands for image manifests and lists of them. A manifest list allows you to use one name to refer to the same image
built for multiple architectures. Lists are made in files of your own, and pushed from there.";

impl Command {
    pub(crate) async fn run(self, global: Global) -> Result<(), Error> {
        // These work where no daemon can be named.
        match self {
            Self::Shell(verb) => verb.run(global).await,
            Self::ContextGroup(group) => group.run(&Choice::of(global)?),
            Self::ManifestGroup(group) => group.run(&Choice::of(global)?.settings).await,
            command => Box::pin(command.ask(&Context::open(Choice::of(global)?)?)).await,
        }
    }

    /// Runs what asks a daemon.
    async fn ask(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Container(verb) => verb.run(context).await,
            Self::Image(verb) => verb.run(context).await,
            Self::Registry(verb) => verb.run(context).await,
            Self::System(verb) => verb.run(context).await,
            Self::CheckpointGroup(group) => group.run(context).await,
            Self::ContainerGroup(group) => Box::pin(group.run(context)).await,
            Self::ImageGroup(group) => group.run(context).await,
            Self::NetworkGroup(group) => group.run(context).await,
            Self::VolumeGroup(group) => group.run(context).await,
            Self::SystemGroup(group) => group.run(context).await,
            Self::ContextGroup(_) | Self::ManifestGroup(_) | Self::Shell(_) => Ok(()),
        }
    }
}

/// Does the same for each object; goes on after a failure and tells them all.
///
/// The name is printed for each success, as Docker does.
async fn for_each(names: &[String], mut act: impl AsyncFnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
    let mut failures = Vec::new();
    for name in names {
        match act(name).await {
            Ok(()) => println!("{name}"),
            Err(error) => failures.push(error.to_string()),
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Error::failed(failures.join("\n")))
    }
}
