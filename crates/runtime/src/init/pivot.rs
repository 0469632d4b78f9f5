//! The container's root becomes the process's root, and the host's is gone.

use super::Init;
use crate::error::{Doing, Error};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags};
use tierce_oci::runtime::NamespaceKind;
use tierce_rootfs::{full_view, propagation};

/// Changes the root: by pivot_root(2), by moving mounts where there is no other way, or by chroot(2) in a mount namespace
/// that is shared with the host.
pub(super) fn pivot(init: &mut Init<'_>) -> Result<(), Error> {
    let container = init.container()?;
    let root = init.root()?;
    rustix::process::fchdir(root.fd()).doing(|| "enter the rootfs".into())?;
    if !container.namespaces.has(NamespaceKind::Mount) {
        rustix::process::chroot(".").doing(|| "chroot".into())?;
    } else if container.no_pivot {
        full_view::remove(&container.rootfs)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(root.fd(), c"", rustix::fs::CWD, c"/", flags)
            .doing(|| "move the rootfs to /".into())?;
        rustix::process::chroot(".").doing(|| "chroot".into())?;
    } else {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let old = rustix::fs::open("/", flags, Mode::empty()).doing(|| "open the old root".into())?;
        // With the same directory twice, the old root is stacked on top of the new one and needs no place inside it.
        rustix::process::pivot_root(".", ".").doing(|| "pivot_root".into())?;
        // "." still is the new root: unmount would climb to what is stacked on it, a change of propagation would not.
        rustix::process::fchdir(&old).doing(|| "enter the old root".into())?;
        if container.propagation.is_some() {
            // The old root may be shared: its unmounting must not reach the host.
            let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
            rustix::mount::mount_change(".", flags).doing(|| "cut the old root loose".into())?;
        }
        rustix::mount::unmount(".", UnmountFlags::DETACH).doing(|| "unmount the old root".into())?;
    }
    rustix::process::chdir("/").doing(|| "chdir /".into())
}

/// Gives the root the propagation that the document wants.
pub(super) fn propagation(init: &mut Init<'_>) -> Result<(), Error> {
    let container = init.container()?;
    if !container.namespaces.has(NamespaceKind::Mount) {
        return Ok(());
    }
    Ok(propagation::complete(init.root()?, container.propagation)?)
}
