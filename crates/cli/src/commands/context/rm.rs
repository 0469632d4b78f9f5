//! `tierce context rm`

use crate::context::Choice;
use crate::error::Error;
use clap::Args;
use tierce_settings::DEFAULT;

#[derive(Args)]
pub(crate) struct Rm {
    /// Force the removal of a context in use
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "CONTEXT")]
    names: Vec<String>,
}

impl Rm {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        let mut failures = Vec::new();
        for name in &self.names {
            match self.remove(choice, name) {
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

    fn remove(&self, choice: &Choice, name: &str) -> Result<(), Error> {
        let contexts = choice.settings.contexts();
        if name == DEFAULT {
            return Err(Error::failed("context \"default\" cannot be removed"));
        }
        if name == choice.name {
            if !self.force {
                return Err(Error::failed(format!(
                    "context {name:?} is in use, set -f flag to force remove"
                )));
            }
            choice.settings.file()?.use_context("")?;
        }
        if !self.force && !contexts.contains(name) {
            return Err(Error::failed(format!("context {name:?} does not exist")));
        }
        Ok(contexts.remove(name)?)
    }
}
