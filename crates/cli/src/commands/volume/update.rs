//! `tierce volume update`: of a swarm's cluster volumes only, which there are none of here.

use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Update {
    /// Cluster Volume availability ("active", "pause", "drain")
    #[arg(long, default_value = "active", hide = true)]
    availability: String,
    #[arg(value_name = "VOLUME")]
    volume: String,
}

impl Update {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        context.client.volumes().inspect(&self.volume).await?;
        Err(Error::failed("can only update cluster volumes"))
    }
}
