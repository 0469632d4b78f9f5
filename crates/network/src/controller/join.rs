//! A container joins its networks, and leaves them.

use std::sync::Arc;

use tierce_firewall::Change;

use super::filter::apply;
use super::ways::{Ways, ways};
use super::{Controller, address, naming, random_id, watch};
use crate::drivers;
use crate::drivers::bridge::address::peer_name;
use crate::endpoint::EndpointInfo;
use crate::netns::{self, Namespace};
use crate::portmap::{Held, nat};
use crate::request::Attachment;
use crate::{Error, Join, Network, Sandbox};

impl Controller {
    /// Makes a container's sandbox: pinned namespace, interfaces, published ports. All or nothing.
    pub fn join(&self, join: Join) -> Result<Arc<Sandbox>, Error> {
        let networks = self.claim(&join)?;
        let made = self.build(&join, &networks);
        let mut state = self.lock();
        state.joining.remove(&join.container);
        let sandbox = Arc::new(made?);
        state.sandboxes.insert(join.container, Arc::clone(&sandbox));
        Ok(sandbox)
    }

    /// Takes a container's sandbox down: ports and addresses are free at return; the kernel destroys namespace and
    /// links on its own time. Goes on after failures and reports them together. Nothing to do is no error.
    pub fn leave(&self, container: &str) -> Result<(), Error> {
        let sandbox = self.lock().sandboxes.remove(container);
        match sandbox {
            Some(sandbox) => self.dismantle(&sandbox),
            None => Ok(()),
        }
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
            .map(|attachment| self.network(&attachment.network));
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
        let mut sandbox = Sandbox {
            key: (!shares_host).then(|| self.config.netns.join(&id[..12])),
            id,
            container: join.container.clone(),
            name: join.name.clone(),
            endpoints: Vec::new(),
            ports: Vec::new(),
            exposed: if shares_host { Vec::new() } else { join.exposed.clone() },
            name_server: None,
        };
        match self.furnish(join, networks, &mut sandbox) {
            Ok(()) => Ok(sandbox),
            Err(error) => {
                if let Err(also) = self.dismantle(&sandbox) {
                    tracing::warn!(container = join.container, error = %also, "cannot undo a failed join completely");
                }
                Err(error)
            }
        }
    }

    /// Fills the sandbox step by step; what is done stands in it, so that [`Self::dismantle`] can undo it.
    fn furnish(&self, join: &Join, networks: &[Arc<Network>], sandbox: &mut Sandbox) -> Result<(), Error> {
        for (attachment, network) in join.attachments.iter().zip(networks) {
            let first = !sandbox.endpoints.iter().any(|endpoint| endpoint.link.is_some());
            let interface = naming::interface(network, &sandbox.endpoints);
            let endpoint = self.plan_endpoint(attachment, network, join, interface, first)?;
            sandbox.endpoints.push(endpoint);
        }
        // Ports first: they are what fails most often, and cost nothing to give back.
        let ways = ways(self, sandbox);
        let reservation = match &ways {
            Some(ways) => self.reserve_ports(join, sandbox, ways)?,
            None => Vec::new(),
        };
        if let Some(key) = &sandbox.key {
            let namespace = Namespace::create(key)?;
            for (endpoint, network) in sandbox.endpoints.iter().zip(networks) {
                if let Some(link) = &endpoint.link {
                    drivers::of(&network.kind).attach(network, link, &namespace)?;
                }
            }
        }
        if let Some(ways) = ways {
            let elements = nat::elements(&self.config.table, &sandbox.ports, ways.targets);
            apply(self, elements.into_iter().map(Change::Add).collect())?;
            self.relay.serve(&sandbox.container, ways.targets, reservation)?;
        }
        naming::serve(&self.names, &self.config.host_resolv_conf, sandbox, &join.resolver)?;
        self.records.save_sandbox(sandbox)
    }

    fn plan_endpoint(
        &self,
        attachment: &Attachment,
        network: &Network,
        join: &Join,
        interface: String,
        first: bool,
    ) -> Result<EndpointInfo, Error> {
        let id = random_id()?;
        let link = if network.subnets().next().is_some() {
            let names = (interface, peer_name(&self.config.veth_prefix, &id));
            let mut link = address::take(self, attachment, network, &join.name, names)?;
            if !first {
                (link.gateway, link.gateway6) = (None, None);
            }
            Some(link)
        } else {
            None
        };
        Ok(EndpointInfo {
            id,
            network: network.id.clone(),
            network_name: network.name.clone(),
            wish: attachment.clone(),
            link,
            dns_names: if network.is_predefined() {
                // The default bridge has no names.
                Vec::new()
            } else {
                naming::names(&join.name, &join.container, attachment)
            },
        })
    }

    fn reserve_ports(&self, join: &Join, sandbox: &mut Sandbox, ways: &Ways) -> Result<Vec<Held>, Error> {
        let taker = ways.taker(&join.name);
        let reservation = self.ports.reserve(&join.ports, taker).map_err(|cause| Error::Publish {
            name: join.name.clone(),
            endpoint: ways.endpoint.clone(),
            cause: Box::new(cause),
        })?;
        sandbox.ports = reservation.published;
        Ok(reservation.sockets)
    }

    /// Undoes whatever of a sandbox exists; goes on after failures.
    pub(super) fn dismantle(&self, sandbox: &Sandbox) -> Result<(), Error> {
        let mut failures = Vec::new();
        if let Some(ways) = ways(self, sandbox) {
            let elements = nat::elements(&self.config.table, &sandbox.ports, ways.targets);
            failures.extend(apply(self, elements.into_iter().map(Change::Remove).collect()).err());
        }
        self.relay.withdraw(&sandbox.container);
        if sandbox.name_server.is_some() {
            failures.extend(self.names.leave(&sandbox.container).err());
        }
        self.ports.release(&sandbox.ports, &sandbox.name);
        for endpoint in &sandbox.endpoints {
            let Some(link) = &endpoint.link else { continue };
            let network = self.lock().networks.get(&endpoint.network).cloned();
            if let Some(network) = network {
                failures.extend(drivers::of(&network.kind).detach(&network, link).err());
            }
        }
        if let Some(key) = &sandbox.key {
            failures.extend(netns::unpin(key).err());
        }
        watch::depart(self, sandbox);
        for endpoint in &sandbox.endpoints {
            if let Some(link) = &endpoint.link {
                address::give_back(self, &endpoint.network, link, &sandbox.name);
            }
        }
        failures.extend(self.records.forget_sandbox(sandbox).err());
        Error::gather(failures)
    }
}
