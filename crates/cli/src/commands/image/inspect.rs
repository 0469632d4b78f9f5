//! `tierce image inspect`

use super::platform;
use crate::commands::container::inspect;
use crate::context::Context;
use crate::error::Error;
use crate::help::INSPECT_FORMAT;
use clap::Args;

#[derive(Args)]
pub(crate) struct Inspect {
    #[arg(short, long, default_value = "", hide_default_value = true, help = INSPECT_FORMAT)]
    format: String,
    #[arg(long, default_value = "", hide_default_value = true, help = PLATFORM)]
    platform: String,
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

const PLATFORM: &str = "Inspect a specific platform of the multi-platform image.
If the image or the server is not multi-platform capable, the command will error out if the platform does not match.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)";

impl Inspect {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let platform = platform::document(&self.platform)?;
        inspect(&self.names, &self.format, async |name| {
            Ok(context.client.images().inspect_raw(name, &platform).await?)
        })
        .await
    }
}
