//! `mount_setattr(2)`: attributes and propagation of mounts given by descriptor.

use crate::clone::last_error;
use rustix::io::Result;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Attributes of a mount, as the kernel's `MOUNT_ATTR_*`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    /// No attribute.
    pub const NONE: Self = Self(0);
    /// Read-only.
    pub const READ_ONLY: Self = Self(0x1);
    /// Set-user-id bits are ignored.
    pub const NO_SUID: Self = Self(0x2);
    /// Device nodes do not open.
    pub const NO_DEVICES: Self = Self(0x4);
    /// Programs do not execute.
    pub const NO_EXECUTE: Self = Self(0x8);
    /// The field of access time modes; must be cleared whenever one is set.
    pub const ACCESS_TIME_FIELD: Self = Self(0x70);
    /// Access times are never written.
    pub const NO_ACCESS_TIME: Self = Self(0x10);
    /// Access times are always written.
    pub const STRICT_ACCESS_TIME: Self = Self(0x20);
    /// Directories' access times are never written.
    pub const NO_DIRECTORY_ACCESS_TIME: Self = Self(0x80);
    /// Ids are translated by a user namespace.
    pub const IDMAP: Self = Self(0x0010_0000);
    /// Symbolic links are not followed.
    pub const NO_SYMLINKS: Self = Self(0x0020_0000);

    /// The kernel's bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether none is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl std::ops::BitOr for Attributes {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Attributes {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// How mounts and unmounts spread to the peers of a mount, see mount_namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// Neither in nor out.
    Private,
    /// In and out.
    Shared,
    /// Only in.
    Slave,
    /// Neither, and it cannot be bound elsewhere.
    Unbindable,
}

/// What [`set`] changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Attributes to set.
    pub set: Attributes,
    /// Attributes to clear; the access time field is cleared by itself where one of its modes is set.
    pub clear: Attributes,
    /// New propagation.
    pub propagation: Option<Propagation>,
    /// User namespace of an idmapped mount; sets [`Attributes::IDMAP`].
    pub user_namespace: Option<BorrowedFd<'a>>,
}

/// The kernel's `struct mount_attr`, first version.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Changes the mount that `mount` stands for, with all mounts below it where `recursive`.
///
/// # Errors
/// Those of mount_setattr(2).
pub fn set(mount: BorrowedFd<'_>, recursive: bool, change: Change<'_>) -> Result<()> {
    let mut clear = change.clear;
    let access_time = Attributes::NO_ACCESS_TIME | Attributes::STRICT_ACCESS_TIME;
    if change.set.bits() & access_time.bits() != 0 || clear.bits() & access_time.bits() != 0 {
        clear |= Attributes::ACCESS_TIME_FIELD;
    }
    let mut attributes = MountAttr {
        set: change.set.bits(),
        clear: clear.bits(),
        propagation: match change.propagation {
            None => 0,
            Some(Propagation::Private) => libc::MS_PRIVATE,
            Some(Propagation::Shared) => libc::MS_SHARED,
            Some(Propagation::Slave) => libc::MS_SLAVE,
            Some(Propagation::Unbindable) => libc::MS_UNBINDABLE,
        },
        user_namespace: 0,
    };
    if let Some(namespace) = change.user_namespace {
        attributes.set |= Attributes::IDMAP.bits();
        attributes.user_namespace = namespace.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the kernel reads the struct of the given size, which lives until the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}
