//! `tierce checkpoint rm`

use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Rm {
    /// Use a custom checkpoint storage directory
    #[arg(long, default_value = "", hide_default_value = true)]
    checkpoint_dir: String,
    container: String,
    checkpoint: String,
}

impl Rm {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let checkpoints = context.client.checkpoints(&self.container, &self.checkpoint_dir);
        Ok(checkpoints.remove(&self.checkpoint).await?)
    }
}
