//! Loading a seccomp filter, see seccomp(2).

use crate::clone::last_error;
use rustix::io::{Errno, Result};
use std::os::fd::{FromRawFd, OwnedFd};

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: the call returns a descriptor for notifications.
pub const NEW_LISTENER: u32 = 1 << 3;

/// One instruction of classic BPF, the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when true.
    pub jt: u8,
    /// Instructions to skip when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    filter: *const Instruction,
}

/// Loads `filter` for the calling thread and its descendants, with the kernel's `SECCOMP_FILTER_FLAG_*`. With
/// [`NEW_LISTENER`] the notification descriptor is returned.
///
/// # Errors
/// `EACCES` without CAP_SYS_ADMIN or no_new_privs, `EINVAL` for a bad filter.
pub fn load(filter: &[Instruction], flags: u32) -> Result<Option<OwnedFd>> {
    let length = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
    let program = Program {
        length,
        filter: filter.as_ptr(),
    };
    // SAFETY: the program points to `length` instructions that live until the call returns; the kernel verifies them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    if result < 0 {
        return Err(last_error());
    }
    if flags & NEW_LISTENER == 0 {
        return Ok(None);
    }
    // SAFETY: with NEW_LISTENER the result is a new descriptor that nobody else owns.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(result as libc::c_int) }))
}

/// Whether this kernel knows an action (`SECCOMP_RET_*`).
pub fn knows_action(action: u32) -> bool {
    // SAFETY: SECCOMP_GET_ACTION_AVAIL reads one integer.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}
