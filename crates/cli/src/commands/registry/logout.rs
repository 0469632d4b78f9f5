//! `tierce logout`

use super::address;
use crate::context::Context;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Logout {
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Logout {
    pub(crate) fn run(self, context: &Context) -> Result<(), Error> {
        let address = address(self.server.as_deref());
        println!("Removing login credentials for {address}");
        context.config()?.erase(&address)?;
        Ok(())
    }
}
