//! Bind sources that a container's first process cannot open itself: behind directories that the root of its user
//! namespace may not enter, or with ids to be translated, which only the host's root may arrange.
//!
//! A source is looked up in the container's mount namespace, when its turn has come: it may lie on a mount that was made
//! just before. So a helper process joins that namespace, opens, and sends the descriptor.

use super::{aside, user_namespace};
use crate::error::{Doing, Error};
use crate::init::Container;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_oci::runtime::{IdMapping, NamespaceKind};
use tierce_rootfs::bind;
use tierce_rootfs::plan::{MountPlan, What};
use tierce_sys::mount_attributes::{self, Change};
use tierce_sys::namespaces::Kinds;

/// Mappings of users and of groups.
type Mappings = (Vec<IdMapping>, Vec<IdMapping>);

/// Opens sources for one container.
pub(crate) struct Sources<'a> {
    container: &'a Container,
    /// User namespaces that were made for mappings; mounts often share one.
    made: Vec<(Mappings, OwnedFd)>,
}

impl<'a> Sources<'a> {
    /// For the mounts of this container.
    pub(crate) fn of(container: &'a Container) -> Self {
        Self {
            container,
            made: Vec::new(),
        }
    }

    /// Opens the source of the mount at `position` as the process `pid` sees it: a detached tree where its ids are
    /// translated, otherwise the bare file (`O_PATH`).
    pub(crate) fn open(&mut self, pid: i32, position: usize) -> Result<OwnedFd, Error> {
        let plan = self
            .container
            .mounts
            .get(position)
            .ok_or_else(|| Error::Invalid("no such mount".into()))?;
        let What::Bind { source, .. } = &plan.what else {
            return Err(Error::Invalid("only bind mounts have a source".into()));
        };
        let translation = match plan.idmap {
            Some(_) => Some(self.user_namespace(plan)?),
            None => None,
        };
        let path = format!("/proc/{pid}/ns/mnt");
        let namespace = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .doing(|| format!("open {path}"))?;
        aside::open(|| {
            tierce_sys::namespaces::join(namespace.as_fd(), Kinds::MOUNT)
                .doing(|| "join the container's mount namespace".into())?;
            match translation {
                Some(namespace) => translated(plan, source, namespace),
                None => rustix::fs::open(source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                    .doing(|| format!("open {}", source.display())),
            }
        })
    }

    /// The user namespace that holds the mappings of a mount.
    fn user_namespace(&mut self, plan: &MountPlan) -> Result<&OwnedFd, Error> {
        let joined = self.container.namespaces.joined(NamespaceKind::User);
        let Some((uids, gids)) = plan.mappings(&self.container.linux, joined.is_some())? else {
            return joined.ok_or_else(|| Error::Invalid("no user namespace has the mappings".into()));
        };
        let known = self.made.iter().position(|((u, g), _)| u == uids && g == gids);
        let position = known.unwrap_or(self.made.len());
        if known.is_none() {
            let made = user_namespace::detached(uids, gids)?;
            self.made.push(((uids.to_vec(), gids.to_vec()), made));
        }
        Ok(&self.made[position].1)
    }
}

fn translated(plan: &MountPlan, source: &Path, namespace: &OwnedFd) -> Result<OwnedFd, Error> {
    let recursive = matches!(plan.what, What::Bind { recursive: true, .. });
    let tree = bind::tree(source, recursive)?;
    let change = Change {
        user_namespace: Some(namespace.as_fd()),
        ..Change::default()
    };
    mount_attributes::set(tree.as_fd(), plan.idmap == Some(true), change).doing(|| {
        format!(
            "failed to set MOUNT_ATTR_IDMAP on {} (maybe the filesystem used doesn't support idmap mounts on this \
             kernel?)",
            source.display()
        )
    })?;
    Ok(tree)
}
