//! The container's control group: which one, with which rules, and how the container sees it.

use crate::error::{Doing, Error};
use crate::namespaces::Namespaces;
use crate::rootfs::cgroup::View;
use crate::rootfs::plan::{MountPlan, What};
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tierce_cgroup::{Driver, Manager};
use tierce_oci::runtime::{DeviceCgroup, Linux, NamespaceKind, Resources};

/// Devices that every container may use, whatever its document says: type, major, minor, access. Making nodes is
/// allowed for all, since making is not using; the list is runc's.
const ALLOWED: [(&str, Option<i64>, Option<i64>, &str); 11] = [
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    ("c", Some(1), Some(3), "rwm"),
    ("c", Some(1), Some(8), "rwm"),
    ("c", Some(1), Some(7), "rwm"),
    ("c", Some(5), Some(0), "rwm"),
    ("c", Some(1), Some(5), "rwm"),
    ("c", Some(1), Some(9), "rwm"),
    ("c", Some(136), None, "rwm"),
    ("c", Some(5), Some(2), "rwm"),
    ("c", Some(10), Some(200), "rwm"),
];

/// The group of a new container; `None` where this machine or user has none to give and the document asks for none.
///
/// # Errors
/// [`Error::Cgroup`].
pub(crate) fn open(id: &str, linux: &Linux, systemd: bool) -> Result<Option<Box<dyn Manager>>, Error> {
    let driver = if systemd { Driver::Systemd } else { Driver::Cgroupfs };
    let default = format!("/{id}");
    let path = if linux.cgroups_path.is_empty() {
        default.as_str()
    } else {
        linux.cgroups_path.as_str()
    };
    match tierce_cgroup::open(path, driver) {
        Ok(group) => Ok(Some(group)),
        Err(tierce_cgroup::Error::NotMounted) if linux.cgroups_path.is_empty() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Limits and rules of a container: nothing is allowed but what the document and the list above allow.
pub(crate) fn resources(linux: &Linux) -> Resources {
    let mut resources = linux.resources.clone().unwrap_or_default();
    let mut rules = vec![DeviceCgroup {
        allow: false,
        access: "rwm".into(),
        ..DeviceCgroup::default()
    }];
    rules.append(&mut resources.devices);
    rules.extend(ALLOWED.iter().map(|(kind, major, minor, access)| DeviceCgroup {
        allow: true,
        kind: (*kind).to_owned(),
        major: *major,
        minor: *minor,
        access: (*access).to_owned(),
    }));
    resources.devices = rules;
    resources
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
    let mut directories: Vec<&Path> = group.paths().iter().map(|(_, path)| path).collect();
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
    let text = std::fs::read_to_string("/proc/self/cgroup").doing(|| "read /proc/self/cgroup".into())?;
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
        assert!(rules.iter().skip(1).all(|rule| rule.allow && rule.kind != "a"));
    }
}
