//! `tierce diff`

use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Diff {
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Diff {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        if self.container.is_empty() {
            return Err(Error::failed("Container name cannot be empty"));
        }
        for change in context.client.containers().changes(&self.container).await? {
            let letter = match change.kind {
                0 => 'C',
                1 => 'A',
                _ => 'D',
            };
            println!("{letter} {}", change.path);
        }
        Ok(())
    }
}
