//! What every command needs: the client of the daemon that was named.

use crate::error::Error;
use clap::Args;
use tierce_client::{Client, Endpoint};

/// Where the daemon listens when nobody says otherwise.
const DEFAULT_HOST: &str = "unix:///run/tierce.sock";

/// Flags before the command.
#[derive(Args)]
pub(crate) struct Global {
    /// Daemon socket to connect to
    #[arg(short = 'H', long, value_name = "URL", env = "DOCKER_HOST")]
    host: Option<String>,
}

/// The daemon to talk to.
pub(crate) struct Context {
    pub(crate) client: Client,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Result<Self, Error> {
        let host = match global.host.as_deref() {
            None | Some("") => DEFAULT_HOST,
            Some(host) => host,
        };
        let endpoint: Endpoint = host.parse()?;
        let client = match std::env::var("DOCKER_API_VERSION") {
            Ok(version) if !version.is_empty() => {
                let version = version
                    .parse()
                    .map_err(|_| Error::usage(format!("DOCKER_API_VERSION: {version:?} is no API version")))?;
                Client::with_version(endpoint, version)
            }
            _ => Client::new(endpoint),
        };
        Ok(Self { client })
    }
}
