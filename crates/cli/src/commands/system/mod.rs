//! Commands on the daemon.

mod df;
mod dial;
mod events;
mod info;
mod prune;
mod version;

use super::container::Inspect;
use super::network::Ports;
use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

/// Commands that stand at the top.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Get real time events from the server
    Events(events::Events),
    /// Display system-wide information
    Info(info::Info),
    /// Return low-level information on Docker objects
    Inspect(Inspect),
    /// List published ports and who can reach them, by the rules that are in force
    Ports(Ports),
    /// Show the version information
    Version(version::Version),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Events(verb) => verb.run(context).await,
            Self::Info(verb) => verb.run(context).await,
            Self::Inspect(verb) => verb.run(context).await,
            Self::Ports(verb) => verb.run(context).await,
            Self::Version(verb) => verb.run(context).await,
        }
    }
}

/// Commands under `system`.
#[derive(Subcommand)]
pub(crate) enum Group {
    /// Join standard input and output with a connection to the daemon
    #[command(hide = true)]
    DialStdio(dial::DialStdio),
    /// Show disk usage
    Df(df::Df),
    /// Get real time events from the server
    Events(events::Events),
    /// Display system-wide information
    Info(info::Info),
    /// Remove unused data
    Prune(prune::Prune),
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::DialStdio(verb) => verb.run(context).await,
            Self::Df(verb) => verb.run(context).await,
            Self::Events(verb) => verb.run(context).await,
            Self::Info(verb) => verb.run(context).await,
            Self::Prune(verb) => verb.run(context).await,
        }
    }
}
