//! Commands on registries.

mod login;
mod logout;
mod search;

use crate::context::Context;
use crate::error::Error;
use clap::Subcommand;

/// Commands that stand at the top.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Authenticate to a registry
    #[command(long_about = "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.")]
    Login(login::Login),
    /// Log out from a registry
    #[command(
        long_about = "Log out from a registry.\nIf no server is specified, the default is defined by the daemon."
    )]
    Logout(logout::Logout),
    /// Search Docker Hub for images
    Search(search::Search),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Login(verb) => verb.run(context).await,
            Self::Logout(verb) => verb.run(context),
            Self::Search(verb) => verb.run(context).await,
        }
    }
}

/// The address under which a registry's credentials are kept, from what the user typed.
fn address(server: Option<&str>) -> String {
    match server {
        None | Some("") => tierce_settings::HUB.to_owned(),
        Some(server) => tierce_settings::address_of(tierce_settings::host_of(server)).to_owned(),
    }
}
