//! Hidden paths, read-only paths, the read-only root.

use super::Init;
use crate::error::{Doing, Error};
use tierce_rootfs::{mask, mount};
use tierce_sys::mount_attributes::{self, Attributes, Change};

/// Makes the document's read-only paths so.
pub(super) fn read_only_paths(init: &mut Init<'_>) -> Result<(), Error> {
    Ok(mask::make_read_only(
        init.root()?,
        &init.container()?.linux.readonly_paths,
    )?)
}

/// Hides the document's masked paths.
pub(super) fn masked_paths(init: &mut Init<'_>) -> Result<(), Error> {
    let linux = &init.container()?.linux;
    Ok(mask::hide(init.root()?, &linux.masked_paths, &linux.mount_label)?)
}

/// Makes read-only what files were put into, and the root itself, after everything that writes to them.
pub(super) fn read_only_root(init: &mut Init<'_>) -> Result<(), Error> {
    mount::make_read_only(&init.read_only_later)?;
    if !init.container()?.spec.root.as_ref().is_some_and(|root| root.readonly) {
        return Ok(());
    }
    let change = Change {
        set: Attributes::READ_ONLY,
        ..Change::default()
    };
    mount_attributes::set(init.root()?.fd(), false, change).doing(|| "make the root read-only".into())
}
