//! Entering namespaces, and the moments at which the parent must have done its part.

use super::{Init, Role};
use crate::error::{Doing, Error};
use crate::namespaces;
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::os::fd::AsFd;
use tierce_oci::runtime::NamespaceKind;
use tierce_sys::namespaces::Kinds;

/// Joins what could not be joined by being born in it.
pub(super) fn join(init: &mut Init<'_>) -> Result<(), Error> {
    match init.role {
        Role::First(container) => {
            if container.namespaces.needs_middle() {
                return Ok(());
            }
            // The pid namespace was the parent's doing: it takes only children.
            namespaces::join(&container.namespaces.joined, |kind| kind == NamespaceKind::Pid)
        }
        Role::Further {
            init: first,
            kinds,
            entered,
        } => {
            let kinds = kinds.without(entered);
            if kinds.is_empty() {
                return Ok(());
            }
            // One call joins all of them, in the kernel's right order.
            tierce_sys::namespaces::join(first.as_fd(), kinds).doing(|| "join the container's namespaces".into())
        }
    }
}

/// In a user namespace: waits until ids are mapped, then takes its root's.
pub(super) fn become_root(init: &mut Init<'_>) -> Result<(), Error> {
    let in_user_namespace = match init.role {
        Role::First(container) => container.namespaces.has(NamespaceKind::User),
        Role::Further { kinds, .. } => kinds.contains(Kinds::USER),
    };
    if !in_user_namespace {
        return Ok(());
    }
    init.await_go()?;
    let doing = || "become root of the user namespace".to_owned();
    // Where setgroups(2) is denied there are no groups to give up.
    let _ = set_thread_groups(&[]);
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).doing(doing)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).doing(doing)?;
    // Changing ids made the process untraceable by its own namespace's root only; keep it so for all.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).doing(doing)
}

/// Waits for the parent's Go.
pub(super) fn await_go(init: &mut Init<'_>) -> Result<(), Error> {
    init.await_go()
}

/// Makes the cgroup namespace; its root is the group the process is in, so it must be in the right one.
pub(super) fn cgroup(init: &mut Init<'_>) -> Result<(), Error> {
    let container = init.container()?;
    if !container.namespaces.is_new(NamespaceKind::Cgroup) {
        return Ok(());
    }
    init.await_go()?;
    tierce_sys::namespaces::unshare(Kinds::CGROUP).doing(|| "unshare the cgroup namespace".into())
}
