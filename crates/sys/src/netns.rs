//! Network namespaces: leaving the present one for a fresh one, entering another.
//!
//! A network namespace belongs to a *thread*; the other threads of the process stay where they are. Callers therefore
//! do this on a thread of their own that ends afterwards, or keep a socket that was opened inside.

use std::io;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// Moves the calling thread into a new, empty network namespace (only `lo`, down).
///
/// Errors: `EPERM` without `CAP_SYS_ADMIN`, `ENOSPC` when the user's namespaces are used up (`unshare(2)`).
pub fn unshare_network() -> io::Result<()> {
    // SAFETY: CLONE_NEWNET changes no memory, descriptor table or file-system attribute that other threads share; it
    // only replaces this thread's network namespace.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(io::Error::from)
}

/// Gives the calling thread its own copy of the mount table (and of the working directory and umask).
///
/// Tests use it so that pinned namespaces vanish with the thread.
pub fn unshare_mounts() -> io::Result<()> {
    // SAFETY: CLONE_NEWNS (implying CLONE_FS) gives this thread private copies; what other threads share stays theirs.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.map_err(io::Error::from)
}

/// Moves the calling thread into the network namespace that `namespace` refers to (`setns(2)`).
pub fn enter_network(namespace: impl AsFd) -> io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).map_err(io::Error::from)
}
