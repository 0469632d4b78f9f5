//! `tierce rename`

use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Rename {
    container: String,
    new_name: String,
}

impl Rename {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let name = self.new_name.trim();
        if name.is_empty() || self.container.trim().is_empty() {
            return Err(Error::failed("Error: Neither old nor new names may be empty"));
        }
        match context.client.containers().rename(&self.container, name).await {
            Ok(()) => Ok(()),
            Err(error) => Err(Error::failed(format!(
                "{}\nError: failed to rename container named {}",
                Error::from(error),
                self.container
            ))),
        }
    }
}
