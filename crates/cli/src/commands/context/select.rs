//! `tierce context use` and `tierce context show`

use crate::context::{Choice, variable};
use crate::error::Error;
use clap::Args;
use tierce_settings::{Contexts, DEFAULT};

#[derive(Args)]
pub(crate) struct Use {
    #[arg(value_name = "CONTEXT")]
    name: String,
}

impl Use {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        let name = self.name.as_str();
        if name != DEFAULT {
            Contexts::check_name(name)?;
            choice.settings.contexts().get(name)?;
        }
        choice
            .settings
            .file()?
            .use_context(if name == DEFAULT { "" } else { name })?;
        println!("{name}");
        eprintln!("Current context is now {name:?}");
        if name != DEFAULT && variable("DOCKER_HOST").is_some() {
            eprintln!(
                "Warning: DOCKER_HOST environment variable overrides the active context. To use {name:?}, either set the \
                 global --context flag, or unset DOCKER_HOST environment variable."
            );
        }
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Show {}

impl Show {
    pub(crate) fn run(&self, choice: &Choice) {
        let Self {} = self;
        println!("{}", choice.name);
    }
}
