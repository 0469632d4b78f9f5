//! `pause`: freezes all processes of a container.

use super::{Globals, state};
use crate::argv::Arguments;
use crate::error::Error;
use crate::state::Home;
use std::path::Path;
use tierce_oci::runtime::Status;

/// Freezes a container that runs or is created.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Status`] for one that does neither.
pub fn pause(root: &Path, id: &str) -> Result<(), Error> {
    let home = Home::of(root, id)?;
    let record = home.load()?;
    match state::status(&home, &record)? {
        Status::Running | Status::Created => Ok(state::group(&record).set_frozen(true)?),
        status => Err(Error::Status(format!("container not running: {status}"))),
    }
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let id = super::only_id("pause", arguments)?;
    pause(&globals.root, &id)?;
    Ok(0)
}
