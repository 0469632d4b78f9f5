//! Landlock: a thread gives up, for good, every file that it does not name. See landlock(7).

use crate::clone::last_error;
use rustix::io::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `LANDLOCK_CREATE_RULESET_VERSION`: asks for the version instead.
const VERSION: libc::c_int = 1;
/// `LANDLOCK_RULE_PATH_BENEATH`
const PATH_BENEATH: libc::c_int = 1;
/// `LANDLOCK_ACCESS_NET_BIND_TCP` and `_CONNECT_TCP`
const NETWORK: u64 = 0b11;

/// What may be done beneath a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u64);

impl Rights {
    /// To read, write, make, link, rename and remove whatever there is, but not to execute, and no ioctl(2) on devices.
    pub const FILES: Self = Self(0x7FFE);
    /// All that the first version of the interface that can allow renames to other directories knows.
    const KNOWN_TO_2: u64 = 0x3FFF;
    /// `LANDLOCK_ACCESS_FS_TRUNCATE`, since version 3.
    const TRUNCATE: u64 = 1 << 14;
    /// `LANDLOCK_ACCESS_FS_IOCTL_DEV`, since version 5.
    const DEVICES: u64 = 1 << 15;

    /// What a kernel of this version can forbid.
    fn known_to(version: i64) -> u64 {
        let since = |first, right| if version >= first { right } else { 0 };
        Self::KNOWN_TO_2 | since(3, Self::TRUNCATE) | since(5, Self::DEVICES)
    }
}

/// `struct landlock_ruleset_attr`, as far as version 4 has it.
#[repr(C)]
struct Attributes {
    files: u64,
    network: u64,
}

/// `struct landlock_path_beneath_attr`; packed in the kernel's header, too.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    directory: libc::c_int,
}

/// Rules that are not in force yet: all that the kernel can forbid is forbidden but for what is allowed here.
#[derive(Debug)]
pub struct Rules {
    ruleset: OwnedFd,
    handled: u64,
}

impl Rules {
    /// Rules that allow nothing.
    ///
    /// # Errors
    /// `ENOSYS` and `EOPNOTSUPP` without Landlock, or with its first version, under which no thread can rename.
    pub fn new() -> Result<Self> {
        // SAFETY: asks for a number; no memory is passed.
        let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, VERSION) };
        match version {
            ..0 => return Err(last_error()),
            0 | 1 => return Err(Errno::OPNOTSUPP),
            2.. => {}
        }
        let attributes = Attributes {
            files: Rights::known_to(version),
            network: NETWORK,
        };
        // Before version 4 the struct has one member.
        let size = size_of::<u64>() * if version >= 4 { 2 } else { 1 };
        // SAFETY: the kernel reads `size` bytes, which is at most the struct's length.
        let ruleset = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const attributes,
                size,
                0 as libc::c_int,
            )
        };
        if ruleset < 0 {
            return Err(last_error());
        }
        Ok(Self {
            // SAFETY: a new descriptor that nobody else owns; descriptors are ints.
            ruleset: unsafe { OwnedFd::from_raw_fd(ruleset as libc::c_int) },
            handled: attributes.files,
        })
    }

    /// Allows something beneath a directory (`O_PATH` will do).
    ///
    /// # Errors
    /// Those of `landlock_add_rule(2)`.
    pub fn allow(&self, directory: BorrowedFd<'_>, rights: Rights) -> Result<()> {
        let rule = Beneath {
            allowed: rights.0 & self.handled,
            directory: directory.as_raw_fd(),
        };
        let no_flags: libc::c_int = 0;
        // SAFETY: the kernel reads one struct of this kind, and takes its own reference to the directory.
        let result = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.ruleset.as_raw_fd(),
                PATH_BENEATH,
                &raw const rule,
                no_flags,
            )
        };
        if result < 0 { Err(last_error()) } else { Ok(()) }
    }

    /// Puts the rules in force for the calling thread and what it starts, for good. Descriptors that are open stay as
    /// they are. The thread can gain no privileges by `execve` from here on.
    ///
    /// # Errors
    /// Those of prctl(2) and `landlock_restrict_self(2)`.
    pub fn restrict_this_thread(self) -> Result<()> {
        rustix::thread::set_no_new_privs(true)?;
        let no_flags: libc::c_int = 0;
        // SAFETY: takes integers only.
        let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.ruleset.as_raw_fd(), no_flags) };
        if result < 0 { Err(last_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, openat};
    use std::os::fd::AsFd;

    #[test]
    fn a_restricted_thread_has_its_directory_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let (inside, outside) = (directory.path().join("inside"), directory.path().join("outside"));
        std::fs::create_dir_all(inside.join("sub")).expect("mkdir");
        std::fs::write(&outside, "x").expect("a file");
        let rules = match Rules::new() {
            Ok(rules) => rules,
            Err(error) => {
                println!("skipped: no Landlock here: {error}");
                return;
            }
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let allowed = openat(CWD, &inside, flags, Mode::empty()).expect("open");
        rules.allow(allowed.as_fd(), Rights::FILES).expect("allowed");
        let thread = std::thread::spawn({
            let (inside, outside) = (inside.clone(), outside.clone());
            move || {
                rules.restrict_this_thread().expect("restricted");
                std::fs::write(inside.join("sub/file"), "y").expect("written");
                std::fs::rename(inside.join("sub/file"), inside.join("file")).expect("renamed");
                let denied = |result: std::io::Result<()>| {
                    let error = result.expect_err("not allowed");
                    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{error}");
                };
                denied(std::fs::read(&outside).map(drop));
                denied(std::fs::write(outside.with_extension("new"), ""));
                denied(std::fs::remove_file(&outside));
                assert!(std::fs::hard_link(&outside, inside.join("link")).is_err());
            }
        });
        thread.join().expect("the thread");
        assert_eq!(std::fs::read(&outside).expect("this thread is free"), b"x");
        assert!(inside.join("file").exists());
    }
}
