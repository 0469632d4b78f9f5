//! The container's file system, still at its place on the host.

use super::Init;
use crate::error::{Doing, Error};
use crate::rootfs::{beneath::Root, device, mount, propagation};
use rustix::fs::{Mode, OFlags};
use tierce_oci::runtime::NamespaceKind;

/// Makes the root a mount of the new mount namespace.
pub(super) fn root(init: &mut Init<'_>) -> Result<(), Error> {
    let container = init.container()?;
    let root = if container.namespaces.is_new(NamespaceKind::Mount) {
        propagation::prepare(&container.rootfs, container.propagation)?
    } else {
        // A joined or shared mount namespace is somebody else's: nothing is mounted, the root is only entered.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&container.rootfs, flags, Mode::empty())
            .doing(|| format!("open {}", container.rootfs.display()))?;
        Root::new(directory)
    };
    init.root = Some(root);
    Ok(())
}

/// Mounts what the document asks for.
pub(super) fn mounts(init: &mut Init<'_>) -> Result<(), Error> {
    if init.container()?.view.shows_directories() {
        // The parent makes them beside us.
        init.await_go()?;
    }
    let container = init.container()?;
    let surroundings = mount::Surroundings {
        groups: &container.view,
        ask: &|position| init.ask_source(position),
        may_ask: container.may_ask,
    };
    init.read_only_later = mount::apply(init.root()?, &container.mounts, &surroundings)?;
    Ok(())
}

/// Makes device nodes and links.
pub(super) fn devices(init: &mut Init<'_>) -> Result<(), Error> {
    let container = init.container()?;
    let Some(nodes) = &container.nodes else { return Ok(()) };
    device::make(init.root()?, nodes, container.namespaces.has(NamespaceKind::User))?;
    device::link(init.root()?)
}
