//! `tierce export`

use crate::context::Context;
use crate::error::Error;
use crate::output::archive;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Export {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    output: Option<PathBuf>,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let output = self.output.as_deref();
        archive::check(output, "export container")?;
        let stream = context.client.containers().export(&self.container).await?;
        archive::write(stream, output).await
    }
}
