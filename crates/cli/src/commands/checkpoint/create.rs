//! `tierce checkpoint create`

use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Create {
    /// Use a custom checkpoint storage directory
    #[arg(long, default_value = "", hide_default_value = true)]
    checkpoint_dir: String,
    /// Leave the container running after checkpoint
    #[arg(long)]
    leave_running: bool,
    container: String,
    checkpoint: String,
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let checkpoints = context.client.checkpoints(&self.container, &self.checkpoint_dir);
        checkpoints.create(&self.checkpoint, !self.leave_running).await?;
        println!("{}", self.checkpoint);
        Ok(())
    }
}
