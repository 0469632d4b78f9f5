//! Commands on contexts: daemons by name. No daemon is asked anything here. Source of the texts: docker/cli
//! `command/context`.

mod create;
mod export;
mod import;
mod inspect;
mod ls;
mod rm;
mod select;
mod target;
mod update;

use crate::context::Choice;
use crate::error::Error;
use clap::Subcommand;

/// Commands under `context`.
#[derive(Subcommand)]
pub(crate) enum Group {
    /// Create a context
    #[command(long_about = target::about("create"))]
    Create(create::Create),
    #[command(about = "Export a context to a tar archive FILE or a tar stream on STDOUT.")]
    Export(export::Export),
    /// Import a context from a tar or zip file
    Import(import::Import),
    /// Display detailed information on one or more contexts
    Inspect(inspect::Inspect),
    /// List contexts
    #[command(name = "ls", alias = "list")]
    List(ls::List),
    /// Remove one or more contexts
    #[command(alias = "remove")]
    Rm(rm::Rm),
    /// Print the name of the current context
    Show(select::Show),
    /// Update a context
    #[command(long_about = target::about("update"))]
    Update(update::Update),
    /// Set the current docker context
    Use(select::Use),
}

impl Group {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        match self {
            Self::Create(verb) => verb.run(choice),
            Self::Export(verb) => verb.run(choice),
            Self::Import(verb) => verb.run(choice),
            Self::Inspect(verb) => verb.run(choice),
            Self::List(verb) => verb.run(choice),
            Self::Rm(verb) => verb.run(choice),
            Self::Show(verb) => {
                verb.run(choice);
                Ok(())
            }
            Self::Update(verb) => verb.run(choice),
            Self::Use(verb) => verb.run(choice),
        }
    }
}
