//! Published ports of a sandbox: reserved, put in force, withdrawn. They lead to the endpoint through which the container
//! reaches the outside ([`crate::Sandbox::published_at`]), and so move when that changes.

use tierce_firewall::{Change, Elements};

use super::assembly::Assembly;
use super::filter::apply;
use super::ways::{Ways, ways};
use crate::Error;
use crate::portmap::{Held, nat};
use crate::request::Publication;

impl Assembly<'_> {
    /// Takes the host's ports, which then stand in the sandbox; nothing is led there yet.
    pub(super) fn reserve_ports(&mut self, wishes: &[Publication]) -> Result<Vec<Held>, Error> {
        let Some(ways) = self.ways() else {
            return Ok(Vec::new());
        };
        let (controller, sandbox) = (self.controller, &mut self.sandbox);
        let reserved = controller.ports.reserve(wishes, ways.taker(&sandbox.name));
        let reservation = reserved.map_err(|cause| Error::Publish {
            name: sandbox.name.clone(),
            endpoint: ways.endpoint.clone(),
            cause: Box::new(cause),
        })?;
        sandbox.ports = reservation.published;
        Ok(reservation.sockets)
    }

    /// Has the packet filter and the relay lead the sandbox's ports to it.
    pub(super) fn publish(&mut self, sockets: Vec<Held>) -> Result<(), Error> {
        self.published = self.ways();
        let Some(ways) = &self.published else {
            return Ok(());
        };
        let controller = self.controller;
        apply(controller, self.filter_changes(ways, Change::Add))?;
        controller.relay.serve(&self.sandbox.container, ways.targets, sockets)
    }

    /// The reverse. The ports stay reserved.
    pub(super) fn unpublish(&mut self) -> Result<(), Error> {
        let controller = self.controller;
        let removed = match self.published.take() {
            Some(ways) => apply(controller, self.filter_changes(&ways, Change::Remove)),
            None => Ok(()),
        };
        controller.relay.withdraw(&self.sandbox.container);
        removed
    }

    /// The default route may lead elsewhere than it did, or there is one now, or none any more: so do published ports. They
    /// stay the same ones where both networks publish in the same way.
    pub(super) fn move_ports(&mut self, wishes: &[Publication]) -> Result<(), Error> {
        let controller = self.controller;
        match (self.published.clone(), self.ways()) {
            (None, None) => Ok(()),
            (Some(from), Some(to)) if from.endpoint == to.endpoint => Ok(()),
            (Some(from), Some(to)) if from.publishes_as(&to) => {
                let mut changes = self.filter_changes(&from, Change::Remove);
                changes.extend(self.filter_changes(&to, Change::Add));
                apply(controller, changes)?;
                controller.relay.retarget(&self.sandbox.container, to.targets);
                self.published = Some(to);
                Ok(())
            }
            _ => {
                let withdrawn = self.unpublish();
                controller.ports.release(&self.sandbox.ports, &self.sandbox.name);
                self.sandbox.ports.clear();
                let sockets = self.reserve_ports(wishes)?;
                self.publish(sockets)?;
                withdrawn
            }
        }
    }

    fn ways(&self) -> Option<Ways> {
        ways(self.controller, &self.sandbox)
    }

    fn filter_changes(&self, ways: &Ways, change: fn(Elements) -> Change) -> Vec<Change> {
        let elements = nat::elements(&self.controller.config.table, &self.sandbox.ports, ways.targets);
        elements.into_iter().map(change).collect()
    }
}
