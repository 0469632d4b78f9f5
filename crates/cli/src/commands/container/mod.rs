//! Commands on containers.

mod api_socket;
mod attach;
mod commit;
mod cp;
mod create;
mod diff;
mod exec;
mod export;
mod inspect;
mod kill;
mod logs;
mod pause;
mod port;
mod prune;
pub(super) mod ps;
mod rename;
mod restart;
mod rm;
mod run;
mod start;
mod stats;
mod stop;
mod top;
mod update;
mod wait;
mod why;

use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

pub(super) use inspect::{Inspect, inspect, is_whole, show};
pub(super) use prune::prune;

/// Commands that stand at the top as well as under `container`.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Attach local standard input, output, and error streams to a running container
    Attach(attach::Attach),
    /// Create a new image from a container's changes
    Commit(commit::Commit),
    /// Copy files/folders between a container and the local filesystem
    #[command(long_about = cp::ABOUT)]
    Cp(cp::Cp),
    /// Create a new container
    Create(create::Create),
    /// Inspect changes to files or directories on a container's filesystem
    Diff(diff::Diff),
    /// Execute a command in a running container
    Exec(exec::Exec),
    /// Export a container's filesystem as a tar archive
    Export(export::Export),
    /// Kill one or more running containers
    Kill(kill::Kill),
    /// Fetch the logs of a container
    Logs(logs::Logs),
    /// Pause all processes within one or more containers
    Pause(pause::Pause),
    /// List port mappings or a specific mapping for the container
    Port(port::Port),
    /// List containers
    Ps(ps::Ps),
    /// Rename a container
    Rename(rename::Rename),
    /// Restart one or more containers
    Restart(restart::Restart),
    /// Remove one or more containers
    #[command(visible_alias = "remove")]
    Rm(rm::Rm),
    /// Create and run a new container from an image
    Run(run::Run),
    /// Start one or more stopped containers
    Start(start::Start),
    /// Display a live stream of container(s) resource usage statistics
    Stats(stats::Stats),
    /// Stop one or more running containers
    Stop(stop::Stop),
    /// Display the running processes of a container
    Top(top::Top),
    /// Unpause all processes within one or more containers
    Unpause(pause::Unpause),
    /// Update configuration of one or more containers
    Update(update::Update),
    /// Block until one or more containers stop, then print their exit codes
    Wait(wait::Wait),
    /// Explain from evidence why a container ended, does not start or is unhealthy, and what to do
    Why(why::Why),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Attach(verb) => verb.run(context).await,
            Self::Commit(verb) => verb.run(context).await,
            Self::Cp(verb) => verb.run(context).await,
            Self::Create(verb) => verb.run(context).await,
            Self::Diff(verb) => verb.run(context).await,
            Self::Exec(verb) => verb.run(context).await,
            Self::Export(verb) => verb.run(context).await,
            Self::Kill(verb) => verb.run(context).await,
            Self::Logs(verb) => verb.run(context).await,
            Self::Pause(verb) => verb.run(context).await,
            Self::Port(verb) => verb.run(context).await,
            Self::Ps(verb) => verb.run(context).await,
            Self::Rename(verb) => verb.run(context).await,
            Self::Restart(verb) => verb.run(context).await,
            Self::Rm(verb) => verb.run(context).await,
            Self::Run(verb) => verb.run(context).await.map_err(Error::of_run),
            Self::Start(verb) => verb.run(context).await,
            Self::Stats(verb) => verb.run(context).await,
            Self::Stop(verb) => verb.run(context).await,
            Self::Top(verb) => verb.run(context).await,
            Self::Unpause(verb) => verb.run(context).await,
            Self::Update(verb) => verb.run(context).await,
            Self::Wait(verb) => verb.run(context).await,
            Self::Why(verb) => verb.run(context).await,
        }
    }
}

/// Commands under `container`.
#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of them in a process")]
pub(crate) enum Group {
    #[command(flatten)]
    Verb(Verb),
    /// List containers
    #[command(name = "ls", alias = "list")]
    List(ps::Ps),
    /// Display detailed information on one or more containers
    Inspect(inspect::InspectContainer),
    /// Remove all stopped containers
    Prune(prune::Prune),
}

impl Group {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Verb(verb) => verb.run(context).await,
            Self::List(verb) => verb.run(context).await,
            Self::Inspect(verb) => verb.run(context).await,
            Self::Prune(verb) => verb.run(context).await,
        }
    }
}
