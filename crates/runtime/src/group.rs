//! The container's control group: which one, with which rules, and how the container sees it.

use crate::error::{Doing, Error};
use crate::init::Container;
use crate::namespaces::Namespaces;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tierce_cgroup::{Driver, Manager};
use tierce_oci::runtime::{DeviceCgroup, Linux, NamespaceKind, Resources};
use tierce_rootfs::cgroup::View;
use tierce_rootfs::plan::{MountPlan, What};
use tierce_sys::mount_attributes::Attributes;

/// Who makes groups.
pub(crate) fn driver(systemd: bool) -> Driver {
    if systemd { Driver::Systemd } else { Driver::Cgroupfs }
}

/// The group of a new container; `None` where this machine or user has none to give and the document asks for none.
///
/// # Errors
/// [`Error::Cgroup`].
pub(crate) fn open(id: &str, container: &Container, driver: Driver) -> Result<Option<Box<dyn Manager>>, Error> {
    let named = container.linux.cgroups_path.as_str();
    let unnamed = match driver {
        Driver::Cgroupfs => format!("/{id}"),
        Driver::Systemd => id.to_owned(),
    };
    let path = if named.is_empty() { &unnamed } else { named };
    match tierce_cgroup::open(path, driver, &container.spec.annotations) {
        Ok(group) => Ok(Some(group)),
        Err(tierce_cgroup::Error::NotMounted) if named.is_empty() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Limits and rules of a container: no device is allowed but what the document names and every container may use.
pub(crate) fn resources(linux: &Linux) -> Resources {
    let mut resources = linux.resources.clone().unwrap_or_default();
    let nothing = DeviceCgroup {
        allow: false,
        access: "rwm".into(),
        ..DeviceCgroup::default()
    };
    resources.devices.insert(0, nothing);
    resources
}

/// Whether a group can be made before there is a process, which is then born in it: on v2 without systemd.
pub(crate) fn precedes(group: &dyn Manager) -> bool {
    group.precedes_processes() && group.paths().unified().is_some()
}

/// Makes a group that precedes its process, and sets its limits. Takes it away where the caller has none to give and
/// needs none.
///
/// # Errors
/// [`Error::Join`], [`Error::Limit`].
pub(crate) fn prepare(group: &mut Option<Box<dyn Manager>>, container: &Container) -> Result<(), Error> {
    let Some(found) = group else { return Ok(()) };
    let made = found.create().map_err(Error::Join);
    finish(group, container, made)
}

/// Makes the group around a new container's process, which waits, where it was not made before. Returns the doors by
/// which the process has still to enter.
///
/// # Errors
/// [`Error::Join`], [`Error::Limit`].
pub(crate) fn settle(
    group: &mut Option<Box<dyn Manager>>,
    container: &Container,
    pid: i32,
) -> Result<Vec<OwnedFd>, Error> {
    let Some(found) = group else { return Ok(Vec::new()) };
    if !found.precedes_processes() {
        if let Err(error) = found.adopt(pid.cast_unsigned()) {
            // What it could not make is not its to take away: a unit of this name may be somebody else's.
            *group = None;
            return Err(Error::Join(error));
        }
        return confine(found.as_ref(), container).map(|()| Vec::new());
    }
    if precedes(found.as_ref()) {
        return Ok(Vec::new());
    }
    let made = found.create().map_err(Error::Join);
    finish(group, container, made)?;
    group.as_deref().map_or(Ok(Vec::new()), doors)
}

/// An ordinary user has often no right to make groups, and may have containers without, if nothing was asked of groups.
fn finish(group: &mut Option<Box<dyn Manager>>, container: &Container, made: Result<(), Error>) -> Result<(), Error> {
    let Some(found) = group else { return Ok(()) };
    match made {
        Err(Error::Join(error)) if container.linux.cgroups_path.is_empty() && is_denied(&error) && is_rootless() => {
            // Of the hierarchies some may have let it be made.
            let _ = found.delete();
            *group = None;
            let limits = Resources {
                devices: Vec::new(),
                ..container.linux.resources.clone().unwrap_or_default()
            };
            if limits == Resources::default() {
                Ok(())
            } else {
                Err(Error::Invalid(format!(
                    "rootless needs no limits + no cgrouppath when no permission is granted for cgroups: {error}"
                )))
            }
        }
        Err(error) => Err(error),
        Ok(()) => confine(found.as_ref(), container),
    }
}

fn is_denied(error: &tierce_cgroup::Error) -> bool {
    matches!(error.errno(), Some(Errno::ACCESS | Errno::PERM | Errno::ROFS))
}

/// Whether the caller is no root, or only that of a user namespace.
fn is_rootless() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !rustix::process::geteuid().is_root() || !map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

fn confine(group: &dyn Manager, container: &Container) -> Result<(), Error> {
    let mut resources = resources(&container.linux);
    match group.set(&resources) {
        // Device rules are root's alone to make, and nobody else can make nodes anyhow.
        Err(error) if is_denied(&error) && is_rootless() => {
            resources.devices.clear();
            group.set(&resources).map_err(Error::Limit)?;
        }
        result => result.map_err(Error::Limit)?,
    }
    match owner(container) {
        Some(owner) => group.delegate(owner).map_err(Error::Join),
        None => Ok(()),
    }
}

/// The host's user to whom a container's v2 group is given: that of its process, if it has a cgroup namespace of its
/// own and may write to the hierarchy. Source: runtime-spec `config-linux.md#cgroup-ownership`.
fn owner(container: &Container) -> Option<u32> {
    let writes = |plan: &MountPlan| {
        plan.what == What::ControlGroups
            && plan.destination == Path::new("/sys/fs/cgroup")
            && !plan.flags.has(Attributes::READ_ONLY)
    };
    let is_namespaced = container.namespaces.is_new(NamespaceKind::Cgroup);
    if !is_namespaced || !container.mounts.iter().any(writes) {
        return None;
    }
    let user = container.spec.process.as_ref().map_or(0, |process| process.user.uid);
    if !container.namespaces.is_new(NamespaceKind::User) {
        return Some(user);
    }
    container.linux.uid_mappings.iter().find_map(|mapping| {
        let offset = user.checked_sub(mapping.container_id)?;
        (offset < mapping.size).then(|| mapping.host_id.checked_add(offset))?
    })
}

/// The files by which a process enters a v1 group by itself: `tasks` of each of its directories. Empty on v2.
///
/// A process that is moved by another waits for a grace period of the kernel's lock around thread groups, several
/// milliseconds; a single thread that writes "0" to `tasks` moves itself without that lock (kernel/cgroup/cgroup.c,
/// `cgroup_procs_write_start`). The kernel checks the rights of whoever opened the file, so the child may be anybody.
///
/// # Errors
/// [`Error::Kernel`] when one cannot be opened.
pub(crate) fn doors(group: &dyn Manager) -> Result<Vec<OwnedFd>, Error> {
    if group.paths().unified().is_some() {
        return Ok(Vec::new());
    }
    // On a hybrid machine the process is born in its v2 group.
    let v1 = group.paths().iter().filter(|(name, _)| !name.is_empty());
    let mut directories: Vec<&Path> = v1.map(|(_, path)| path).collect();
    directories.sort_unstable();
    directories.dedup();
    directories
        .into_iter()
        .map(|directory| {
            let path = directory.join("tasks");
            rustix::fs::open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
                .doing(|| format!("open {}", path.display()))
        })
        .collect()
}

/// What the container is to see of the groups, if a mount asks for it.
pub(crate) fn view(mounts: &[MountPlan], namespaces: &Namespaces, group: Option<&dyn Manager>) -> Result<View, Error> {
    if !mounts.iter().any(|plan| plan.what == What::ControlGroups) {
        return Ok(View::None);
    }
    let namespaced = namespaces.has(NamespaceKind::Cgroup);
    // A group tells which it is without another look at the mount table.
    let unified = match group {
        Some(group) => group.paths().unified().is_some(),
        None => tierce_cgroup::mode()? == tierce_cgroup::Mode::Unified,
    };
    if unified {
        let directory = group
            .and_then(|group| group.paths().unified())
            .map_or_else(|| "/sys/fs/cgroup".into(), PathBuf::from);
        return Ok(View::Unified { namespaced, directory });
    }
    let text = tierce_cgroup::own_text()?;
    let directories = group
        .map(|group| {
            group
                .paths()
                .iter()
                .map(|(name, path)| (name.to_owned(), path.to_owned()))
                .collect()
        })
        .unwrap_or_default();
    Ok(View::legacy(namespaced, &text, &directories))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_131_devices_start_from_nothing() {
        let rules = resources(&Linux::default()).devices;
        assert!(!rules[0].allow && rules[0].major.is_none());
        assert_eq!(
            rules.len(),
            1,
            "what every container may use is the control groups' part"
        );
    }
}
