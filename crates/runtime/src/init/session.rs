//! A session of its own, and a session keyring of its own.

use super::Init;
use crate::error::{Doing, Error};
use rustix::io::Errno;

/// A new session: no controlling terminal of the caller's remains.
pub(super) fn session(_: &mut Init<'_>) -> Result<(), Error> {
    rustix::process::setsid().doing(|| "setsid".into())?;
    Ok(())
}

/// A new session keyring, so that keys of the caller are out of reach.
pub(super) fn keyring(init: &mut Init<'_>) -> Result<(), Error> {
    let Some(name) = &init.keyring else { return Ok(()) };
    match tierce_sys::keyring::join_session(name) {
        // Without keyrings there is nothing to be protected from; further processes of a container find the keyring
        // searchable by its owner.
        Ok(id) => match tierce_sys::keyring::let_owner_search(id) {
            Ok(()) | Err(Errno::ACCESS) => Ok(()),
            Err(error) => Err(error).doing(|| "set permissions of the session keyring".into()),
        },
        Err(Errno::NOSYS) => Ok(()),
        Err(error) => Err(error).doing(|| "unable to join session keyring".into()),
    }
}
