//! The container's file system, still at its place on the host.

use super::Init;
use crate::error::Error;
use tierce_oci::runtime::NamespaceKind;
use tierce_rootfs::{device, in_place, mount, propagation};

/// Makes the root a mount of the container's mount namespace.
pub(super) fn root(init: &mut Init<'_>) -> Result<(), Error> {
    let container = init.container()?;
    let root = if container.namespaces.has(NamespaceKind::Mount) {
        propagation::prepare(&container.rootfs, container.propagation)?
    } else {
        in_place::prepare(&container.rootfs)?
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
        ask: &|position| init.ask_source(position).map_err(Error::into_step),
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
    Ok(device::link(init.root()?)?)
}
