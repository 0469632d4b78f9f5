//! A container that runs is connected to one more network, or disconnected from one.
//!
//! The record says what is under way before the kernel is touched ([`Sandbox::changing`]): a daemon that is killed
//! between any two steps takes that endpoint off at its next start ([`Assembly::resume`]). So a connection that nobody
//! was told of is undone, and a disconnection that began is finished.

use std::sync::Arc;

use super::assembly::Assembly;
use super::endpoint::lead_out;
use super::{Controller, State, links, templates};
use crate::failpoint::{Point, reach};
use crate::netns::Namespace;
use crate::request::Connect;
use crate::{Error, Network, Sandbox};

impl Controller {
    /// Connects a container to a network: interface, default route, names and ports change while it runs. All or
    /// nothing.
    pub fn connect(&self, connect: &Connect) -> Result<Arc<Sandbox>, Error> {
        let network = templates::joinable(self, &connect.attachment.network)?;
        let sandbox = self.lock().hold(&connect.container, &network)?;
        if sandbox.endpoints.iter().any(|known| known.network == network.id) {
            let refusal = Error::AlreadyConnected {
                container: sandbox.name.clone(),
                network: network.name.clone(),
            };
            return self.let_go(&connect.container, Err(refusal));
        }
        let mut assembly = Assembly::of(self, Sandbox::clone(&sandbox));
        let done = assembly.connect(connect, &network);
        // Also after a failure: its ports may be others than before.
        let kept = self.let_go(&connect.container, Ok(assembly.sandbox));
        reach(Point::ConnectDone);
        done.and(kept)
    }

    /// Disconnects a container from a network (by id). Goes on after failures and reports them together; in any case the
    /// endpoint is gone from the records. What it publishes moves to the network that has the default route then.
    pub fn disconnect(&self, disconnect: &Connect) -> Result<Arc<Sandbox>, Error> {
        let network = self.network(&disconnect.attachment.network)?;
        let sandbox = self.lock().hold(&disconnect.container, &network)?;
        let Some(position) = sandbox.endpoints.iter().position(|known| known.network == network.id) else {
            let refusal = Error::NotConnected {
                container: disconnect.container.clone(),
                network: network.name.clone(),
            };
            return self.let_go(&disconnect.container, Err(refusal));
        };
        let mut assembly = Assembly::of(self, Sandbox::clone(&sandbox));
        let done = assembly.disconnect(position, disconnect);
        let kept = self.let_go(&disconnect.container, Ok(assembly.sandbox));
        reach(Point::DisconnectDone);
        done.and(kept)
    }

    /// Ends the claim, and enters what the sandbox has become.
    fn let_go(&self, container: &str, outcome: Result<Sandbox, Error>) -> Result<Arc<Sandbox>, Error> {
        let mut state = self.lock();
        state.joining.remove(container);
        let sandbox = Arc::new(outcome?);
        state.sandboxes.insert(container.to_owned(), Arc::clone(&sandbox));
        drop(state);
        links::open(self)?;
        Ok(sandbox)
    }
}

impl State {
    /// Claims a sandbox for a change; the network stays meanwhile.
    fn hold(&mut self, container: &str, network: &Network) -> Result<Arc<Sandbox>, Error> {
        let Some(sandbox) = self.sandboxes.get(container).cloned() else {
            return Err(Error::NotJoined(container.to_owned()));
        };
        if self.joining.contains_key(container) {
            return Err(Error::AlreadyJoined(sandbox.name.clone()));
        }
        if !self.networks.contains_key(&network.id) {
            return Err(Error::NetworkNotFound(network.name.clone()));
        }
        self.joining.insert(container.to_owned(), vec![network.id.clone()]);
        Ok(sandbox)
    }
}

