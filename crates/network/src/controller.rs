//! The door of this crate.

use std::sync::Arc;

use crate::{Config, Error, Join, Network, NetworkSpec, Sandbox};

/// A container that runs, as the supervisor reports it at start-up.
#[derive(Debug, Clone)]
pub struct Alive {
    /// Its id.
    pub container: String,
}

/// Owns all networks, sandboxes and published ports of one daemon.
#[derive(Debug)]
pub struct Controller {
    config: Config,
}

impl Controller {
    /// Reads the records; touches no kernel object yet. [`Controller::restore`] must follow before anything else.
    pub fn open(config: Config) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self { config }))
    }

    /// Makes the kernel agree with the records: bridges and rules exist, sandboxes of `alive` containers are adopted,
    /// everything else that is ours is removed. Returns what could not be mended (and is worth a warning).
    pub fn restore(&self, alive: &[Alive]) -> Result<Vec<Error>, Error> {
        Err(Error::Invalid(format!("{} {}", alive.len(), self.config.table)))
    }

    /// All networks, by name.
    pub fn networks(&self) -> Vec<Arc<Network>> {
        Vec::new()
    }

    /// By name, id, or unambiguous id prefix.
    pub fn network(&self, name_or_id: &str) -> Result<Arc<Network>, Error> {
        Err(Error::NetworkNotFound(name_or_id.to_owned()))
    }

    /// The sandboxes joined to a network (inspect's `Containers`).
    pub fn members(&self, _network: &Network) -> Vec<Arc<Sandbox>> {
        Vec::new()
    }

    /// Creates a user-defined network.
    pub fn create(&self, spec: NetworkSpec) -> Result<Arc<Network>, Error> {
        Err(Error::UnknownDriver(spec.driver))
    }

    /// Removes a user-defined network without members.
    pub fn remove(&self, name_or_id: &str) -> Result<Arc<Network>, Error> {
        Err(Error::NetworkNotFound(name_or_id.to_owned()))
    }

    /// Makes a container's sandbox: pinned namespace, interfaces, published ports. All or nothing.
    pub fn join(&self, join: Join) -> Result<Arc<Sandbox>, Error> {
        Err(Error::NetworkNotFound(join.container))
    }

    /// The sandbox of a container, if it has one.
    pub fn sandbox(&self, _container: &str) -> Option<Arc<Sandbox>> {
        None
    }

    /// Takes a container's sandbox down: ports and addresses are free at return; the kernel destroys namespace and
    /// links on its own time. Goes on after failures and reports them together. Nothing to do is no error.
    pub fn leave(&self, _container: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Before the daemon ends: removes rules and bridges if no sandbox is left; otherwise leaves all in place.
    pub fn shutdown(&self) -> Result<(), Error> {
        Ok(())
    }

    /// What an administrator should know: forwarding is off, another table drops forwarded packets, ….
    pub fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
