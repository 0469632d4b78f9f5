//! Who the user is at the registry of an image.

use crate::error::Error;
use tierce_api_types::auth::AuthConfig;
use tierce_oci::Reference;
use tierce_settings::{Settings, address_of};

/// The credentials for the registry of an image, if there are any. A helper that fails is told of, and there are none: an
/// image that everybody may have is to be had all the same, as with docker.
///
/// # Errors
/// When the configuration file cannot be read.
pub(crate) fn for_image(settings: &Settings, reference: &Reference) -> Result<Option<AuthConfig>, Error> {
    let found = settings.file()?.get(address_of(reference.domain()));
    Ok(found.unwrap_or_else(|error| {
        eprintln!("WARNING: {error}");
        None
    }))
}
