//! Operations on networks.

use hyper::Method;
use serde_json::value::RawValue;
use tierce_api_types::Filters;
use tierce_api_types::network::{
    Network, NetworkConnect, NetworkCreate, NetworkCreated, NetworkDisconnect, NetworksPruned,
};

use tierce_api_types::reach::{NetworkDiagnosis, PortReach};

use crate::connection::Call;
use crate::query::Target;
use crate::{Client, Error};

/// Operations on networks; each names its network by name or id.
#[derive(Debug, Clone, Copy)]
pub struct Networks<'a>(pub(crate) &'a Client);

impl Networks<'_> {
    /// Lists networks.
    pub async fn list(&self, filters: &Filters) -> Result<Vec<Network>, Error> {
        self.0
            .document(Call::new(
                Method::GET,
                Target::path(&["networks"]).with_filters(filters),
            ))
            .await
    }

    /// Everything about it.
    pub async fn inspect(&self, network: &str) -> Result<Network, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["networks", network])))
            .await
    }

    /// Everything about it, as the daemon wrote it; `verbose` = with what helps to find faults.
    pub async fn inspect_raw(&self, network: &str, verbose: bool) -> Result<Box<RawValue>, Error> {
        let target = Target::path(&["networks", network]).with_flag("verbose", verbose);
        self.0.document(Call::new(Method::GET, target)).await
    }

    /// Published ports, and who can reach them; only a daemon of ours answers.
    pub async fn ports(&self) -> Result<Vec<PortReach>, Error> {
        let target = Target::path(&["tierce", "ports"]);
        self.0.document(Call::new(Method::GET, target)).await
    }

    /// What is wrong with the networks of a container, or with all; only a daemon of ours answers.
    pub async fn diagnose(&self, container: Option<&str>) -> Result<NetworkDiagnosis, Error> {
        let target =
            Target::path(&["tierce", "networks", "diagnose"]).with_text("container", container.unwrap_or_default());
        self.0.document(Call::new(Method::GET, target)).await
    }

    /// Makes a network.
    pub async fn create(&self, request: &NetworkCreate) -> Result<NetworkCreated, Error> {
        let target = Target::path(&["networks", "create"]);
        self.0.document(Call::new(Method::POST, target).json(request)?).await
    }

    /// Removes it.
    pub async fn remove(&self, network: &str) -> Result<(), Error> {
        self.0
            .command(Call::new(Method::DELETE, Target::path(&["networks", network])))
            .await
            .map(drop)
    }

    /// Joins a container to it.
    pub async fn connect(&self, network: &str, request: &NetworkConnect) -> Result<(), Error> {
        let target = Target::path(&["networks", network, "connect"]);
        self.0
            .command(Call::new(Method::POST, target).json(request)?)
            .await
            .map(drop)
    }

    /// Takes a container off it.
    pub async fn disconnect(&self, network: &str, request: &NetworkDisconnect) -> Result<(), Error> {
        let target = Target::path(&["networks", network, "disconnect"]);
        self.0
            .command(Call::new(Method::POST, target).json(request)?)
            .await
            .map(drop)
    }

    /// Removes all that no container is on.
    pub async fn prune(&self, filters: &Filters) -> Result<NetworksPruned, Error> {
        let target = Target::path(&["networks", "prune"]).with_filters(filters);
        self.0.document(Call::new(Method::POST, target)).await
    }
}