impl Assembly<'_> {
    fn connect(&mut self, connect: &Connect, network: &Arc<Network>) -> Result<(), Error> {
        let endpoint = self.plan(&connect.attachment, network, &connect.name)?;
        self.sandbox.changing = Some(endpoint.id.clone());
        self.sandbox.endpoints.push(endpoint);
        self.connect_last(connect, network).inspect_err(|_| {
            let position = self.sandbox.endpoints.len() - 1;
            if let Err(also) = self.disconnect(position, connect) {
                tracing::warn!(container = self.sandbox.name, error = %also, "cannot undo a connection completely");
            }
        })
    }

    /// Makes the last endpoint of the sandbox what it says.
    fn connect_last(&mut self, connect: &Connect, network: &Arc<Network>) -> Result<(), Error> {
        reach(Point::ConnectPlanned);
        self.controller.records.save_sandbox(&self.sandbox)?;
        reach(Point::ConnectRecorded);
        if let Some(key) = self.sandbox.key.clone() {
            let namespace = Namespace::open(&key)?;
            self.attach(network, self.sandbox.endpoints.len() - 1, &namespace, &key)?;
            reach(Point::ConnectAttached);
            lead_out(&self.sandbox, &namespace)?;
        }
        reach(Point::ConnectLedOut);
        self.move_ports(&connect.ports)?;
        reach(Point::ConnectPublished);
        self.serve_names(&connect.resolver)?;
        reach(Point::ConnectNamed);
        self.sandbox.changing = None;
        self.controller.records.save_sandbox(&self.sandbox)
    }

    /// Takes the endpoint at `position` off; goes on after failures.
    fn disconnect(&mut self, position: usize, wish: &Connect) -> Result<(), Error> {
        let controller = self.controller;
        let mut failures = Vec::new();
        self.sandbox.changing = Some(self.sandbox.endpoints[position].id.clone());
        self.sandbox.wishes.clone_from(&wish.ports);
        failures.extend(controller.records.save_sandbox(&self.sandbox).err());
        reach(Point::DisconnectRecorded);
        let endpoint = self.sandbox.endpoints.remove(position);
        failures.extend(self.cut_off(&endpoint).err());
        reach(Point::DisconnectCutOff);
        if let Some(key) = &self.sandbox.key {
            match Namespace::open(key) {
                Ok(namespace) => {
                    failures.extend(self.take_out(&endpoint, &namespace).err());
                    reach(Point::DisconnectTakenOut);
                    failures.extend(lead_out(&self.sandbox, &namespace).err());
                }
                Err(error) => failures.push(error),
            }
        }
        reach(Point::DisconnectLedOut);
        failures.extend(self.move_ports(&wish.ports).err());
        reach(Point::DisconnectPublished);
        failures.extend(self.serve_names(&wish.resolver).err());
        self.free(&endpoint);
        reach(Point::DisconnectNamed);
        self.sandbox.changing = None;
        self.sandbox.wishes.clear();
        failures.extend(controller.records.save_sandbox(&self.sandbox).err());
        Error::gather(failures)
    }

    /// After a start of the daemon: finishes what an earlier life had under way. Addresses are not taken yet, ports and
    /// names are seen to for all sandboxes together. Ports that come to lead elsewhere in another way are given up; what
    /// was wished for stays noted, for [`Assembly::publish_again`].
    pub(super) fn resume(&mut self) -> Result<(), Error> {
        let Some(id) = self.sandbox.changing.take() else {
            return Ok(());
        };
        let before = self.published.take();
        let mut failures = Vec::new();
        if let Some(position) = self.sandbox.endpoints.iter().position(|endpoint| endpoint.id == id) {
            let endpoint = self.sandbox.endpoints.remove(position);
            failures.extend(self.cut_off(&endpoint).err());
            if let Some(key) = &self.sandbox.key {
                let inside = Namespace::open(key).and_then(|namespace| {
                    self.take_out(&endpoint, &namespace)?;
                    lead_out(&self.sandbox, &namespace)
                });
                failures.extend(inside.err());
            }
        }
        self.published = self.ways();
        let same = match (before, &self.published) {
            (Some(from), Some(to)) => from.publishes_as(to),
            _ => false,
        };
        // A connection is noted without wishes, and with the ports as they were before.
        if same || self.sandbox.wishes.is_empty() {
            self.sandbox.wishes.clear();
        } else {
            self.sandbox.ports.clear();
        }
        if self.published.is_none() {
            self.sandbox.ports.clear();
        }
        failures.extend(self.controller.records.save_sandbox(&self.sandbox).err());
        Error::gather(failures)
    }

    /// Publishes what [`Assembly::resume`] left noted, once it is known what others hold.
    pub(super) fn publish_again(&mut self) -> Result<(), Error> {
        let wishes = std::mem::take(&mut self.sandbox.wishes);
        let published = self.reserve_ports(&wishes).and_then(|sockets| self.publish(sockets));
        let saved = self.controller.records.save_sandbox(&self.sandbox);
        published.and(saved)
    }
}
