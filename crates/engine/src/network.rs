//! The network service: the network room with events and Docker's filters.

use crate::container::connect;
use crate::container::context::{Container, Context, blocking, run_to_end};
use crate::container::record::EndpointSettings;
use crate::container::requests::Pruned;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use tierce_events::Filters;
use tierce_events::Subject;
use tierce_network::Controller;

pub use crate::diagnosis::{Diagnosis, reach};
pub use tierce_network::{Configuration, Ipam, Network, NetworkSpec, Sandbox, SubnetSpec};

/// A network with the containers that are joined to it.
#[derive(Debug, Clone)]
pub struct NetworkDetails {
    /// The network.
    pub network: Arc<Network>,
    /// Sandboxes of running containers on it.
    pub members: Vec<Arc<Sandbox>>,
}

/// The network verbs.
#[derive(Clone)]
pub struct Networks {
    controller: Arc<Controller>,
    context: Arc<Context>,
}

impl Networks {
    pub(crate) fn new(controller: Arc<Controller>, context: Arc<Context>) -> Self {
        Self { controller, context }
    }

    pub(crate) fn controller(&self) -> Arc<Controller> {
        Arc::clone(&self.controller)
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Makes a network.
    pub async fn create(&self, request: NetworkSpec) -> Result<Arc<Network>> {
        let controller = Arc::clone(&self.controller);
        let network = blocking(move || controller.create(request).map_err(Error::below)).await?;
        self.publish("create", &network, &[]);
        Ok(network)
    }

    /// A network (by name, id or id prefix) and who is on it.
    pub fn inspect(&self, name: &str) -> Result<NetworkDetails> {
        let network = self.controller.network(name).map_err(Error::below)?;
        let members = self.members(&network);
        Ok(NetworkDetails { network, members })
    }

    /// Who is on a network, each under the name that it has now.
    fn members(&self, network: &Network) -> Vec<Arc<Sandbox>> {
        let mut members = self.controller.members(network);
        for sandbox in &mut members {
            let Ok(container) = self.context.find(&sandbox.container) else {
                continue;
            };
            let record = Arc::clone(&container.snapshot().record);
            if record.plain_name() != sandbox.name {
                record.plain_name().clone_into(&mut Arc::make_mut(sandbox).name);
            }
        }
        members
    }

    /// Networks that pass the filters (`dangling driver id label name scope type`), by name.
    pub fn list(&self, filters: &Filters) -> Result<Vec<NetworkDetails>> {
        filters.validate(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
        let dangling = match filters.get("dangling") {
            [] => None,
            [one] if one == "1" || one == "true" => Some(true),
            [one] if one == "0" || one == "false" => Some(false),
            // Docker has texts of its own for networks.
            [_] => {
                let text = "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")";
                return Err(Error::Invalid(text.to_owned()));
            }
            _ => {
                let text = "got more than one value for filter key \"dangling\"";
                return Err(Error::Invalid(text.to_owned()));
            }
        };
        let types = filters.get("type").iter();
        if let Some(other) = types
            .into_iter()
            .find(|kind| !matches!(kind.as_str(), "builtin" | "custom"))
        {
            return Err(Error::Internal(format!("invalid filter: 'type'='{other}'")));
        }
        let mut found = Vec::new();
        for network in self.controller.networks() {
            let kind = if network.is_predefined() { "builtin" } else { "custom" };
            let passes = filters.exact("driver", network.driver())
                && filters.exact("scope", "local")
                && filters.exact("type", kind)
                && filters.prefix("id", &network.id)
                && filters.fuzzy("name", &network.name)
                && filters.labels("label", &network.labels);
            if !passes {
                continue;
            }
            let members = self.members(&network);
            if dangling.is_none_or(|wanted| (members.is_empty() && !network.is_predefined()) == wanted) {
                found.push(NetworkDetails { network, members });
            }
        }
        Ok(found)
    }

    /// Removes a network that nobody is on.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let controller = Arc::clone(&self.controller);
        let name = name.to_owned();
        let network = blocking(move || controller.remove(&name).map_err(Error::below)).await?;
        self.publish("destroy", &network, &[]);
        Ok(())
    }

    /// Connects a container, running or not, to a network (both by name, id or id prefix).
    pub async fn connect(&self, network: &str, container: &str, wish: EndpointSettings) -> Result<()> {
        let container = self.find(container)?;
        let (context, network) = (Arc::clone(&self.context), network.to_owned());
        run_to_end(async move { connect::connect(&context, &container, &network, wish).await }).await
    }

    /// Disconnects a container from a network; with `force` also from a network that does not exist any more.
    pub async fn disconnect(&self, network: &str, container: &str, force: bool) -> Result<()> {
        let found = match self.find(container) {
            Err(Error::NoSuchContainer(name)) if force => {
                self.controller.network(network).map_err(Error::below)?;
                return Err(Error::NotFound(format!("endpoint {name} not found")));
            }
            found => found?,
        };
        let (context, network) = (Arc::clone(&self.context), network.to_owned());
        run_to_end(async move { connect::disconnect(&context, &found, &network, force).await }).await
    }

    fn find(&self, container: &str) -> Result<Arc<Container>> {
        if container.is_empty() {
            return Err(Error::Invalid("invalid name or ID supplied: \"\"".to_owned()));
        }
        self.context.find(container)
    }

    /// Removes every user-defined network that no container, running or not, refers to.
    pub async fn prune(&self, filters: &Filters) -> Result<Pruned> {
        filters.validate(&["label", "label!", "until"])?;
        let until = crate::container::prune_until(filters)?;
        let mut pruned = Pruned::default();
        for network in self.controller.networks() {
            let wanted = !network.is_predefined()
                && filters.labels("label", &network.labels)
                && filters.no_labels("label!", &network.labels)
                && until.is_none_or(|until| network.created < until)
                && !self.is_referred_to(&network);
            if !wanted {
                continue;
            }
            match self.remove(&network.id).await {
                Ok(()) => pruned.removed.push(network.name.clone()),
                Err(error) => tracing::warn!(network = network.name, %error, "could not prune a network"),
            }
        }
        self.context.events.publish(
            Subject::Network,
            "prune",
            "",
            BTreeMap::from([("reclaimed".to_owned(), "0".to_owned())]),
        );
        Ok(pruned)
    }

    /// Takes down what no running container needs. Waits for the kernel.
    pub(crate) fn shut_down(&self) -> Result<()> {
        self.controller.shutdown().map_err(Error::below)
    }

    fn is_referred_to(&self, network: &Network) -> bool {
        self.context.all().iter().any(|container| {
            container
                .snapshot()
                .record
                .network_settings
                .networks
                .contains_key(&network.name)
        })
    }

    fn publish(&self, action: &str, network: &Network, extra: &[(&str, &str)]) {
        publish(&self.context, action, network, extra);
    }
}

/// Publishes an event about a network.
pub(crate) fn publish(context: &Context, action: &str, network: &Network, extra: &[(&str, &str)]) {
    let mut attributes = BTreeMap::from([
        ("name".to_owned(), network.name.clone()),
        ("type".to_owned(), network.driver().to_owned()),
    ]);
    attributes.extend(
        extra
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    context
        .events
        .publish(Subject::Network, action, &network.id, attributes);
}
