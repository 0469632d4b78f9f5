//! `tierce save`

use super::platform;
use crate::context::Context;
use crate::error::Error;
use crate::output::archive;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Save {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    output: Option<PathBuf>,
    /// Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")
    #[arg(long, default_value = "", hide_default_value = true)]
    platform: String,
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Save {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let output = self.output.as_deref();
        archive::check(output, "save image")?;
        let platform = platform::document(&self.platform).map_err(platform::named)?;
        let stream = context.client.images().save(&self.images, &platform).await?;
        archive::write(stream, output).await
    }
}
