//! The hand that applies a [`MountPlan`]: a detached mount is made first, completed, and attached to an open target.

use super::beneath::Root;
use super::options::AttributeChange;
use super::plan::{MountPlan, What};
use super::{bind, cgroup, copy_up, instance, proc};
use crate::error::{Doing, Error};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, move_mount};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tierce_fault::Fault;
use tierce_sys::mount_attributes::{self, Attributes, Change};

/// Names the mount that failed, as runc does.
fn failed(plan: &MountPlan, error: &Error) -> Error {
    let source = match &plan.what {
        What::Bind { source, .. } => source.display().to_string(),
        What::New { source, .. } => source.clone(),
        What::ControlGroups => "cgroup".into(),
    };
    Error::Step {
        kind: error.kind(),
        text: format!(
            "error mounting {source:?} to rootfs at {:?}: {error}",
            plan.destination.display().to_string()
        ),
    }
}

/// What mounting needs to know of the container besides the plan.
pub struct Surroundings<'a> {
    /// The control groups as the container shall see them.
    pub groups: &'a cgroup::View,
    /// Asks whoever started the container for the source of the bind mount at this position of the plans.
    pub ask: &'a dyn Fn(usize) -> Result<OwnedFd, Error>,
    /// Whether it is worth asking: the container's root may reach less than whoever started it.
    pub may_ask: bool,
}

/// Applies all plans in order. Returns the mounts that are to become read-only when all else is done.
pub fn apply(root: &Root, plans: &[MountPlan], surroundings: &Surroundings<'_>) -> Result<Vec<OwnedFd>, Error> {
    let mut later = Vec::new();
    for (position, plan) in plans.iter().enumerate() {
        let mount = apply_one(root, plan, position, surroundings).map_err(|error| failed(plan, &error))?;
        later.extend(mount.filter(|_| plan.is_read_only_later()));
    }
    Ok(later)
}

/// Makes mounts read-only.
pub fn make_read_only(mounts: &[OwnedFd]) -> Result<(), Error> {
    let change = Change {
        set: Attributes::READ_ONLY,
        ..Change::default()
    };
    mounts
        .iter()
        .try_for_each(|mount| mount_attributes::set(mount.as_fd(), false, change))
        .doing(|| "make a mount read-only".into())
}

fn apply_one(
    root: &Root,
    plan: &MountPlan,
    position: usize,
    surroundings: &Surroundings<'_>,
) -> Result<Option<OwnedFd>, Error> {
    if plan.remount {
        return instance::change(root, plan).map(|()| None);
    }
    match &plan.what {
        What::Bind { source, recursive } => {
            let tree = if plan.idmap.is_some() {
                (surroundings.ask)(position)?
            } else {
                match bind::tree(source, *recursive) {
                    Err(Error::Kernel {
                        source: Errno::ACCESS | Errno::PERM,
                        ..
                    }) if surroundings.may_ask => {
                        let file = (surroundings.ask)(position)?;
                        bind::clone_of(file.as_fd(), *recursive).doing(|| format!("open {}", source.display()))?
                    }
                    result => result?,
                }
            };
            attach_bind(root, plan, tree.as_fd())?;
            Ok(None)
        }
        What::ControlGroups => cgroup::mount(root, plan, surroundings.groups).map(|()| None),
        What::New { kind, source } => {
            let (target, mode) = directory_target(root, plan, kind)?;
            if instance::make_at_once(plan, kind, source, mode, &target) {
                return Ok(None);
            }
            if instance::needs_the_old_way(plan, kind) {
                let mount = instance::make_the_old_way(root, plan, kind, source, &target)?;
                complete(plan, mount.as_fd())?;
                return Ok(Some(mount));
            }
            let mount = match instance::make(plan, kind, source, mode) {
                // Kernels before 6.8 take the layers of an overlay only in one string.
                Err(Error::Kernel {
                    source: Errno::INVAL, ..
                }) if instance::has_long_values(plan) => {
                    let mount = instance::make_the_old_way(root, plan, kind, source, &target)?;
                    complete(plan, mount.as_fd())?;
                    return Ok(Some(mount));
                }
                result => result?,
            };
            if plan.copy_up {
                copy_up::copy(root, &plan.destination, mount.as_fd())?;
            }
            complete(plan, mount.as_fd())?;
            attach(mount.as_fd(), target.as_fd())?;
            Ok(Some(mount))
        }
    }
}

/// Opens the directory that a new file system covers, and says with which mode a tmpfs starts there: that of the
/// directory it covers, where there was one. Procfs and sysfs must lie where their names say, not behind a link; nothing
/// but those may cover a procfs.
fn directory_target(root: &Root, plan: &MountPlan, kind: &str) -> Result<(OwnedFd, Option<u32>), Error> {
    let destination = plan.destination.as_path();
    if matches!(kind, "proc" | "sysfs") {
        return ordinary_directory(root, destination, kind).map(|target| (target, None));
    }
    let (target, mode) = match root.open(destination, OFlags::PATH | OFlags::DIRECTORY) {
        Err(Errno::NOENT) => (root.make_directories(destination)?, None),
        result => {
            let target = result.doing(|| format!("open {} in rootfs", destination.display()))?;
            let mode = if kind == "tmpfs" {
                Some(
                    rustix::fs::fstat(&target)
                        .doing(|| format!("stat {}", destination.display()))?
                        .st_mode
                        & 0o7777,
                )
            } else {
                None
            };
            (target, mode)
        }
    };
    check_target(root, destination, &target)?;
    proc::check_target(destination, &target, None)?;
    Ok((target, mode))
}

fn ordinary_directory(root: &Root, destination: &Path, kind: &str) -> Result<OwnedFd, Error> {
    match root.open_without_links(destination, OFlags::PATH | OFlags::DIRECTORY) {
        Ok(target) => return Ok(target),
        Err(Errno::NOENT) => {
            root.make_directories(destination)?;
        }
        Err(_) => {}
    }
    root.open_without_links(destination, OFlags::PATH | OFlags::DIRECTORY)
        .map_err(|_| Error::Invalid(format!("filesystem {kind:?} must be mounted on ordinary directory")))
}

/// Refuses a destination that a link leads to the root itself: what was opened of the root would lie below the mount.
pub(crate) fn check_target(root: &Root, destination: &Path, target: &OwnedFd) -> Result<(), Error> {
    if root.is(target).doing(|| format!("stat {}", destination.display()))? {
        return Err(Error::Invalid(format!(
            "mountpoint {} is on the top of rootfs: change root.path instead",
            destination.display()
        )));
    }
    Ok(())
}

fn attach_bind(root: &Root, plan: &MountPlan, tree: BorrowedFd<'_>) -> Result<(), Error> {
    let stat = rustix::fs::fstat(tree).doing(|| "stat source".into())?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let target = if directory {
        root.make_directories(&plan.destination)?
    } else {
        root.make_file(&plan.destination)?
    };
    check_target(root, &plan.destination, &target)?;
    proc::check_target(&plan.destination, &target, Some(tree))?;
    bind::set_flags(tree, &plan.flags)?;
    complete(plan, tree)?;
    attach(tree, target.as_fd())
}

/// Gives a detached mount what concerns all below it, and its propagation.
pub(crate) fn complete(plan: &MountPlan, mount: BorrowedFd<'_>) -> Result<(), Error> {
    let AttributeChange { set, clear } = plan.recursive;
    if !plan.recursive.is_empty() {
        let change = Change {
            set,
            clear,
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
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Error> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags).doing(|| "move_mount".into())
}
