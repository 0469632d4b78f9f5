//! `tierce kill`

use crate::commands::for_each;
use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Kill {
    /// Signal to send to the container
    #[arg(short, long, default_value = "", hide_default_value = true)]
    signal: String,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Kill {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        for_each(&self.containers, async |name| {
            Ok(context.client.containers().kill(name, &self.signal).await?)
        })
        .await
    }
}
