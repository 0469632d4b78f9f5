//! `tierce checkpoint create`, `ls` and `rm`. Docker calls them experimental, and asks the daemon first whether such
//! features are on.

use crate::context::Context;
use crate::error::Error;
use clap::{Args, Subcommand};

/// Commands under `checkpoint`.
#[derive(Subcommand)]
pub(crate) enum Group {
    /// Create a checkpoint from a running container
    Create(Create),
    /// List checkpoints for a container
    #[command(name = "ls", alias = "list")]
    List(Place),
    /// Remove a checkpoint
    #[command(alias = "remove")]
    Rm(Rm),
}

/// A container, and where its checkpoints are.
#[derive(Args)]
pub(crate) struct Place {
    /// Use a custom checkpoint storage directory
    #[arg(long, default_value = "", hide_default_value = true)]
    checkpoint_dir: String,
    container: String,
}

#[derive(Args)]
pub(crate) struct Create {
    #[command(flatten)]
    place: Place,
    /// Leave the container running after checkpoint
    #[arg(long)]
    leave_running: bool,
    checkpoint: String,
}

#[derive(Args)]
pub(crate) struct Rm {
    #[command(flatten)]
    place: Place,
    checkpoint: String,
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (verb, place) = match &self {
            Self::Create(create) => ("create", &create.place),
            Self::List(place) => ("ls", place),
            Self::Rm(rm) => ("rm", &rm.place),
        };
        require_experimental(context, &format!("docker checkpoint {verb}")).await?;
        let checkpoints = context.client.checkpoints(&place.container, &place.checkpoint_dir);
        match &self {
            Self::Create(create) => {
                checkpoints.create(&create.checkpoint, !create.leave_running).await?;
                println!("{}", create.checkpoint);
            }
            Self::List(_) => {
                let found = checkpoints.list().await?;
                println!("CHECKPOINT NAME");
                for checkpoint in found {
                    println!("{}", checkpoint.name);
                }
            }
            Self::Rm(rm) => checkpoints.remove(&rm.checkpoint).await?,
        }
        Ok(())
    }
}

/// Refuses what a daemon without experimental features does not serve. Source of the text: docker/cli
/// `cmd/docker/docker.go`.
pub(super) async fn require_experimental(context: &Context, what: &str) -> Result<(), Error> {
    if context.client.system().ping().await?.experimental {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{what} is only supported on a Docker daemon with experimental features enabled"
    )))
}
