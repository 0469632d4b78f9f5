//! Commands for the shell that the user works in, and for its manual.

mod candidates;
mod completion;
mod man;

use crate::context::Global;
use crate::error::Error;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands that stand at the top.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Generate the autocompletion script for the specified shell
    #[command(subcommand, long_about = completion::ABOUT)]
    Completion(completion::Shell),
    /// Write the manual pages into a directory
    #[command(long_about = "Write the manual pages into a directory, one for each command; for packages.")]
    Man(Man),
    /// What the scripts of `completion` ask
    #[command(name = "__complete", hide = true)]
    Complete(Complete),
}

#[derive(Args)]
pub(crate) struct Man {
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

#[derive(Args)]
pub(crate) struct Complete {
    /// Words alone
    #[arg(long)]
    no_descriptions: bool,
    /// The words so far, the one being typed last
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0.., value_name = "WORD")]
    words: Vec<String>,
}

impl Verb {
    pub(crate) async fn run(self, global: Global) -> Result<(), Error> {
        match self {
            Self::Completion(shell) => {
                print!("{}", shell.script());
                Ok(())
            }
            Self::Man(man) => man::write(&man.directory),
            Self::Complete(complete) => {
                candidates::print(global, &complete.words, !complete.no_descriptions).await;
                Ok(())
            }
        }
    }
}
