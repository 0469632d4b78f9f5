//! The hand that applies a [`MountPlan`]: a detached mount is made first, completed, and attached to an open target.

use super::beneath::Root;
use super::plan::{MountPlan, What};
use super::{cgroup, copy_up, proc};
use crate::error::{Cause, Doing, Error};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tierce_sys::mount_attributes::{self, Attributes, Change};

/// `fsconfig(2)` refuses longer values; such options take the old way.
const LONGEST_VALUE: usize = 255;

/// Names the mount that failed, as runc does.
fn failed(plan: &MountPlan, error: &Error) -> Error {
    let source = match &plan.what {
        What::Bind { source, .. } => source.display().to_string(),
        What::New { source, .. } => source.clone(),
        What::ControlGroups => "cgroup".into(),
    };
    let text = format!(
        "error mounting {source:?} to rootfs at {:?}: {error}",
        plan.destination.display().to_string()
    );
    match error {
        Error::Kernel { source, .. } => Error::Step {
            kind: tierce_fault::kind_of_io(&(*source).into()),
            text,
        },
        _ => Error::Invalid(text),
    }
}

/// What mounting needs to know of the container besides the plan.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The control groups as the container shall see them.
    pub(crate) groups: &'a cgroup::View,
    /// Bind sources that were opened before the user namespace was entered, by position in the plan.
    pub(crate) opened: &'a [Option<OwnedFd>],
}

/// Applies all plans in order.
pub(crate) fn apply(root: &Root, plans: &[MountPlan], surroundings: &Surroundings<'_>) -> Result<(), Error> {
    for (position, plan) in plans.iter().enumerate() {
        let opened = surroundings.opened.get(position).and_then(Option::as_ref);
        apply_one(root, plan, surroundings.groups, opened).map_err(|error| failed(plan, &error))?;
    }
    Ok(())
}

fn apply_one(root: &Root, plan: &MountPlan, groups: &cgroup::View, opened: Option<&OwnedFd>) -> Result<(), Error> {
    match &plan.what {
        What::Bind { source, recursive } => {
            let own;
            let tree = if let Some(tree) = opened {
                tree.as_fd()
            } else {
                own = bind_tree(source, *recursive)?;
                own.as_fd()
            };
            bind(root, plan, tree)
        }
        What::ControlGroups => cgroup::mount(root, plan, groups),
        What::New { kind, source } => {
            let target = directory_target(root, plan, kind)?;
            if plan
                .data
                .iter()
                .any(|(_, value)| value.as_ref().is_some_and(|value| value.len() > LONGEST_VALUE))
            {
                return mount_the_old_way(plan, kind, source, &target);
            }
            let mount = new_mount(plan, kind, source)?;
            if plan.copy_up {
                copy_up::copy(root, &plan.destination, mount.as_fd())?;
            }
            finish(plan, mount.as_fd())?;
            attach(mount.as_fd(), target.as_fd())
        }
    }
}

/// Opens the directory that a new file system covers. Procfs and sysfs must lie where their names say, not behind a
/// link; nothing but those may cover a procfs.
fn directory_target(root: &Root, plan: &MountPlan, kind: &str) -> Result<OwnedFd, Error> {
    if matches!(kind, "proc" | "sysfs") {
        match root.open_without_links(&plan.destination, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(target) => return Ok(target),
            Err(Errno::NOENT) => {
                root.make_directories(&plan.destination)?;
            }
            Err(_) => {}
        }
        return root
            .open_without_links(&plan.destination, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(|_| Error::Invalid(format!("filesystem {kind:?} must be mounted on ordinary directory")));
    }
    let target = root.make_directories(&plan.destination)?;
    proc::check_target(&plan.destination, &target, false)?;
    Ok(target)
}

/// A detached copy of the mount tree at a host path.
pub(crate) fn bind_tree(source: &Path, recursive: bool) -> Result<OwnedFd, Error> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(rustix::fs::CWD, source, flags).doing(|| format!("open {}", source.display()))
}

/// A detached copy of the mount that a descriptor stands for.
pub(crate) fn clone_of(file: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(file, c"", flags)
}

fn bind(root: &Root, plan: &MountPlan, tree: BorrowedFd<'_>) -> Result<(), Error> {
    let stat = rustix::fs::fstat(tree).doing(|| "stat source".into())?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let target = if directory {
        root.make_directories(&plan.destination)?
    } else {
        root.make_file(&plan.destination)?
    };
    proc::check_target(
        &plan.destination,
        &target,
        proc::is_procfs_root(tree).doing(|| "statfs source".into())?,
    )?;
    finish(plan, tree)?;
    attach(tree, target.as_fd())
}

