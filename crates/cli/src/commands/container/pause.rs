//! `tierce pause` and `tierce unpause`

use crate::commands::for_each;
use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Pause {
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Pause {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        for_each(&self.containers, async |name| {
            Ok(context.client.containers().pause(name).await?)
        })
        .await
    }
}

#[derive(Args)]
pub(crate) struct Unpause {
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Unpause {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        for_each(&self.containers, async |name| {
            Ok(context.client.containers().unpause(name).await?)
        })
        .await
    }
}
