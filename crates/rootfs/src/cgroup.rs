//! The control groups as the container sees them: its own group as the root of what is mounted.
//!
//! On the unified hierarchy that is one `cgroup2` mount. On v1 (and hybrid) it is a tmpfs with one mount a hierarchy,
//! and links for controllers that share one. With a cgroup namespace the kernel itself cuts the view; without one the
//! container's own directory of each hierarchy is bound.

use super::beneath::Root;
use super::mount::attach;
use super::plan::MountPlan;
use super::{bind, instance};
use crate::error::{Doing, Error};
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use rustix::mount::mount_bind;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use tierce_sys::mount_attributes::{self, Attributes, Change};

/// One v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Name of its directory: the controllers joined by commas, or the name of a named one.
    pub name: String,
    /// Mount options that select it: controllers, or `none` and `name=…`.
    pub options: Vec<String>,
    /// The container's directory in it on the host, if it has one.
    pub directory: Option<PathBuf>,
    /// The runtime's own directory in it: what a container sees that was made without a group.
    pub own: PathBuf,
}

/// What there is to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// No control group mount is asked for.
    None,
    /// Version 2 only.
    Unified {
        /// Whether the container has a cgroup namespace.
        namespaced: bool,
        /// The container's group on the host.
        directory: PathBuf,
    },
    /// Version 1, or both.
    Legacy {
        /// Whether the container has a cgroup namespace.
        namespaced: bool,
        /// The hierarchies.
        hierarchies: Vec<Hierarchy>,
    },
}

impl View {
    /// Whether the group's own directories are mounted, which must therefore exist.
    pub fn shows_directories(&self) -> bool {
        match self {
            Self::None => false,
            Self::Unified { namespaced, .. } | Self::Legacy { namespaced, .. } => !namespaced,
        }
    }

    /// The v1 hierarchies of `/proc/self/cgroup`, with the container's directories by controller.
    pub fn legacy(namespaced: bool, proc_cgroup: &str, directories: &BTreeMap<String, PathBuf>) -> Self {
        Self::Legacy {
            namespaced,
            hierarchies: hierarchies(proc_cgroup, directories),
        }
    }
}

/// Reads lines of the form `4:cpu,cpuacct:/path`; the unified one has no controllers and is left out.
fn hierarchies(proc_cgroup: &str, directories: &BTreeMap<String, PathBuf>) -> Vec<Hierarchy> {
    proc_cgroup
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split_once(':'))
        .filter(|(controllers, _)| !controllers.is_empty())
        .map(|(controllers, path)| {
            let named = controllers.strip_prefix("name=");
            let options = match named {
                Some(_) => vec!["none".to_owned(), controllers.to_owned()],
                None => controllers.split(',').map(str::to_owned).collect(),
            };
            let name = named.unwrap_or(controllers);
            let directory = name
                .split(',')
                .find_map(|controller| directories.get(controller).or_else(|| directories.get(controllers)))
                .cloned();
            Hierarchy {
                name: name.to_owned(),
                options,
                directory,
                own: Path::new("/sys/fs/cgroup")
                    .join(name)
                    .join(path.trim_start_matches('/')),
            }
        })
        .collect()
}

