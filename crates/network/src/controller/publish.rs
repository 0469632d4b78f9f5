//! Published ports of a sandbox: reserved, put in force, withdrawn. They lead to the endpoints through which the
//! container reaches the outside ([`crate::Sandbox::published_at`]), and so move when those change.

use super::assembly::Assembly;
use super::filter::Lead;
use super::ways::{Ways, ways};
use crate::Error;
use crate::portmap::Held;
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
            endpoint: ways.endpoint(),
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
        controller
            .filter
            .lead(&self.sandbox.container, Some(self.lead_to(ways)))?;
        controller.relay.serve(&self.sandbox.container, ways.targets, sockets)
    }

    /// The reverse. The ports stay reserved.
    pub(super) fn unpublish(&mut self) -> Result<(), Error> {
        let controller = self.controller;
        self.published = None;
        let removed = controller.filter.lead(&self.sandbox.container, None);
        controller.relay.withdraw(&self.sandbox.container);
        removed
    }

    /// The default route may lead elsewhere than it did, or there is one now, or none any more: so do published ports. They
    /// stay the same ones where both networks publish in the same way.
    pub(super) fn move_ports(&mut self, wishes: &[Publication]) -> Result<(), Error> {
        let controller = self.controller;
        match (self.published.clone(), self.ways()) {
            (None, None) => Ok(()),
            (Some(from), Some(to)) if from.leads_as(&to) => Ok(()),
            (Some(from), Some(to)) if from.publishes_as(&to) => {
                controller
                    .filter
                    .lead(&self.sandbox.container, Some(self.lead_to(&to)))?;
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

    pub(super) fn ways(&self) -> Option<Ways> {
        ways(self.controller, &self.sandbox)
    }

    fn lead_to(&self, ways: &Ways) -> Lead {
        Lead {
            published: self.sandbox.ports.clone(),
            targets: ways.targets,
        }
    }
}
