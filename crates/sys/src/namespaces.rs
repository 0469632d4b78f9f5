//! `unshare(2)` and `setns(2)` for the namespaces of a process.

use crate::clone::last_error;
use rustix::io::Result;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A set of namespace kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(libc::c_int);

impl Kinds {
    /// None.
    pub const NONE: Self = Self(0);
    /// mount_namespaces(7)
    pub const MOUNT: Self = Self(libc::CLONE_NEWNS);
    /// cgroup_namespaces(7)
    pub const CGROUP: Self = Self(libc::CLONE_NEWCGROUP);
    /// uts_namespaces(7)
    pub const UTS: Self = Self(libc::CLONE_NEWUTS);
    /// ipc_namespaces(7)
    pub const IPC: Self = Self(libc::CLONE_NEWIPC);
    /// user_namespaces(7)
    pub const USER: Self = Self(libc::CLONE_NEWUSER);
    /// pid_namespaces(7); only later children are in it
    pub const PID: Self = Self(libc::CLONE_NEWPID);
    /// network_namespaces(7)
    pub const NETWORK: Self = Self(libc::CLONE_NEWNET);
    /// time_namespaces(7); only later children are in it after [`unshare`]
    pub const TIME: Self = Self(0x80);

    /// Whether none is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Kinds {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Kinds {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Moves the calling thread into new namespaces of these kinds.
///
/// # Errors
/// Those of unshare(2).
pub fn unshare(kinds: Kinds) -> Result<()> {
    // SAFETY: only namespace flags can be in the set; none of them takes memory or descriptors from other threads.
    let result = unsafe { libc::unshare(kinds.0) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Gives the calling thread a root directory, a working directory and a umask of its own; else all threads of a process
/// share them.
///
/// # Errors
/// Those of unshare(2); `EPERM` under a filter of system calls.
pub fn unshare_directories() -> Result<()> {
    // SAFETY: takes an integer only; neither memory nor descriptors are concerned.
    let result = unsafe { libc::unshare(libc::CLONE_FS) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Moves the calling thread into the namespace that `namespace` stands for (a file of nsfs), which must be of one of
/// these kinds; or, where it is a pidfd, into all namespaces of these kinds of that process at once.
///
/// # Errors
/// Those of setns(2).
pub fn join(namespace: BorrowedFd<'_>, kinds: Kinds) -> Result<()> {
    // SAFETY: takes integers only.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), kinds.0) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}
