//! A container joins its networks, and leaves them.

use std::sync::Arc;

use super::assembly::Assembly;
use super::{Controller, links, naming, random_id, templates};
use crate::drivers;
use crate::failpoint::{Point, reach};
use crate::{Error, Join, Network, Sandbox};

impl Controller {
    /// Makes a container's sandbox: pinned namespace, interfaces, published ports. All or nothing.
    pub fn join(&self, join: Join) -> Result<Arc<Sandbox>, Error> {
        let networks = self.claim(&join)?;
        reach(Point::JoinClaimed);
        let made = self.build(&join, &networks);
        reach(Point::JoinRecorded);
        let mut state = self.lock();
        state.joining.remove(&join.container);
        let sandbox = Arc::new(made?);
        state.sandboxes.insert(join.container, Arc::clone(&sandbox));
        drop(state);
        links::open(self).inspect_err(|_| {
            if let Err(also) = self.leave(&sandbox.container) {
                tracing::warn!(container = sandbox.name, error = %also, "cannot undo a failed join completely");
            }
        })?;
        Ok(sandbox)
    }

    /// Takes a container's sandbox down: ports and addresses are free at return; the kernel destroys namespace and
    /// links on its own time. Goes on after failures and reports them together. Nothing to do is no error.
    pub fn leave(&self, container: &str) -> Result<(), Error> {
        let sandbox = {
            let mut state = self.lock();
            let Some(sandbox) = state.sandboxes.remove(container) else {
                return Ok(());
            };
            // Until it is taken apart its networks stay.
            let networks = sandbox.endpoints.iter().map(|endpoint| endpoint.network.clone());
            state.joining.insert(container.to_owned(), networks.collect());
            sandbox
        };
        // Before somebody else may have its addresses.
        let closed = links::open(self);
        let done = Assembly::of(self, Sandbox::clone(&sandbox)).dismantle();
        self.lock().joining.remove(container);
        done.and(closed)
    }

    /// Gives a container that runs another name: in its networks it answers to that from now on.
    pub fn rename(&self, container: &str, name: &str) -> Result<(), Error> {
        let renamed = {
            let mut state = self.lock();
            let Some(sandbox) = state.sandboxes.get_mut(container) else {
                return Ok(());
            };
            naming::rename(Arc::make_mut(sandbox), name);
            Arc::clone(sandbox)
        };
        if let Some(server) = &renamed.name_server {
            self.names.serve(naming::known(&renamed), server.port)?;
        }
        self.records.save_sandbox(&renamed)
    }

    /// Finds the networks and holds them for this container.
    fn claim(&self, join: &Join) -> Result<Vec<Arc<Network>>, Error> {
        let found = join
            .attachments
            .iter()
            .map(|attachment| templates::joinable(self, &attachment.network));
        let networks = found.collect::<Result<Vec<_>, _>>()?;
        let shares_host = networks.iter().any(|network| drivers::of(&network.kind).shares_host());
        if shares_host && networks.len() > 1 {
            return Err(Error::Invalid(
                "conflicting options: host network with other networks".to_owned(),
            ));
        }
        for (index, network) in networks.iter().enumerate() {
            if networks[..index].iter().any(|other| other.id == network.id) {
                return Err(Error::Invalid(format!(
                    "container is joined to network {} twice",
                    network.name
                )));
            }
        }
        let mut state = self.lock();
        if state.sandboxes.contains_key(&join.container) || state.joining.contains_key(&join.container) {
            return Err(Error::AlreadyJoined(join.name.clone()));
        }
        // Removed between look-up and here?
        if let Some(gone) = networks
            .iter()
            .find(|network| !state.networks.contains_key(&network.id))
        {
            return Err(Error::NetworkNotFound(gone.name.clone()));
        }
        let ids = networks.iter().map(|network| network.id.clone()).collect();
        state.joining.insert(join.container.clone(), ids);
        Ok(networks)
    }

    fn build(&self, join: &Join, networks: &[Arc<Network>]) -> Result<Sandbox, Error> {
        let id = random_id()?;
        let shares_host = networks.iter().any(|network| drivers::of(&network.kind).shares_host());
        let sandbox = Sandbox {
            key: (!shares_host).then(|| self.config.netns.join(&id[..12])),
            id,
            container: join.container.clone(),
            name: join.name.clone(),
            endpoints: Vec::new(),
            ports: Vec::new(),
            exposed: if shares_host { Vec::new() } else { join.exposed.clone() },
            links: join.links.clone(),
            name_server: None,
            changing: None,
            wishes: Vec::new(),
        };
        let mut assembly = Assembly::of(self, sandbox);
        match assembly.furnish(join, networks) {
            Ok(()) => Ok(assembly.sandbox),
            Err(error) => {
                if let Err(also) = assembly.dismantle() {
                    tracing::warn!(container = join.container, error = %also, "cannot undo a failed join completely");
                }
                Err(error)
            }
        }
    }
}
