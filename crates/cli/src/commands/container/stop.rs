//! `tierce stop`

use crate::commands::for_each;
use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Stop {
    /// Signal to send to the container
    #[arg(short, long, default_value = "", hide_default_value = true)]
    signal: String,
    /// Seconds to wait before killing the container
    #[arg(
        short,
        long,
        alias = "time",
        value_name = "int",
        visible_alias = "time",
        allow_negative_numbers = true
    )]
    timeout: Option<i64>,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Stop {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        for_each(&self.containers, async |name| {
            context
                .client
                .containers()
                .stop(name, &self.signal, self.timeout)
                .await?;
            Ok(())
        })
        .await
    }
}
