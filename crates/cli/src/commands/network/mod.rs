//! Commands on networks.

mod connect;
mod create;
mod diagnose;
mod disconnect;
mod inspect;
mod ls;
mod pools;
mod ports;
mod prune;
mod rm;

use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

pub(super) use ports::Ports;
pub(super) use prune::prune;

/// Commands under `network`.
#[derive(Subcommand)]
pub(crate) enum Group {
    /// Connect a container to a network
    Connect(connect::Connect),
    /// Create a network
    Create(create::Create),
    /// Find what is wrong with networks: forwarding, other rules, masquerade, gateway, rp_filter, MTU, DNS
    Diagnose(diagnose::Diagnose),
    /// Disconnect a container from a network
    Disconnect(disconnect::Disconnect),
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
            Self::Connect(verb) => verb.run(context).await,
            Self::Create(verb) => verb.run(context).await,
            Self::Diagnose(verb) => verb.run(context).await,
            Self::Disconnect(verb) => verb.run(context).await,
            Self::Inspect(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Prune(verb) => verb.run(context).await,
            Self::Rm(verb) => verb.run(context).await,
        }
    }
}
