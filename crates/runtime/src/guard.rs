//! Protection of the runtime's own binary (CVE-2019-5736).
//!
//! A process on its way into a container still has the host's runtime as its `/proc/PID/exe`. A container can make the
//! runtime execute itself (an entry point that is a link to `/proc/self/exe`, or a script whose interpreter is), and then
//! open that file for writing: as root, of the host's file. So the program must be executed from a file that cannot be
//! written: a detached, read-only copy of its mount, made by two system calls without copying a byte. Nobody can make it
//! writable again, for it belongs to no mount namespace. Where that is not allowed (no CAP_SYS_ADMIN), a sealed copy in
//! memory does the same.
//!
//! A long-lived caller of the library (a shim) should be started from such a file by whoever starts it
//! ([`protected_copy`] and `execveat`), or call [`reexecute`] at its start.

use crate::error::{Doing, Error};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags};
use rustix::mount::OpenTreeFlags;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use tierce_sys::exec::{StringArray, execute_file};
use tierce_sys::mount_attributes::{self, Attributes, Change};

/// This process's program file.
const SELF: &str = "/proc/self/exe";

/// Whether this process's program file cannot be written through `/proc/PID/exe`.
pub fn is_protected() -> bool {
    rustix::fs::statvfs(SELF).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)) || is_sealed()
}

fn is_sealed() -> bool {
    let wanted = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(rustix::fs::fcntl_get_seals)
        .is_ok_and(|seals| seals.contains(wanted))
}

/// A descriptor of a program file from which it can be executed (`execveat` with an empty path) but never overwritten.
///
/// # Errors
/// [`Error::Kernel`] when neither way is possible.
pub fn protected_copy(program: &Path) -> Result<OwnedFd, Error> {
    let read_only = || {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = rustix::mount::open_tree(rustix::fs::CWD, program, flags)?;
        let change = Change {
            set: Attributes::READ_ONLY,
            ..Change::default()
        };
        mount_attributes::set(tree.as_fd(), false, change)?;
        Ok::<_, rustix::io::Errno>(tree)
    };
    read_only().or_else(|_| sealed_copy(program))
}

fn sealed_copy(program: &Path) -> Result<OwnedFd, Error> {
    let action = || format!("copy {} into memory", program.display());
    let mut from = std::fs::File::open(program).doing(action)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut to = std::fs::File::from(rustix::fs::memfd_create("tierce-runtime", flags).doing(action)?);
    std::io::copy(&mut from, &mut to).doing(action)?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&to, seals).doing(action)?;
    Ok(to.into())
}

/// Begins a verb that puts a process into a container: protects this program's file, and looks after the descriptors
/// that it was given.
///
/// # Errors
/// As [`reexecute`] and [`given_descriptors`].
pub(crate) fn begin(preserved: u32) -> Result<(), Error> {
    reexecute()?;
    given_descriptors(preserved)
}

/// Looks after the descriptors that this program was given: those to be handed on must be there, lest the program's own
/// take their numbers, and no other goes to whatever is executed.
///
/// # Errors
/// [`Error::Kernel`] with runc's words for one that is not open.
fn given_descriptors(preserved: u32) -> Result<(), Error> {
    for position in 0..preserved {
        let open = i32::try_from(3 + i64::from(position)).is_ok_and(tierce_sys::descriptors::is_open);
        if !open {
            return Err(Error::Kernel {
                action: format!("unable to stat preserved-fd {position} (of {preserved})"),
                source: rustix::io::Errno::BADF,
            });
        }
    }
    tierce_sys::descriptors::close_on_exec_from(preserved.saturating_add(3)).doing(|| "close_range".into())
}

/// Executes this program again from a protected file, with the same arguments and environment. Returns only when that
/// is the case already.
///
/// # Errors
/// [`Error::Kernel`] when it cannot be done; the caller must not go on then.
pub fn reexecute() -> Result<(), Error> {
    if is_protected() {
        return Ok(());
    }
    let copy = protected_copy(Path::new(SELF))?;
    let arguments: Vec<CString> = std::env::args_os()
        .filter_map(|argument| CString::new(argument.into_vec()).ok())
        .collect();
    let environment: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.into_vec(), b"=".to_vec(), value.into_vec()].concat()).ok())
        .collect();
    let error = execute_file(
        copy.as_fd(),
        &StringArray::new(&arguments),
        &StringArray::new(&environment),
    );
    Err(error).doing(|| "execute the runtime from a protected copy".into())
}
