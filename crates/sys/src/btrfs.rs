//! Subvolumes and quotas of btrfs, by its ioctls (`include/uapi/linux/btrfs.h`).
//!
//! A subvolume is a directory whose inode number is 256: a tree of its own, which can be snapshot and deleted at once.

use crate::clone::last_error;
use rustix::fs::{fstat, fstatfs};
use rustix::io::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd};

/// `statfs`'s number of btrfs.
pub const MAGIC: u32 = 0x9123_683E;

/// Inode number of each subvolume's root.
const ROOT_INODE: u64 = 256;

/// `BTRFS_SUBVOL_RDONLY`.
const READ_ONLY: u64 = 1 << 1;

/// `_IOC` of asm-generic: direction (1 write, 2 read, 3 both), size of the argument, number; btrfs's letter is 0x94.
const fn request<T>(direction: u32, number: u32) -> u32 {
    direction << 30 | (size_of::<T>() as u32) << 16 | 0x94 << 8 | number
}

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct Name {
    fd: i64,
    name: [u8; 4088],
}

/// `struct btrfs_ioctl_vol_args_v2`.
#[repr(C)]
struct NameAndSource {
    fd: i64,
    transaction: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

/// `struct btrfs_ioctl_ino_lookup_args`.
#[repr(C)]
struct Lookup {
    tree: u64,
    object: u64,
    name: [u8; 4080],
}

/// `struct btrfs_ioctl_quota_ctl_args`.
#[repr(C)]
struct QuotaControl {
    command: u64,
    status: u64,
}

/// `struct btrfs_ioctl_qgroup_create_args`.
#[repr(C)]
struct QuotaGroup {
    create: u64,
    id: u64,
}

/// `struct btrfs_ioctl_qgroup_limit_args`.
#[repr(C)]
struct QuotaLimit {
    id: u64,
    flags: u64,
    max_referenced: u64,
    max_exclusive: u64,
    reserved: [u64; 2],
}

/// Copies a name, which is NUL-terminated, into a field.
fn field<const N: usize>(name: &CStr) -> Result<[u8; N]> {
    let bytes = name.to_bytes();
    if bytes.len() >= N {
        return Err(Errno::NAMETOOLONG);
    }
    let mut field = [0; N];
    field[..bytes.len()].copy_from_slice(bytes);
    Ok(field)
}

/// Sends `request`, made by [`request`] for exactly this `T`.
fn send<T>(fd: impl AsFd, request: u32, argument: &mut T) -> Result<()> {
    let fd = fd.as_fd();
    // SAFETY: the request's number carries the size of `T`, a `repr(C)` mirror of the kernel's structure without
    // pointers; the kernel reads and writes no more than that, within a live exclusive borrow.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::c_ulong::from(request) as _, &raw mut *argument) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// Whether an open directory is the root of a subvolume.
///
/// # Errors
/// Those of `fstat(2)` and `fstatfs(2)`.
pub fn is_subvolume(directory: impl AsFd) -> Result<bool> {
    Ok(fstat(&directory)?.st_ino == ROOT_INODE && fstatfs(&directory)?.f_type as u32 == MAGIC)
}

/// Makes an empty subvolume `name` in `parent`.
///
/// # Errors
/// `EEXIST`; `ENOTTY` where this is no btrfs; file errors.
pub fn create(parent: impl AsFd, name: &CStr) -> Result<()> {
    let mut argument = Name {
        fd: 0,
        name: field(name)?,
    };
    send(parent, request::<Name>(1, 14), &mut argument)
}

/// Makes `name` in `parent` a writable snapshot of the subvolume `source`. Subvolumes nested in it come as empty
/// directories.
///
/// # Errors
/// `EEXIST`, `EINVAL` when `source` is no subvolume, `EXDEV` when it is of another file system; file errors.
pub fn snapshot(source: impl AsFd, parent: impl AsFd, name: &CStr) -> Result<()> {
    let mut argument = NameAndSource {
        fd: i64::from(source.as_fd().as_raw_fd()),
        transaction: 0,
        flags: 0,
        unused: [0; 4],
        name: field(name)?,
    };
    send(parent, request::<NameAndSource>(1, 23), &mut argument)
}

/// Deletes the subvolume `name` in `parent` with all its files, at once; the space comes back a while later.
///
/// # Errors
/// `ENOENT`; `ENOTEMPTY` when a subvolume is nested in it; `EPERM` without the privilege (then it can be emptied, and
/// removed as a directory); `EBUSY` when it is mounted.
pub fn destroy(parent: impl AsFd, name: &CStr) -> Result<()> {
    let mut argument = Name {
        fd: 0,
        name: field(name)?,
    };
    send(parent, request::<Name>(1, 15), &mut argument)
}

/// Whether a subvolume is read-only.
///
/// # Errors
/// `EINVAL` when it is no subvolume.
pub fn is_read_only(subvolume: impl AsFd) -> Result<bool> {
    let mut flags = 0_u64;
    send(subvolume, request::<u64>(2, 25), &mut flags)?;
    Ok(flags & READ_ONLY != 0)
}

/// Makes a subvolume read-only, or writable again.
///
/// # Errors
/// `EINVAL` when it is no subvolume, `EPERM` when it is somebody else's.
pub fn set_read_only(subvolume: impl AsFd, read_only: bool) -> Result<()> {
    let mut flags = if read_only { READ_ONLY } else { 0 };
    send(subvolume, request::<u64>(1, 26), &mut flags)
}

/// Number of the subvolume that a file or directory is in; its own quota group has the same.
///
/// # Errors
/// `ENOTTY` where this is no btrfs.
pub fn subvolume_id(file: impl AsFd) -> Result<u64> {
    let mut argument = Lookup {
        tree: 0,
        object: ROOT_INODE,
        name: [0; 4080],
    };
    send(file, request::<Lookup>(3, 18), &mut argument)?;
    Ok(argument.tree)
}

/// Switches accounting on for the whole file system, and waits until it is done with what is there. Nothing happens
/// where it is on.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`; `ENOTTY` where this is no btrfs.
pub fn enable_quota(file: impl AsFd) -> Result<()> {
    let mut argument = QuotaControl { command: 1, status: 0 };
    match send(&file, request::<QuotaControl>(3, 40), &mut argument) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    send(file, request::<()>(0, 46), &mut ())
}

/// Limits the bytes that a subvolume refers to, those that it shares with others included.
///
/// # Errors
/// `ENOTCONN` without [`enable_quota`]; `EPERM`.
pub fn limit(subvolume: impl AsFd, bytes: u64) -> Result<()> {
    let mut argument = QuotaLimit {
        // The subvolume that the descriptor is of.
        id: 0,
        flags: 1,
        max_referenced: bytes,
        max_exclusive: 0,
        reserved: [0; 2],
    };
    send(subvolume, request::<QuotaLimit>(2, 43), &mut argument)
}

/// Removes the quota group of a deleted subvolume. Linux 6.9 and later do so themselves.
///
/// # Errors
/// `ENOENT` when it is gone, `ENOTCONN` without quotas, `EBUSY` while the subvolume is being cleaned away.
pub fn forget_quota(file: impl AsFd, subvolume: u64) -> Result<()> {
    let mut argument = QuotaGroup {
        create: 0,
        id: subvolume,
    };
    send(file, request::<QuotaGroup>(1, 42), &mut argument)
}

#[cfg(test)]
mod tests {
    use super::{Lookup, Name, NameAndSource, QuotaControl, QuotaGroup, QuotaLimit, create, is_subvolume, request};
    use rustix::io::Errno;

    #[test]
    fn requests_have_the_numbers_of_the_kernels_header() {
        assert_eq!(request::<Name>(1, 14), 0x5000_940E);
        assert_eq!(request::<Name>(1, 15), 0x5000_940F);
        assert_eq!(request::<Lookup>(3, 18), 0xD000_9412);
        assert_eq!(request::<NameAndSource>(1, 23), 0x5000_9417);
        assert_eq!(request::<u64>(2, 25), 0x8008_9419);
        assert_eq!(request::<u64>(1, 26), 0x4008_941A);
        assert_eq!(request::<QuotaControl>(3, 40), 0xC010_9428);
        assert_eq!(request::<QuotaGroup>(1, 42), 0x4010_942A);
        assert_eq!(request::<QuotaLimit>(2, 43), 0x8030_942B);
        assert_eq!(request::<()>(0, 46), 0x942E);
    }

    #[test]
    fn elsewhere_there_are_no_subvolumes() {
        let proc = std::fs::File::open("/proc").unwrap();
        assert!(!is_subvolume(&proc).unwrap());
        assert_eq!(create(&proc, c"x"), Err(Errno::NOTTY));
    }
}
