//! What the user keeps for the command line, in Docker's files and form, shared with Docker's own client.
//!
//! ```text
//! ~/.docker/                               or $DOCKER_CONFIG, or --config
//! ├── config.json                          forms of lists, proxies, credentials or who keeps them  (ConfigFile)
//! ├── ca.pem  cert.pem  key.pem            what --tls takes where nothing else is named
//! ├── manifests/                           lists of manifests under way; the command line's own
//! └── contexts/                            named daemons                                           (Contexts)
//!     ├── meta/<sha256 of the name>/meta.json
//!     └── tls/<sha256 of the name>/docker/{ca,cert,key}.pem
//! ```
//!
//! ```json
//! {"auths":{"127.0.0.1:5000":{"auth":"<base64 of user:password>"},"https://index.docker.io/v1/":{"identitytoken":"…"}},
//!  "credsStore":"secretservice","credHelpers":{"registry.example":"example-login"}}
//! ```
//! What is not known here stays in `config.json` as it is, and its mode is 0600.
//!
//! Source: docker/cli `cli/config`, `cli/context/store`; docker-credential-helpers' protocol.

mod address;
mod contexts;
mod error;
mod file;
mod helper;
mod transfer;

pub use address::{HUB, address_of, host_of};
pub use contexts::{Context, Contexts, DEFAULT, DOCKER, Endpoint};
pub use error::Error;
pub use file::{ConfigFile, Stored};
pub use transfer::{credentials, export, import};

use std::path::{Path, PathBuf};

/// The user's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    directory: PathBuf,
}

impl Settings {
    /// The user's own: `DOCKER_CONFIG`, otherwise `~/.docker`.
    pub fn of_user() -> Self {
        let directory = match std::env::var_os("DOCKER_CONFIG").filter(|directory| !directory.is_empty()) {
            Some(directory) => PathBuf::from(directory),
            None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".docker"),
        };
        Self { directory }
    }

    /// Those in a directory.
    pub fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `config.json`; one that is not there is an empty one.
    ///
    /// # Errors
    /// When it cannot be read, or is no JSON.
    pub fn file(&self) -> Result<ConfigFile, Error> {
        ConfigFile::load(&self.directory.join("config.json"))
    }

    /// The named daemons.
    pub fn contexts(&self) -> Contexts {
        Contexts::at(&self.directory.join("contexts"))
    }
}

#[cfg(test)]
mod tests;
