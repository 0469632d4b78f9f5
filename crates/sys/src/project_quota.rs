//! Project quotas of ext4 and xfs: a limit for a directory tree, whoever writes there.
//!
//! A directory is given a project id, which everything made in it later inherits, and the id is given a limit
//! (`include/uapi/linux/fs.h`, `include/uapi/linux/dqblk_xfs.h`, `quotactl_fd(2)` of Linux 5.14).

use crate::clone::last_error;
use rustix::io::Result;
use std::os::fd::{AsFd, AsRawFd};

const GET_ATTRIBUTES: u32 = 0x801C_581F;
const SET_ATTRIBUTES: u32 = 0x401C_5820;
/// `FS_XFLAG_PROJINHERIT`.
const INHERITED: u32 = 0x200;

/// `QCMD(command, PRJQUOTA)`.
const fn command(command: u32) -> u32 {
    command << 8 | 2
}

/// `Q_XSETQLIM`.
const SET_LIMIT: u32 = command(0x5804);
/// `Q_XGETQSTAT`.
const GET_STATE: u32 = command(0x5805);
/// `FS_QUOTA_PDQ_ENFD`.
const ENFORCED: u16 = 1 << 5;

/// `struct fsxattr`.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_extent_size: u32,
    padding: [u8; 8],
}

/// `struct fs_disk_quota`.
#[repr(C)]
#[derive(Default)]
struct Limit {
    version: i8,
    kind: i8,
    fields: u16,
    id: u32,
    /// Blocks of 512 bytes.
    hard: u64,
    soft: u64,
    unused: [u64; 4],
    timers: [u32; 2],
    warnings: [u16; 2],
    padding: [u8; 4],
    realtime: [u64; 3],
    realtime_timer: u32,
    realtime_warnings: u16,
    padding_too: [u8; 10],
}

/// `struct fs_quota_stat`.
#[repr(C)]
#[derive(Default)]
struct State {
    version: i8,
    flags: u16,
    padding: i8,
    rest: [u64; 9],
}

/// An ioctl with [`Attributes`].
fn attributes(fd: impl AsFd, request: u32, attributes: &mut Attributes) -> Result<()> {
    let fd = fd.as_fd();
    // SAFETY: both requests carry the size of `struct fsxattr` (28), of which `Attributes` is a `repr(C)` mirror without
    // pointers; the kernel reads and writes no more than that, within a live exclusive borrow.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::c_ulong::from(request) as _, &raw mut *attributes) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// `quotactl_fd(2)`. `T` is what `command` reads or writes.
fn control<T>(fd: impl AsFd, command: u32, id: u32, argument: &mut T) -> Result<()> {
    let fd = fd.as_fd();
    // SAFETY: each command is used with the `repr(C)` mirror of its structure only (or a longer one), which lives and is
    // exclusively borrowed until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_quotactl_fd, fd.as_raw_fd(), command, id, &raw mut *argument) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Whether the file system of `file` keeps limits of projects.
pub fn is_enforced(file: impl AsFd) -> bool {
    let mut state = State {
        version: 1,
        ..State::default()
    };
    control(file, GET_STATE, 0, &mut state).is_ok() && state.flags & ENFORCED != 0
}

/// Project id of a file or directory; 0 for none.
///
/// # Errors
/// `ENOTTY` where there are none.
pub fn project(file: impl AsFd) -> Result<u32> {
    let mut found = Attributes::default();
    attributes(file, GET_ATTRIBUTES, &mut found)?;
    Ok(found.project)
}

/// Gives an empty directory a project id, which everything made in it inherits.
///
/// # Errors
/// `EOPNOTSUPP`, `EPERM`; file errors.
pub fn set_project(directory: impl AsFd, project: u32) -> Result<()> {
    let mut wanted = Attributes::default();
    attributes(&directory, GET_ATTRIBUTES, &mut wanted)?;
    wanted.flags |= INHERITED;
    wanted.project = project;
    attributes(directory, SET_ATTRIBUTES, &mut wanted)
}

/// Limits the bytes of a project on the file system of `file`.
///
/// # Errors
/// `ESRCH` where quotas are off, `EPERM`.
pub fn limit(file: impl AsFd, project: u32, bytes: u64) -> Result<()> {
    let blocks = bytes.div_ceil(512);
    let mut wanted = Limit {
        version: 1,
        kind: 2,
        // Hard and soft limit of blocks.
        fields: 1 << 3 | 1 << 2,
        id: project,
        hard: blocks,
        soft: blocks,
        ..Limit::default()
    };
    control(file, SET_LIMIT, project, &mut wanted)
}

#[cfg(test)]
mod tests {
    use super::{Attributes, GET_STATE, Limit, SET_LIMIT, State, is_enforced, project};

    #[test]
    fn structures_and_commands_are_the_kernels() {
        assert_eq!(
            (size_of::<Attributes>(), size_of::<Limit>(), size_of::<State>()),
            (28, 112, 80)
        );
        assert_eq!(std::mem::offset_of!(Limit, realtime), 72);
        assert_eq!((SET_LIMIT, GET_STATE), (0x58_0402, 0x58_0502));
    }

    #[test]
    fn elsewhere_there_are_no_projects() {
        let proc = std::fs::File::open("/proc").unwrap();
        assert!(!is_enforced(&proc));
        assert!(project(&proc).is_err());
    }
}
