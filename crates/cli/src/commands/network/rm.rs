//! `tierce network rm`

use crate::commands::for_each;
use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Rm {
    /// Do not error if the network does not exist
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

impl Rm {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut there = Vec::new();
        for name in self.networks {
            // Who forces is content when it is gone already, and hears nothing of it.
            let gone = self.force && is_gone(context, &name).await;
            if !gone {
                there.push(name);
            }
        }
        let removed = for_each(&there, async |name| Ok(context.client.networks().remove(name).await?)).await;
        // The stock client says this of its own end too.
        removed.map_err(|error| Error::failed(format!("{error}\nexit status 1")))
    }
}

async fn is_gone(context: &Context, name: &str) -> bool {
    let found = context.client.networks().inspect(name).await;
    found.is_err_and(|error| error.status() == Some(404))
}