/// Mounts the view at the plan's destination.
pub fn mount(root: &Root, plan: &MountPlan, view: &View) -> Result<(), Error> {
    let target = root.make_directories(&plan.destination)?;
    super::mount::check_target(root, &plan.destination, &target)?;
    super::proc::check_target(&plan.destination, &target, None)?;
    match view {
        View::None => Ok(()),
        View::Unified { namespaced, directory } => {
            let mount = unified(plan, *namespaced, directory)?;
            super::mount::complete(plan, mount.as_fd())?;
            attach(mount.as_fd(), target.as_fd())
        }
        View::Legacy {
            namespaced,
            hierarchies,
        } => {
            let mut base = plan.clone();
            base.flags.set = base.flags.set.without(Attributes::READ_ONLY);
            base.data = vec![("mode".into(), Some("755".into()))];
            let base = instance::make(&base, "tmpfs", "tmpfs", None)?;
            attach(base.as_fd(), target.as_fd())?;
            rustix::process::fchdir(&base).doing(|| "enter the cgroup tmpfs".into())?;
            for hierarchy in hierarchies {
                mount_hierarchy(base.as_fd(), plan, hierarchy, *namespaced)?;
            }
            // What the options ask for, of all of them at once; what binds brought from the host stays besides.
            let change = Change {
                set: plan.flags.attributes(),
                ..Change::default()
            };
            mount_attributes::set(base.as_fd(), true, change).doing(|| "mount_setattr of the cgroup mounts".into())?;
            Ok(())
        }
    }
}

fn unified(plan: &MountPlan, namespaced: bool, directory: &Path) -> Result<OwnedFd, Error> {
    if namespaced {
        match instance::make(plan, "cgroup2", "cgroup", None) {
            // In a user namespace that does not own the hierarchy the container's own directory will do.
            Err(Error::Kernel {
                source: Errno::PERM | Errno::BUSY,
                ..
            }) => {}
            result => return result,
        }
    }
    let tree = bind::tree(directory, false)?;
    bind::set_flags(tree.as_fd(), &plan.flags)?;
    Ok(tree)
}

/// Makes one hierarchy's directory in `base`, which is the working directory, and mounts it there: by name, since the
/// directory is ours alone, which takes one call instead of the seven to nine of the mount API.
fn mount_hierarchy(
    base: BorrowedFd<'_>,
    plan: &MountPlan,
    hierarchy: &Hierarchy,
    namespaced: bool,
) -> Result<(), Error> {
    let name = hierarchy.name.as_str();
    let action = || format!("make the directory of cgroup {name}");
    rustix::fs::mkdirat(base, name, Mode::from_raw_mode(0o755)).doing(action)?;
    let mounted = if namespaced {
        let (flags, data) = (instance::plain_flags(plan), hierarchy.options.join(","));
        rustix::mount::mount("cgroup", name, "cgroup", flags, CString::new(data).ok().as_deref())
    } else {
        match hierarchy.directory.as_deref().map(|group| mount_bind(group, name)) {
            // An ordinary user's container may have no group, and sees the runtime's then.
            None | Some(Err(Errno::NOENT)) => mount_bind(&hierarchy.own, name),
            Some(result) => result,
        }
    };
    match mounted {
        Ok(()) => {}
        // A hierarchy that is not (or no longer) mounted anywhere cannot be mounted anew under load; leave it out.
        Err(error) if error == Errno::NOENT || namespaced && matches!(error, Errno::BUSY | Errno::INVAL) => {
            return rustix::fs::unlinkat(base, name, AtFlags::REMOVEDIR).doing(action);
        }
        Err(source) => {
            return Err(Error::Kernel {
                action: format!("mount cgroup {name}"),
                source,
            });
        }
    }
    if name.contains(',') {
        for controller in name.split(',') {
            rustix::fs::symlinkat(name, base, controller).doing(|| format!("link cgroup {controller}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joint_and_named_hierarchies_are_told_apart() {
        let directories = BTreeMap::from([("cpuacct".to_owned(), PathBuf::from("/c"))]);
        let found = hierarchies("3:cpu,cpuacct:/\n1:name=systemd:/x\n0::/\n", &directories);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].name.as_str(), found[0].directory.as_deref()),
            ("cpu,cpuacct", Some(Path::new("/c")))
        );
        assert_eq!(
            (found[1].name.as_str(), &found[1].options[..]),
            ("systemd", &["none".to_owned(), "name=systemd".to_owned()][..])
        );
        assert_eq!(found[1].own, Path::new("/sys/fs/cgroup/systemd/x"));
    }
}
