//! `tierce context create`

use super::target::{self, Keys};
use crate::context::Choice;
use crate::error::Error;
use clap::Args;
use tierce_settings::{Context, Contexts, DEFAULT, Endpoint};

#[derive(Args)]
pub(crate) struct Create {
    /// Description of the context
    #[arg(long, value_name = "string", default_value = "", hide_default_value = true)]
    description: String,
    /// set the docker endpoint
    #[arg(long, value_name = "stringToString")]
    docker: Vec<Keys>,
    /// create context from a named context
    #[arg(long, value_name = "string", default_value = "", hide_default_value = true)]
    from: String,
    #[arg(value_name = "CONTEXT")]
    name: String,
}

impl Create {
    pub(crate) fn run(self, choice: &Choice) -> Result<(), Error> {
        let contexts = choice.settings.contexts();
        Contexts::check_name(&self.name)?;
        if contexts.contains(&self.name) {
            return Err(Error::failed(format!("context {:?} already exists", self.name)));
        }
        if !self.from.is_empty() && !self.docker.is_empty() {
            return Err(Error::failed("cannot use --docker flag when --from is set"));
        }
        let mut context = if self.docker.is_empty() {
            let from = if self.from.is_empty() { &choice.name } else { &self.from };
            self.copied(choice, from)?
        } else {
            let mut context = Context {
                name: self.name.clone(),
                ..Context::default()
            };
            target::set(&contexts, &mut context, &self.docker)?;
            context
        };
        if !self.description.is_empty() {
            context.describe(&self.description);
        }
        contexts.save(&context)?;
        println!("{}", self.name);
        eprintln!("Successfully created context {:?}", self.name);
        Ok(())
    }

    /// Another context under the new name, with its keys and certificates.
    fn copied(&self, choice: &Choice, from: &str) -> Result<Context, Error> {
        let contexts = choice.settings.contexts();
        if from == DEFAULT {
            let mut context = Context {
                name: self.name.clone(),
                ..Context::default()
            };
            context.set_endpoint(&Endpoint {
                host: choice.default_host(),
                skip_tls_verify: false,
            });
            return Ok(context);
        }
        let context = Context {
            name: self.name.clone(),
            ..contexts.get(from)?
        };
        for endpoint in context.endpoints.keys() {
            let files: Vec<(String, Vec<u8>)> = contexts
                .tls_files(from)?
                .into_iter()
                .filter(|(of, ..)| of == endpoint)
                .map(|(_, name, content)| (name, content))
                .collect();
            contexts.set_tls_files(&self.name, endpoint, &files)?;
        }
        Ok(context)
    }
}
