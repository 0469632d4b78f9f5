//! Signals by number (real-time ones included): masks, waiting, sending.

use crate::clone::last_error;
use rustix::io::{Errno, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The highest signal number.
pub const HIGHEST: i32 = 64;

/// The signal mask that a thread had before [`block_all`].
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

/// Blocks every signal of the calling thread; they stay pending until [`wait`] takes them.
pub fn block_all() -> Mask {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut old = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set, pthread_sigmask reads it and writes the old one; with valid arguments
    // neither can fail.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr());
        Mask(old.assume_init())
    }
}

/// Sets the calling thread's mask back.
pub fn restore(mask: &Mask) {
    // SAFETY: the mask was written by the kernel.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask.0, std::ptr::null_mut()) };
}

/// Unblocks every signal and sets every disposition to its default, as a new program expects.
pub fn reset() {
    // SAFETY: SIG_DFL is a valid disposition for every signal; those that cannot be set (SIGKILL, SIGSTOP, the C
    // library's own) are refused with an error that does not matter. The emptied set is initialised before its use.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        for number in 1..=HIGHEST {
            let mut present: libc::sigaction = std::mem::zeroed();
            // Execve resets handlers by itself; only ignored signals stay ignored. Asking first costs the same call.
            if libc::sigaction(number, std::ptr::null(), &raw mut present) == 0 && present.sa_sigaction == libc::SIG_IGN
            {
                libc::sigaction(number, &raw const action, std::ptr::null_mut());
            }
        }
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Has these signals end this process, although it is the first of its pid namespace, where the kernel keeps those from
/// it whose default would end it. Execve undoes it.
pub fn end_on(numbers: &[i32]) {
    extern "C" fn end(number: libc::c_int) {
        // SAFETY: takes an integer and ends the process; async-signal-safe by signal-safety(7).
        unsafe { libc::_exit(128 + number) }
    }
    // SAFETY: the structure is all integers, a mask and a pointer that may be null; the handler has the signature of one
    // without SA_SIGINFO and does nothing but end. A number that cannot be handled is refused, which changes nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = end as extern "C" fn(libc::c_int) as usize;
        for number in numbers {
            libc::sigaction(*number, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Waits for any blocked signal and takes it; `None` after the time is over.
///
/// # Errors
/// Those of sigtimedwait(2) besides interruption.
pub fn wait(limit: Option<Duration>) -> Result<Option<i32>> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let limit = limit.map(|time| libc::timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    });
    loop {
        // SAFETY: the set is initialised by sigfillset; a null information pointer and a null time are allowed.
        let number = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::sigtimedwait(
                all.as_ptr(),
                std::ptr::null_mut(),
                limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            )
        };
        if number > 0 {
            return Ok(Some(number));
        }
        match last_error() {
            Errno::INTR => {}
            Errno::AGAIN => return Ok(None),
            error => return Err(error),
        }
    }
}

/// A descriptor that is readable while a held back signal waits, to be taken with [`wait`]. Source: signalfd(2).
///
/// # Errors
/// `EMFILE` and its like.
pub fn watch() -> Result<OwnedFd> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set, which signalfd reads; -1 asks for a new descriptor.
    let number = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::signalfd(-1, all.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if number < 0 {
        return Err(last_error());
    }
    // SAFETY: the kernel just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends a signal to the process that a pidfd stands for; 0 only asks whether it may be sent.
///
/// # Errors
/// `ESRCH` when the process has ended and was reaped, `EINVAL` for a bad number.
pub fn send(pidfd: BorrowedFd<'_>, number: i32) -> Result<()> {
    // SAFETY: takes integers and a null pointer, which pidfd_send_signal(2) allows.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            number,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Sends a signal to a process by pid. Prefer [`send`] where a pidfd is at hand, since pids are used again.
///
/// # Errors
/// Those of kill(2); `EINVAL` for pids below 1, which would mean groups.
pub fn send_to_pid(pid: i32, number: i32) -> Result<()> {
    if pid < 1 {
        return Err(Errno::INVAL);
    }
    // SAFETY: takes integers only.
    let result = unsafe { libc::kill(pid, number) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}
