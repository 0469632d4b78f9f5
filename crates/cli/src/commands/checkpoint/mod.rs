//! Commands on checkpoints. Docker calls them experimental, and asks the daemon first whether such features are on.

mod create;
mod ls;
mod rm;

use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

/// Commands under `checkpoint`.
#[derive(Subcommand)]
pub(crate) enum Group {
    /// Create a checkpoint from a running container
    Create(create::Create),
    /// List checkpoints for a container
    #[command(name = "ls", alias = "list")]
    List(ls::List),
    /// Remove a checkpoint
    #[command(alias = "remove")]
    Rm(rm::Rm),
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let name = match self {
            Self::Create(_) => "create",
            Self::List(_) => "ls",
            Self::Rm(_) => "rm",
        };
        require_experimental(context, &format!("docker checkpoint {name}")).await?;
        match self {
            Self::Create(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Rm(verb) => verb.run(context).await,
        }
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
