//! `clone3(2)`, or `clone(2)` where a filter hides it, in the manner of `fork(2)`: the child goes on with a copy of the caller's memory.

use rustix::io::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `CLONE_INTO_CGROUP`; the C library crate's constant is too narrow for it.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// Namespaces and relations of a new process; the flags of clone3(2) that a runtime needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u64);

impl Flags {
    /// No flag: a plain fork.
    pub const NONE: Self = Self(0);
    /// A new mount namespace.
    pub const NEW_MOUNT: Self = Self(libc::CLONE_NEWNS as u64);
    /// A new control group namespace.
    pub const NEW_CGROUP: Self = Self(libc::CLONE_NEWCGROUP as u64);
    /// A new UTS namespace.
    pub const NEW_UTS: Self = Self(libc::CLONE_NEWUTS as u64);
    /// A new IPC namespace.
    pub const NEW_IPC: Self = Self(libc::CLONE_NEWIPC as u64);
    /// A new user namespace; it owns the other new ones.
    pub const NEW_USER: Self = Self(libc::CLONE_NEWUSER as u64);
    /// A new pid namespace, whose first process the child is.
    pub const NEW_PID: Self = Self(libc::CLONE_NEWPID as u64);
    /// A new network namespace.
    pub const NEW_NET: Self = Self(libc::CLONE_NEWNET as u64);
    /// The child becomes a sibling: its parent is the caller's parent.
    pub const SIBLING: Self = Self(libc::CLONE_PARENT as u64);

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether none is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The two sides of a successful [`fork`].
#[derive(Debug)]
pub enum Fork {
    /// This is the new process.
    Child,
    /// This is the caller.
    Parent {
        /// The child's pid in the caller's pid namespace.
        pid: i32,
        /// A descriptor that stands for the child and never for another process.
        pidfd: OwnedFd,
    },
}

/// Whether this process has exactly one thread.
///
/// # Errors
/// When a filter hides unshare(2) and `/proc` is not mounted.
pub fn single_threaded() -> Result<bool> {
    // Unsharing threads is only possible, and then nothing, where there is but one; a tenth of the price of a look
    // into `/proc`.
    // SAFETY: takes an integer, and changes nothing.
    if unsafe { libc::unshare(libc::CLONE_THREAD) } == 0 {
        return Ok(true);
    }
    if last_error() == Errno::INVAL {
        return Ok(false);
    }
    // `/proc/self/task` has one link for each thread besides `.` and `..`.
    Ok(rustix::fs::stat(c"/proc/self/task")?.st_nlink == 3)
}

/// Starts a process that continues here with a copy of this one's memory. A signal SIGCHLD tells of its end, except
/// with [`Flags::SIBLING`]. With `cgroup`, the descriptor of a v2 control group directory, it is born in that group.
///
/// The C library's fork handlers do not run, and the child's cached thread id is the parent's; so the child shall
/// only prepare and `execve`, or end by [`crate::exec::exit_now`].
///
/// # Errors
/// `EDEADLK` when the process has more than one thread, since a lock held by another thread would stay locked for
/// ever in the child; otherwise those of clone3(2).
pub fn fork(flags: Flags, cgroup: Option<BorrowedFd<'_>>) -> Result<Fork> {
    if !single_threaded()? {
        return Err(Errno::DEADLK);
    }
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is a plain struct of integers for which zero is a valid value.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags.0 | libc::CLONE_PIDFD as u64;
    arguments.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    arguments.exit_signal = if flags.contains(Flags::SIBLING) {
        0
    } else {
        libc::SIGCHLD as u64
    };
    if let Some(directory) = cgroup {
        arguments.flags |= INTO_CGROUP;
        arguments.cgroup = directory.as_raw_fd() as u64;
    }
    // SAFETY: neither CLONE_VM nor a stack is passed, so the child runs on its own copy of this memory, and as this is
    // the only thread (checked above), no lock can be held by a thread that the child lacks. `pidfd` outlives the call.
    let mut result = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    if result < 0 && last_error() == Errno::NOSYS && cgroup.is_none() {
        // Docker's seccomp profile, under which our own programs may run, hides clone3 because it cannot look into the
        // struct; clone(2) does all of it but the group. Its third argument is where the pidfd goes.
        let flags = arguments.flags | arguments.exit_signal;
        // SAFETY: as above; no stack is passed (0), and the remaining arguments belong to flags that are not set.
        result = unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) };
    }
    match result {
        0 => Ok(Fork::Child),
        pid if pid > 0 => {
            // SAFETY: on success the kernel stored a new descriptor there that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Fork::Parent { pid: pid as i32, pidfd })
        }
        _ => Err(last_error()),
    }
}

/// The error number of the C library's last failed call.
pub(crate) fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}
