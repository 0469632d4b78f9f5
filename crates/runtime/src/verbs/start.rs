//! `start`: lets the process of a created container execute its program.

use super::Globals;
use crate::argv::Arguments;
use crate::error::Error;
use crate::hooks;
use crate::state::Home;
use std::path::Path;
use tierce_oci::runtime::Status;

/// Starts a created container.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Status`] for one that runs already or has ended.
pub fn start(root: &Path, id: &str) -> Result<(), Error> {
    let home = Home::of(root, id)?;
    let record = home.load()?;
    if !record.is_alive() {
        return Err(Error::Status("cannot start a container that has stopped".into()));
    }
    // Only hooks need the document, and reading it is most of the work here.
    home.open_fifo_once()?;
    let spec = home.config()?;
    if let Some(lists) = spec.hooks {
        hooks::run("poststart", &lists.poststart, &record.document(Status::Running))?;
    }
    Ok(())
}

/// The command line.
pub(crate) fn command(globals: &Globals, arguments: &mut Arguments) -> Result<u8, Error> {
    let id = super::only_id("start", arguments)?;
    start(&globals.root, &id)?;
    Ok(0)
}
