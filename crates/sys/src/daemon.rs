//! Leaving the caller to live on as a process of one's own, and signals as a readable descriptor.

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};

use crate::clone::{last_error, single_threaded};

/// The two sides of a successful [`fork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This is the new process.
    Child,
    /// This is the caller.
    Parent {
        /// The child's pid.
        pid: i32,
    },
}

/// The C library's `fork(2)`, after which the child may do anything the parent could: other than with
/// [`crate::clone::fork`], the library's own bookkeeping is set right in the child.
///
/// # Errors
/// `EDEADLK` when the process has more than one thread; otherwise those of fork(2).
pub fn fork() -> Result<Side> {
    if !single_threaded()? {
        return Err(Errno::DEADLK);
    }
    // SAFETY: this is the only thread (checked above), so no other can hold a lock that the child would inherit.
    match unsafe { libc::fork() } {
        0 => Ok(Side::Child),
        pid if pid > 0 => Ok(Side::Parent { pid }),
        _ => Err(last_error()),
    }
}

/// Blocks these signals in the calling thread and gives a descriptor that is readable while one of them is pending.
/// It does not block and is close-on-exec.
///
/// # Errors
/// `EINVAL` for a number that is no signal; otherwise those of signalfd(2).
pub fn signal_descriptor(signals: &[i32]) -> Result<OwnedFd> {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before it is used.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for &signal in signals {
        // SAFETY: the set is initialised; a bad number is reported, not stored.
        if unsafe { libc::sigaddset(set.as_mut_ptr(), signal) } != 0 {
            return Err(Errno::INVAL);
        }
    }
    // SAFETY: the set is initialised, and the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) };
    // SAFETY: the set is initialised; -1 asks for a new descriptor.
    let descriptor = unsafe { libc::signalfd(-1, set.as_ptr(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(last_error());
    }
    // SAFETY: the kernel just made it, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_can_be_read_and_nonsense_is_refused() {
        let descriptor = signal_descriptor(&[libc::SIGWINCH]).unwrap();
        let mut buffer = [0; 128];
        assert_eq!(rustix::io::read(&descriptor, &mut buffer), Err(Errno::AGAIN));
        // SAFETY: sends a harmless, blocked signal to this very thread.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGWINCH) };
        assert_eq!(rustix::io::read(&descriptor, &mut buffer), Ok(128));
        assert!(signal_descriptor(&[1000]).is_err());
    }
}
