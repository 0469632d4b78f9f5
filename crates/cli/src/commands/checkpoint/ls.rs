//! `tierce checkpoint ls`

use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct List {
    /// Use a custom checkpoint storage directory
    #[arg(long, default_value = "", hide_default_value = true)]
    checkpoint_dir: String,
    container: String,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let checkpoints = context.client.checkpoints(&self.container, &self.checkpoint_dir);
        let found = checkpoints.list().await?;
        println!("CHECKPOINT NAME");
        for checkpoint in found {
            println!("{}", checkpoint.name);
        }
        Ok(())
    }
}
