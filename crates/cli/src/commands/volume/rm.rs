//! `tierce volume rm`

use crate::commands::for_each;
use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Rm {
    /// Force the removal of one or more volumes
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Rm {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        for_each(&self.volumes, async |name| {
            Ok(context.client.volumes().remove(name, self.force).await?)
        })
        .await
    }
}
