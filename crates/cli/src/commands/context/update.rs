//! `tierce context update`

use super::target::{self, Keys};
use crate::context::Choice;
use crate::error::Error;
use clap::Args;
use tierce_settings::Contexts;

#[derive(Args)]
pub(crate) struct Update {
    /// Description of the context
    #[arg(long, value_name = "string", default_value = "", hide_default_value = true)]
    description: String,
    /// set the docker endpoint
    #[arg(long, value_name = "stringToString")]
    docker: Vec<Keys>,
    #[arg(value_name = "CONTEXT")]
    name: String,
}

impl Update {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        let contexts = choice.settings.contexts();
        Contexts::check_name(&self.name)?;
        let mut context = contexts.get(&self.name)?;
        if !self.description.is_empty() {
            context.describe(&self.description);
        }
        if !self.docker.is_empty() {
            target::set(&contexts, &mut context, &self.docker)?;
        }
        contexts.save(&context)?;
        println!("{}", self.name);
        eprintln!("Successfully updated context {:?}", self.name);
        Ok(())
    }
}
