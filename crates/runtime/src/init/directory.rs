//! The working directory.

use super::Init;
use crate::error::{Cause, Doing, Error};
use rustix::io::Errno;

/// Makes the directory beneath the root where the image lacks it, as runc does.
pub(super) fn make(init: &mut Init<'_>) -> Result<(), Error> {
    // A path that is no directory shows when it is entered, with the right words.
    match init.root()?.make_directories(init.program.directory()) {
        Err(Error::Kernel {
            source: Errno::NOTDIR | Errno::ROFS,
            ..
        }) => Ok(()),
        result => result.map(|_| ()),
    }
}

/// Enters it as the user, and makes sure that it lies inside the root: a directory that is reached through a leaked
/// descriptor of the host has no path from here (CVE-2024-21626).
pub(super) fn enter(init: &mut Init<'_>) -> Result<(), Error> {
    let directory = init.program.directory();
    rustix::process::chdir(directory).map_err(|error| Error::Program {
        program: directory.display().to_string(),
        cause: format!("chdir to cwd set in config.json failed: {}", Cause(error)),
        kind: tierce_fault::kind_of_io(&error.into()),
    })?;
    let doing = || "current working directory is outside of container mount namespace root".to_owned();
    let found = rustix::process::getcwd(Vec::new()).doing(doing)?;
    // The kernel writes "(unreachable)/…" for directories outside the root.
    if found.as_bytes().starts_with(b"/") {
        Ok(())
    } else {
        Err(Error::Kernel {
            action: doing(),
            source: Errno::NOENT,
        })
    }
}
