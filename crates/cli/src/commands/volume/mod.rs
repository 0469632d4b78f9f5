//! Commands on volumes.

mod create;
mod inspect;
pub(super) mod ls;
mod prune;
mod rm;
mod update;

use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

pub(super) use prune::prune;

/// Commands under `volume`.
#[derive(Subcommand)]
pub(crate) enum Group {
    /// Create a volume
    Create(create::Create),
    /// Display detailed information on one or more volumes
    Inspect(inspect::Inspect),
    /// List volumes
    #[command(name = "ls", alias = "list")]
    List(ls::List),
    /// Remove unused local volumes
    Prune(prune::Prune),
    /// Remove one or more volumes
    #[command(
        alias = "remove",
        long_about = "Remove one or more volumes. You cannot remove a volume that is in use by a container."
    )]
    Rm(rm::Rm),
    /// Update a volume (cluster volumes only)
    #[command(hide = true)]
    Update(update::Update),
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Create(verb) => verb.run(context).await,
            Self::Inspect(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Prune(verb) => verb.run(context).await,
            Self::Rm(verb) => verb.run(context).await,
            Self::Update(verb) => verb.run(context).await,
        }
    }
}
