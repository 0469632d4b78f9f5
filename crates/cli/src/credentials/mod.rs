//! Who the user is at which registry: Docker's `config.json`, and the helper programs it names.
//!
//! ```json
//! {"auths":{"127.0.0.1:5000":{"auth":"<base64 of user:password>"},"https://index.docker.io/v1/":{"identitytoken":"…"}},
//!  "credsStore":"secretservice","credHelpers":{"registry.example":"example-login"}}
//! ```
//! The file is shared with Docker's own client: what is not known here stays as it is, and its mode is 0600.
//!
//! Source: docker/cli `cli/config`, docker-credential-helpers' protocol.

mod file;
mod helper;

pub(crate) use file::{ConfigFile, Stored};

use crate::error::Error;
use tierce_api_types::auth::AuthConfig;
use tierce_oci::{DEFAULT_DOMAIN, Reference};

/// Under which Docker Hub's credentials are kept.
pub(crate) const HUB: &str = "https://index.docker.io/v1/";

/// The address under which credentials for a registry are kept.
pub(crate) fn address_of(domain: &str) -> &str {
    if domain == DEFAULT_DOMAIN || domain == "index.docker.io" {
        HUB
    } else {
        domain
    }
}

/// The host of an address, which older clients wrote with scheme and path.
pub(crate) fn host_of(address: &str) -> &str {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    address.split('/').next().unwrap_or(address)
}

/// The credentials for the registry of an image, if there are any. A helper that fails is told of, and there are none: an
/// image that everybody may have is to be had all the same, as with docker.
///
/// # Errors
/// When the configuration file cannot be read.
pub(crate) fn for_image(reference: &Reference) -> Result<Option<AuthConfig>, Error> {
    let found = ConfigFile::load()?.get(address_of(reference.domain()));
    Ok(found.unwrap_or_else(|error| {
        eprintln!("WARNING: {error}");
        None
    }))
}

#[cfg(test)]
mod tests;
