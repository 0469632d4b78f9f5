//! A mount namespace for a moment: CRIU wants the root file system as a mount, and opens its directories through our
//! descriptors, so both must be of one namespace, and nothing of it may be left on the host, even if we are killed.

use crate::error::{Doing, Error};
use crate::namespaces;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_bind_recursive, mount_change};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_oci::runtime::NamespaceKind;
use tierce_sys::namespaces::Kinds;

/// While this lives, the caller and the processes it starts are in a mount namespace of their own.
#[derive(Debug)]
pub(crate) struct Aside {
    namespace: OwnedFd,
    root: OwnedFd,
    directory: OwnedFd,
}

impl Aside {
    /// Leaves the host's mount namespace, whose later mounts still come in, and binds a directory in the new one. The
    /// caller must have a single thread.
    pub(crate) fn step(from: &Path, to: &Path) -> Result<Self, Error> {
        let open = |path: &str| {
            rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .doing(|| format!("open {path}"))
        };
        let aside = Self {
            namespace: namespaces::own(NamespaceKind::Mount)?,
            root: open("/")?,
            directory: open(".")?,
        };
        tierce_sys::namespaces::unshare(Kinds::MOUNT).doing(|| "unshare the mount namespace".into())?;
        mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
            .doing(|| "cut the mounts loose".into())?;
        mount_bind_recursive(from, to).doing(|| format!("bind {} to {}", from.display(), to.display()))?;
        Ok(aside)
    }

    /// Goes back, also to the same root and working directory, which entering a namespace changes.
    fn back(&self) -> Result<(), Error> {
        let doing = || "return to the mount namespace".to_owned();
        tierce_sys::namespaces::join(self.namespace.as_fd(), Kinds::MOUNT).doing(doing)?;
        rustix::process::fchdir(&self.root).doing(doing)?;
        rustix::process::chroot(".").doing(doing)?;
        rustix::process::fchdir(&self.directory).doing(doing)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // It was ours a moment ago; there is no reason for the kernel to refuse, and no remedy.
        let _ = self.back();
    }
}
