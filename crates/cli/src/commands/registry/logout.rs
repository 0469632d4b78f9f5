//! `tierce logout`

use super::address;
use crate::credentials::ConfigFile;
use crate::error::Error;
use clap::Args;

#[derive(Args)]
pub(crate) struct Logout {
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Logout {
    pub(crate) fn run(self) -> Result<(), Error> {
        let address = address(self.server.as_deref());
        println!("Removing login credentials for {address}");
        ConfigFile::load()?.erase(&address).map(drop)
    }
}
