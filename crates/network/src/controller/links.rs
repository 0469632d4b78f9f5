//! Links of the default bridge (`--link`, historic). Where its containers are kept apart (`--icc=false`), what one exposes
//! is open to those that have a link to it.
//!
//! Sandboxes name each other by container, so that a link follows a container that starts again with another address, and
//! opens nothing to whoever has its address next. What is open is told anew after each change of sandboxes.
//!
//! Source: moby `libnetwork/drivers/bridge/bridge_linux.go` (`link`), `internal/iptabler/link.go`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Controller;
use crate::drivers::bridge::rules::Opening;
use crate::network::NetworkKind;
use crate::{Error, Network, Sandbox};

impl Controller {
    /// Ends a link of a container that runs. Nothing to do is no error.
    pub fn unlink(&self, container: &str, linked: &str) -> Result<(), Error> {
        let unlinked = {
            let mut state = self.lock();
            let Some(sandbox) = state.sandboxes.get_mut(container) else {
                return Ok(());
            };
            Arc::make_mut(sandbox).links.retain(|known| known != linked);
            Arc::clone(sandbox)
        };
        let closed = open(self);
        self.records.save_sandbox(&unlinked).and(closed)
    }
}

/// Has the packet filter open what links open between the sandboxes as they are now, and nothing else.
pub(super) fn open(controller: &Controller) -> Result<(), Error> {
    controller.filter.open(|| {
        let state = controller.lock();
        openings(state.networks.values(), &state.sandboxes)
    })
}

/// What links open between sandboxes, by container.
pub(super) fn openings<'a>(
    networks: impl IntoIterator<Item = &'a Arc<Network>>,
    sandboxes: &HashMap<String, Arc<Sandbox>>,
) -> BTreeSet<Opening> {
    let default = networks.into_iter().find(|network| network.name == "bridge");
    let Some((network, NetworkKind::Bridge(options))) = default.map(|network| (network, &network.kind)) else {
        return BTreeSet::new();
    };
    if options.icc {
        return BTreeSet::new();
    }
    let address = |sandbox: &Sandbox| {
        let mut endpoints = sandbox.endpoints.iter();
        let endpoint = endpoints.find(|endpoint| endpoint.network == network.id)?;
        endpoint.link.as_ref().and_then(|link| link.address)
    };
    let opened = |parent: &Sandbox, child: &String| {
        let child = sandboxes.get(child)?;
        let (from, to) = (address(parent)?, address(child)?);
        let published = child.ports.iter().map(|published| published.port);
        let ports = child.exposed.iter().copied().chain(published);
        let bridge = options.bridge.clone();
        Some(ports.map(move |port| Opening {
            bridge: bridge.clone(),
            from,
            to,
            port,
        }))
    };
    let linked = sandboxes.values().flat_map(|parent| {
        let children = parent.links.iter();
        children.filter_map(move |child| opened(parent, child))
    });
    linked.flatten().collect()
}
