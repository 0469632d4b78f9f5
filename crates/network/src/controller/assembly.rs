//! A sandbox under work: furnished when its container joins, changed while it runs, taken apart.
//!
//! What is done stands in the sandbox, so that [`Assembly::dismantle`] can undo it from any point.

use std::sync::Arc;

use super::endpoint::lead_out;
use super::ways::{Ways, ways};
use super::{Controller, naming};
use crate::failpoint::{Point, reach};
use crate::files::ResolverOverrides;
use crate::netns::{self, Namespace};
use crate::{Error, Join, Network, Sandbox};

/// The sandbox, and the controller whose addresses, ports and rules it takes.
pub(super) struct Assembly<'a> {
    pub(super) controller: &'a Controller,
    pub(super) sandbox: Sandbox,
    /// Where its ports lead at the moment, whatever the sandbox has become meanwhile.
    pub(super) published: Option<Ways>,
}

impl<'a> Assembly<'a> {
    /// One that is as it says, or one that is empty.
    pub(super) fn of(controller: &'a Controller, sandbox: Sandbox) -> Self {
        Self {
            controller,
            published: ways(controller, &sandbox),
            sandbox,
        }
    }

    /// Fills an empty sandbox step by step.
    pub(super) fn furnish(&mut self, join: &Join, networks: &[Arc<Network>]) -> Result<(), Error> {
        for (attachment, network) in join.attachments.iter().zip(networks) {
            let endpoint = self.plan(attachment, network, &join.name)?;
            self.sandbox.endpoints.push(endpoint);
        }
        reach(Point::JoinPlanned);
        // Ports first: they are what fails most often, and cost nothing to give back.
        let sockets = self.reserve_ports(&join.ports)?;
        reach(Point::JoinReserved);
        if let Some(key) = self.sandbox.key.clone() {
            let namespace = Namespace::create(&key)?;
            reach(Point::JoinPinned);
            for (position, network) in networks.iter().enumerate() {
                self.attach(network, position, &namespace, &key)?;
            }
            reach(Point::JoinAttached);
            lead_out(&self.sandbox, &namespace)?;
            reach(Point::JoinLedOut);
        }
        self.publish(sockets)?;
        reach(Point::JoinPublished);
        self.serve_names(&join.resolver)?;
        reach(Point::JoinNamed);
        self.controller.records.save_sandbox(&self.sandbox)
    }

    /// Tells the DNS server of the sandbox as it is, if it is in a network that has names.
    pub(super) fn serve_names(&mut self, wanted: &ResolverOverrides) -> Result<(), Error> {
        let controller = self.controller;
        let host = &controller.config.host_resolv_conf;
        naming::serve(&controller.names, host, &mut self.sandbox, wanted)
    }

    /// Undoes whatever of the sandbox exists; goes on after failures.
    pub(super) fn dismantle(&mut self) -> Result<(), Error> {
        let mut failures = Vec::new();
        failures.extend(self.unpublish().err());
        reach(Point::LeaveUnpublished);
        let (controller, sandbox) = (self.controller, &self.sandbox);
        if sandbox.name_server.is_some() {
            failures.extend(controller.names.leave(&sandbox.container).err());
        }
        reach(Point::LeaveUnnamed);
        controller.ports.release(&sandbox.ports, &sandbox.name);
        for endpoint in &sandbox.endpoints {
            failures.extend(self.cut_off(endpoint).err());
        }
        failures.extend(self.take_out_those_without_host_end().err());
        reach(Point::LeaveCutOff);
        if let Some(key) = &sandbox.key {
            failures.extend(netns::unpin(key).err());
        }
        reach(Point::LeaveUnpinned);
        for endpoint in &sandbox.endpoints {
            self.free(endpoint);
        }
        failures.extend(controller.records.forget_sandbox(sandbox).err());
        reach(Point::LeaveForgotten);
        Error::gather(failures)
    }
}
