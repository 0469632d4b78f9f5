//! Giving up capabilities: the bounding set before the user changes, the others after.

use super::Init;
use crate::error::{Doing, Error};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};
use tierce_oci::runtime::capability::Sets;

/// Drops from the bounding set what the document does not name, and keeps the permitted set over the change of user.
pub(super) fn bounding(init: &mut Init<'_>) -> Result<(), Error> {
    let kept = init.program.capabilities.bounding;
    for number in 0..64 {
        if kept & 1 << number != 0 {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // Past the last capability that this kernel knows.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error).doing(|| format!("drop capability {number} from the bounding set")),
        }
    }
    rustix::thread::set_keep_capabilities(true).doing(|| "keep capabilities".into())
}

fn take(sets: Sets) -> Result<(), Errno> {
    let wanted = CapabilitySets {
        effective: CapabilitySet::from_bits_retain(sets.effective),
        permitted: CapabilitySet::from_bits_retain(sets.permitted),
        inheritable: CapabilitySet::from_bits_retain(sets.inheritable),
    };
    rustix::thread::set_capabilities(None, wanted)
}

/// Sets the other four sets.
pub(super) fn sets(init: &mut Init<'_>) -> Result<(), Error> {
    let mut sets = init.program.capabilities;
    rustix::thread::set_keep_capabilities(false).doing(|| "stop keeping capabilities".into())?;
    match take(sets) {
        Err(Errno::PERM) => {
            let own = rustix::thread::capabilities(None).doing(|| "read own capabilities".into())?;
            sets = sets.within(own.permitted.bits());
            take(sets)
        }
        result => result,
    }
    .doing(|| "can't apply capabilities".into())?;
    rustix::thread::clear_ambient_capability_set().doing(|| "clear ambient capabilities".into())?;
    for number in (0..64).filter(|number| sets.ambient & 1 << number != 0) {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        rustix::thread::configure_capability_in_ambient_set(capability, true)
            .doing(|| format!("set ambient capability {number}"))?;
    }
    Ok(())
}
