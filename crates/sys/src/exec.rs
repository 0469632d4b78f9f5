//! Becoming another program, and ending without the C library's exit handlers.

use crate::clone::last_error;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// A null-terminated array of pointers to C strings, as `execve` takes it.
#[derive(Debug)]
pub struct StringArray<'a> {
    pointers: Vec<*const libc::c_char>,
    strings: std::borrow::Cow<'a, [CString]>,
}

impl<'a> StringArray<'a> {
    /// The array of these strings, in order.
    pub fn new(strings: &'a [CString]) -> Self {
        Self::of(strings.into())
    }

    /// The same, of strings that it keeps.
    pub fn owning(strings: Vec<CString>) -> Self {
        Self::of(strings.into())
    }

    /// The strings.
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }

    /// A C string's bytes stay where they are when its owner is moved, and nothing here changes them.
    fn of(strings: std::borrow::Cow<'a, [CString]>) -> Self {
        let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
        pointers.push(ptr::null());
        Self { pointers, strings }
    }
}

/// Replaces this program by the one at `path`. Returns only on failure.
pub fn execve(path: &CStr, arguments: &StringArray<'_>, environment: &StringArray<'_>) -> Errno {
    // SAFETY: all three are null-terminated and live until the call returns or the memory is replaced.
    unsafe {
        libc::execve(
            path.as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    last_error()
}

/// Replaces this program by the one that `file` stands for. Returns only on failure.
pub fn execute_file(file: BorrowedFd<'_>, arguments: &StringArray<'_>, environment: &StringArray<'_>) -> Errno {
    // SAFETY: as in `execve`; the empty path with AT_EMPTY_PATH names the descriptor itself.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    last_error()
}

/// Ends the process at once: no exit handlers, no flushing of buffers that it shares with the process it was copied of.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes an integer and does not return.
    unsafe { libc::_exit(code) }
}
