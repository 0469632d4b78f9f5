//! Commands on networks.

mod create;
mod inspect;
mod ls;
mod pools;
mod prune;
mod rm;

use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

pub(super) use prune::prune;

/// Commands under `network`.
#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of them in a process")]
pub(crate) enum Group {
    /// Create a network
    Create(create::Create),
    /// Display detailed information on one or more networks
    Inspect(inspect::Inspect),
    /// List networks
    #[command(name = "ls", alias = "list")]
    List(ls::List),
    /// Remove all unused networks
    Prune(prune::Prune),
    /// Remove one or more networks
    #[command(alias = "remove")]
    Rm(rm::Rm),
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Create(verb) => verb.run(context).await,
            Self::Inspect(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Prune(verb) => verb.run(context).await,
            Self::Rm(verb) => verb.run(context).await,
        }
    }
}
