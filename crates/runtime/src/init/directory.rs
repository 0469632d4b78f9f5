//! The working directory.

use super::Init;
use crate::error::{Doing, Error};
use rustix::io::Errno;
use tierce_sys::Cause;

/// Makes the directory beneath the root where the image lacks it, as runc does.
pub(super) fn make(init: &mut Init<'_>) -> Result<(), Error> {
    // A path that is no directory shows when it is entered, with the right words.
    match init.root()?.make_directories(init.program.directory()) {
        Err(tierce_rootfs::Error::Kernel {
            source: Errno::NOTDIR | Errno::ROFS,
            ..
        }) => Ok(()),
        result => Ok(result.map(drop)?),
    }
}

/// Enters it while still root, who can enter what the user cannot: the working directory of a volume's owner, say. Where
/// even root may not (in a user namespace, on a network file system), the user tries again.
///
/// All descriptors of the host are closed by now: a path like `/proc/self/fd/7` leads nowhere (CVE-2024-21626).
pub(super) fn enter_as_root(init: &mut Init<'_>) -> Result<(), Error> {
    match rustix::process::chdir(init.program.directory()) {
        Ok(()) => {
            // Asked now, for a filter may forbid to ask later.
            inside()?;
            init.entered = true;
        }
        Err(Errno::ACCESS | Errno::PERM) => {}
        Err(error) => return Err(failed(init, error)),
    }
    Ok(())
}

/// Enters it as the user, unless that is done.
pub(super) fn enter_as_user(init: &mut Init<'_>) -> Result<(), Error> {
    if init.entered {
        return Ok(());
    }
    rustix::process::chdir(init.program.directory()).map_err(|error| failed(init, error))?;
    inside()
}

/// Makes sure that the working directory lies inside the root: one that is reached through a leaked descriptor of the
/// host has no path from here (CVE-2024-21626).
fn inside() -> Result<(), Error> {
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

fn failed(init: &Init<'_>, error: Errno) -> Error {
    Error::Step {
        kind: tierce_fault::kind_of_io(&error.into()),
        text: format!(
            "chdir to cwd (\"{}\") set in config.json failed: {}",
            init.program.directory().display(),
            Cause(error)
        ),
    }
}
