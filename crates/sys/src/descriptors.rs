//! File descriptors by number, where a protocol (stdio, `LISTEN_FDS`) fixes the number; and how many there may be.

use crate::clone::last_error;
use rustix::io::{Errno, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Marks every descriptor from `first` upwards close-on-exec.
///
/// # Errors
/// Those of close_range(2); `ENOSYS` before Linux 5.11.
pub fn close_on_exec_from(first: u32) -> Result<()> {
    // SAFETY: only flags of descriptors change; none is closed now.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Closes every descriptor from `first` upwards but those of `kept`.
///
/// For a forked child on its way to another program. Descriptors are closed under whoever owns them, so the child must
/// not go back into code that does: it ends in `execve` or [`exit_now`](crate::exec::exit_now).
///
/// # Errors
/// Those of close_range(2); `ENOSYS` before Linux 5.9.
pub fn close_from_except(first: u32, kept: &mut [RawFd]) -> Result<()> {
    kept.sort_unstable();
    let mut next = first;
    for number in kept
        .iter()
        .map(|number| number.cast_unsigned())
        .filter(|number| *number >= first)
    {
        if number > next {
            close_between(next, number - 1)?;
        }
        next = number + 1;
    }
    close_between(next, u32::MAX)
}

fn close_between(first: u32, last: u32) -> Result<()> {
    // SAFETY: closing touches no memory; that nobody uses a closed number is the promise of the only caller's callers.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Makes `number` another name of `file`'s open file, without close-on-exec, replacing what `number` was.
///
/// Meant for a freshly forked child that lays out the descriptors its program expects.
///
/// # Errors
/// `EBUSY` for a negative number or one that some `OwnedFd` could hold: only numbers that are closed, `file`'s own or
/// 0 to 2 are accepted, so that no owner is left with a foreign file. Otherwise those of dup2(2).
pub fn place(file: BorrowedFd<'_>, number: RawFd) -> Result<()> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    if file.as_raw_fd() == number {
        return rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty());
    }
    if number > 2 && is_open(number) {
        return Err(Errno::BUSY);
    }
    // SAFETY: the number is free or one of the standard streams, which no OwnedFd of ours holds.
    let result = unsafe { libc::dup2(file.as_raw_fd(), number) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// A new descriptor for the open file that the caller's environment handed over under `number`.
///
/// # Errors
/// `EBADF` when the number is not open.
pub fn duplicate(number: RawFd) -> Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC only makes a new descriptor; a bad number is an error, not undefined behaviour.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(last_error());
    }
    // SAFETY: the kernel just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Whether `number` is an open descriptor.
pub fn is_open(number: RawFd) -> bool {
    // SAFETY: F_GETFD reads a flag; a bad number is an error.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

/// Clears close-on-exec of a descriptor given by number, so that the next program inherits it.
///
/// # Errors
/// `EBADF` when the number is not open.
pub fn inherit(number: RawFd) -> Result<()> {
    // SAFETY: F_SETFD changes a flag; a bad number is an error.
    let result = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// How many descriptors this process may have open (the soft limit of getrlimit(2)); `u64::MAX`: as many as it likes.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Takes as many descriptors as may be had without a privilege, as programs in Go do by themselves. Gives the limit before,
/// which programs that know only select(2) rely on: children should get it back by [`set_limit`].
pub fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    // No further than before, then.
    let _ = setrlimit(Resource::Nofile, wanted);
    current.unwrap_or(u64::MAX)
}

/// Sets the soft limit, at most to the hard one.
///
/// # Errors
/// Those of setrlimit(2).
pub fn set_limit(limit: u64) -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = maximum.map_or(limit, |maximum| maximum.min(limit));
    let wanted = Rlimit {
        current: Some(current),
        maximum,
    };
    setrlimit(Resource::Nofile, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn place_refuses_numbers_that_somebody_may_own() {
        let file = tempfile::tempfile().expect("a file");
        let other = tempfile::tempfile().expect("a file");
        assert_eq!(place(file.as_fd(), other.as_raw_fd()), Err(Errno::BUSY));
        assert_eq!(place(file.as_fd(), -1), Err(Errno::BADF));
    }

    #[test]
    fn duplicate_of_a_closed_number_is_an_error() {
        assert_eq!(duplicate(99_999).map(|_| ()), Err(Errno::BADF));
    }
}
