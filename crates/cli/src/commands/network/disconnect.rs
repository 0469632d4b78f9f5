//! `tierce network disconnect`

use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_api_types::network::NetworkDisconnect;

#[derive(Args)]
pub(crate) struct Disconnect {
    /// Force the container to disconnect from a network
    #[arg(short, long)]
    force: bool,
    network: String,
    container: String,
}

impl Disconnect {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let request = NetworkDisconnect {
            container: self.container,
            force: self.force,
        };
        Ok(context.client.networks().disconnect(&self.network, &request).await?)
    }
}
