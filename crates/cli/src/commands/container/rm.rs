//! `tierce rm`

use crate::commands::for_each;
use crate::context::Context;
use crate::error::Error;
use clap::Args;
use tierce_client::RemoveContainer;

#[derive(Args)]
pub(crate) struct Rm {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove the specified link
    #[arg(short, long)]
    link: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Rm {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let options = || RemoveContainer {
            force: self.force,
            volumes: self.volumes,
            link: self.link,
        };
        for_each(&self.containers, async |name| {
            let name = name.trim_start_matches('/');
            match context.client.containers().remove(name, options()).await {
                // `-f` is content when it is gone already, but says so.
                Err(error) if self.force && error.status() == Some(404) => {
                    eprintln!("Error response from daemon: {error}");
                    Ok(())
                }
                other => Ok(other?),
            }
        })
        .await
    }
}
