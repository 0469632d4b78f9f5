//! How mounts of the host and of the container spread, and the container's root as a mount of its own.

use super::beneath::Root;
use super::{bind, mount};
use crate::error::{Doing, Error};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_sys::mount_attributes::{self, Change, Propagation};

/// The propagation that `linux.rootfsPropagation` names, and whether it is recursive; `None` when it names none.
///
/// # Errors
/// [`Error::Invalid`] for another word.
pub fn parse(word: &str) -> Result<Option<(Propagation, bool)>, Error> {
    let (word, recursive) = match word.strip_prefix('r') {
        Some(rest) if matches!(rest, "private" | "shared" | "slave" | "unbindable") => (rest, true),
        _ => (word, false),
    };
    Ok(Some((
        match word {
            "" => return Ok(None),
            "private" => Propagation::Private,
            "shared" => Propagation::Shared,
            "slave" => Propagation::Slave,
            "unbindable" => Propagation::Unbindable,
            _ => return Err(Error::Invalid(format!("rootfsPropagation={word} is not supported"))),
        },
        recursive,
    )))
}

fn open(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn change(mount: &OwnedFd, recursive: bool, propagation: Propagation) -> Result<(), Errno> {
    mount_attributes::set(
        mount.as_fd(),
        recursive,
        Change {
            propagation: Some(propagation),
            ..Change::default()
        },
    )
}

/// Cuts the new mount namespace loose from the host and makes `rootfs` a mount in it.
///
/// By default the host's later mounts still come in (slave) and nothing goes out; `shared` is asked for explicitly.
pub fn prepare(rootfs: &Path, wanted: Option<(Propagation, bool)>) -> Result<Root, Error> {
    let host = open(Path::new("/")).doing(|| "open /".into())?;
    let first = wanted.map_or(Propagation::Slave, |(propagation, _)| propagation);
    // An unbindable or private tree could not take part in what follows differently from a slave's.
    change(
        &host,
        true,
        if first == Propagation::Unbindable {
            Propagation::Private
        } else {
            first
        },
    )
    .doing(|| "set the propagation of /".into())?;
    if first == Propagation::Shared {
        // pivot_root(2) and move_mount(2) refuse a shared parent, and the container's mounts must not show there.
        make_parent_private(rootfs)?;
    }
    let tree = bind::tree(rootfs, true)?;
    let target = open(rootfs).doing(|| format!("open {}", rootfs.display()))?;
    mount::attach(tree.as_fd(), target.as_fd())?;
    Ok(Root::new(tree))
}

/// Makes the mount that holds `path` private: the nearest directory upwards that is the root of a mount.
fn make_parent_private(path: &Path) -> Result<(), Error> {
    for directory in path.ancestors() {
        let opened = open(directory).doing(|| format!("open {}", directory.display()))?;
        match change(&opened, false, Propagation::Private) {
            Ok(()) => return Ok(()),
            Err(Errno::INVAL) => {}
            Err(error) => return Err(error).doing(|| format!("make {} private", directory.display())),
        }
    }
    Ok(())
}

/// Gives the container's root the propagation that was asked for; after the root has been changed.
pub fn complete(root: &Root, wanted: Option<(Propagation, bool)>) -> Result<(), Error> {
    let Some((propagation, recursive)) = wanted else {
        return Ok(());
    };
    let change = Change {
        propagation: Some(propagation),
        ..Change::default()
    };
    mount_attributes::set(root.fd(), recursive, change).doing(|| "set rootfsPropagation".into())
}
