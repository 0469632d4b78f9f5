//! A session of its own, and a session keyring of its own.

use super::{Init, Role, lsm};
use crate::error::{Doing, Error};
use rustix::io::Errno;
use tierce_oci::runtime::NamespaceKind;
use tierce_sys::keyring::{self, Searcher};

/// A new session: no controlling terminal of the caller's remains.
pub(super) fn session(_: &mut Init<'_>) -> Result<(), Error> {
    rustix::process::setsid().doing(|| "setsid".into())?;
    Ok(())
}

/// A new session keyring, so that keys of the caller are out of reach. Its name is the container's, and further
/// processes join the first one's.
pub(super) fn keyring(init: &mut Init<'_>) -> Result<(), Error> {
    let Some(name) = init.keyring.take() else {
        return Ok(());
    };
    lsm::keys(init, true)?;
    let joined = match keyring::join_session(&name) {
        Ok(id) => Some(id),
        // Without keyrings there is nothing to be protected from.
        Err(Errno::NOSYS) => None,
        Err(error) => {
            return Err(error).doing(|| "unable to join session keyring: unable to create session key".into());
        }
    };
    if let (Some(id), Role::First(container)) = (joined, &init.role) {
        // Its owner is root of the host; in a user namespace that is nobody's own user.
        let searcher = if container.namespaces.has(NamespaceKind::User) {
            Searcher::Others
        } else {
            Searcher::Owner
        };
        keyring::let_search(id, searcher).doing(|| "unable to mod keyring permissions".into())?;
    }
    lsm::keys(init, false)
}