/// Makes a new instance of a file system, not yet attached.
pub(crate) fn new_mount(plan: &MountPlan, kind: &str, source: &str) -> Result<OwnedFd, Error> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).doing(|| format!("fsopen {kind}"))?;
    let configure = || -> Result<(), Errno> {
        if !source.is_empty() {
            fsconfig_set_string(&context, "source", source)?;
        }
        for (key, value) in &plan.data {
            match value {
                Some(value) => fsconfig_set_string(&context, key.as_str(), value.as_str())?,
                None => fsconfig_set_flag(&context, key.as_str())?,
            }
        }
        // Those without a device share one superblock with the host or lose nothing by a writable one.
        if plan.attributes.set.contains(Attributes::READ_ONLY)
            && !matches!(
                kind,
                "proc" | "sysfs" | "mqueue" | "tmpfs" | "devpts" | "cgroup" | "cgroup2"
            )
        {
            fsconfig_set_flag(&context, "ro")?;
        }
        fsconfig_create(&context)
    };
    configure().map_err(|error| explained(&context, kind, error))?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, first_attributes(plan)).doing(|| format!("fsmount {kind}"))
}

/// The attributes a new mount starts with, which saves a later call.
fn first_attributes(plan: &MountPlan) -> MountAttrFlags {
    MountAttrFlags::from_bits_retain(plan.attributes.set.bits() as u32)
}

/// Adds what the file system itself wrote about the failure.
fn explained(context: &OwnedFd, kind: &str, error: Errno) -> Error {
    let mut buffer = [0u8; 512];
    let said = rustix::io::read(context, &mut buffer).unwrap_or(0);
    let said = String::from_utf8_lossy(&buffer[..said]);
    let action = match said.trim_end().get(2..) {
        Some(reason) if !reason.is_empty() => format!("fsconfig {kind} ({reason})"),
        _ => format!("fsconfig {kind}"),
    };
    Error::Kernel { action, source: error }
}

/// Gives a detached mount its attributes and propagation.
fn finish(plan: &MountPlan, mount: BorrowedFd<'_>) -> Result<(), Error> {
    let is_new = matches!(plan.what, What::New { .. });
    if !plan.attributes.is_empty() && !is_new {
        let change = Change {
            set: plan.attributes.set,
            clear: plan.attributes.clear,
            ..Change::default()
        };
        mount_attributes::set(mount, false, change).doing(|| "mount_setattr".into())?;
    }
    if !plan.recursive.is_empty() {
        let change = Change {
            set: plan.recursive.set,
            clear: plan.recursive.clear,
            ..Change::default()
        };
        mount_attributes::set(mount, true, change).doing(|| "mount_setattr (recursive)".into())?;
    }
    for (propagation, recursive) in &plan.propagation {
        let change = Change {
            propagation: Some(*propagation),
            ..Change::default()
        };
        mount_attributes::set(mount, *recursive, change).doing(|| format!("set propagation {propagation:?}"))?;
    }
    Ok(())
}

/// Attaches a detached mount to an open target.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Error> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags).doing(|| "move_mount".into())
}

/// `mount(2)` for options that are too long for `fsconfig(2)` (many overlay layers). The target is still given by its
/// descriptor; `/proc` here is the host's, since the root has not been changed yet.
fn mount_the_old_way(plan: &MountPlan, kind: &str, source: &str, target: &OwnedFd) -> Result<(), Error> {
    let data: Vec<String> = plan
        .data
        .iter()
        .map(|(key, value)| {
            value
                .as_ref()
                .map_or_else(|| key.clone(), |value| format!("{key}={value}"))
        })
        .collect();
    let data = CString::new(data.join(",")).map_err(|_| Error::Invalid("mount option contains a NUL byte".into()))?;
    let mut flags = MountFlags::empty();
    for (attribute, flag) in [
        (Attributes::READ_ONLY, MountFlags::RDONLY),
        (Attributes::NO_SUID, MountFlags::NOSUID),
        (Attributes::NO_DEVICES, MountFlags::NODEV),
        (Attributes::NO_EXECUTE, MountFlags::NOEXEC),
        (Attributes::NO_ACCESS_TIME, MountFlags::NOATIME),
        (Attributes::STRICT_ACCESS_TIME, MountFlags::STRICTATIME),
        (Attributes::NO_DIRECTORY_ACCESS_TIME, MountFlags::NODIRATIME),
    ] {
        if plan.attributes.set.contains(attribute) {
            flags |= flag;
        }
    }
    let path = format!("/proc/self/fd/{}", target.as_raw_fd());
    rustix::mount::mount(source, path.as_str(), kind, flags, data.as_c_str())
        .map_err(|error| Error::Invalid(format!("mount {kind}: {}", Cause(error))))
}
