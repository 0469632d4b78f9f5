//! `tierce image inspect`

use crate::commands::container::inspect;
use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Inspect {
    /// Format output using a custom template: 'json', or a Go template
    #[arg(short, long, default_value = "", hide_default_value = true)]
    format: String,
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

impl Inspect {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        inspect(&self.names, &self.format, async |name| {
            Ok(context.client.images().inspect_raw(name).await?)
        })
        .await
    }
}
