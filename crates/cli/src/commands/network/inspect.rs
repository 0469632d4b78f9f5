//! `tierce network inspect`

use crate::commands::container::inspect;
use crate::context::Context;
use crate::error::Error;
use crate::help::INSPECT_FORMAT;
use clap::Args;

#[derive(Args)]
pub(crate) struct Inspect {
    #[arg(short, long, default_value = "", hide_default_value = true, help = INSPECT_FORMAT)]
    format: String,
    /// Verbose output for diagnostics
    #[arg(short, long)]
    verbose: bool,
    #[arg(required = true, value_name = "NETWORK")]
    names: Vec<String>,
}

impl Inspect {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        inspect(&self.names, &self.format, async |name| {
            Ok(context.client.networks().inspect_raw(name, self.verbose).await?)
        })
        .await
    }
}
