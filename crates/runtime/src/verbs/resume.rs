//! `resume`: thaws all processes of a paused container.

use super::{Globals, state};
use crate::argv::Arguments;
use crate::error::Error;
use crate::state::Home;
use std::path::Path;

/// Thaws a paused container.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Status`] for one that is not paused.
pub fn resume(root: &Path, id: &str) -> Result<(), Error> {
    let record = Home::of(root, id)?.load()?;
    let group = state::group(&record);
    if !group.frozen()? {
        return Err(Error::Status("container not paused".into()));
    }
    Ok(group.set_frozen(false)?)
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let id = super::only_id("resume", arguments)?;
    resume(&globals.root, &id)?;
    Ok(0)
}
