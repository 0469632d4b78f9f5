//! Configuration-only networks (`--config-only`): settings without a network, which others take (`--config-from`). Nobody can
//! be on one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Controller;
use crate::network::Configuration;
use crate::{Error, Network, NetworkSpec, SubnetSpec};

/// Checks what is asked of a new network in this respect, and fills in the settings that it takes from another one. In
/// dockerd's words.
pub(super) fn fill(spec: &mut NetworkSpec, networks: &BTreeMap<String, Arc<Network>>) -> Result<(), Error> {
    let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
    let name = match &spec.configuration {
        Configuration::Only { .. } if spec.internal || spec.attachable => {
            return invalid(
                "configuration network can only contain network specific fields. Network operator fields like [ ingress | \
                 internal | attachable | scope ] are not supported.",
            );
        }
        Configuration::Own | Configuration::Only { .. } => return Ok(()),
        Configuration::From(name) => name,
    };
    if !spec.subnets.is_empty() || !spec.options.is_empty() || !spec.labels.is_empty() || spec.ipv6 == Some(true) {
        return invalid(
            "user specified configurations are not supported if the network depends on a configuration network",
        );
    }
    let mut known = networks.values();
    let Some(template) = known.find(|network| network.name == *name) else {
        return Err(Error::NoConfiguration(name.clone()));
    };
    let Configuration::Only { ipv4, ipv6 } = template.configuration else {
        return Err(Error::Invalid(format!("{name:?} is not a configuration network")));
    };
    (spec.ipv4, spec.ipv6) = (Some(ipv4), Some(ipv6));
    spec.options.clone_from(&template.options);
    spec.labels.clone_from(&template.labels);
    spec.ipam_options.clone_from(&template.ipam_options);
    spec.subnets = template
        .idle
        .iter()
        .map(|ipam| SubnetSpec {
            subnet: ipam.subnet,
            gateway: ipam.gateway,
            allocation: ipam.allocation,
            auxiliary: ipam.auxiliary.clone(),
        })
        .collect();
    Ok(())
}

/// Whether a network takes its settings from this one.
pub(super) fn is_taken(template: &Network, networks: &BTreeMap<String, Arc<Network>>) -> bool {
    let takes = |network: &Arc<Network>| network.configuration == Configuration::From(template.name.clone());
    matches!(template.configuration, Configuration::Only { .. }) && networks.values().any(takes)
}

/// The network of that name or id, if a container can be on it.
pub(super) fn joinable(controller: &Controller, name_or_id: &str) -> Result<Arc<Network>, Error> {
    let network = controller.network(name_or_id)?;
    match network.configuration {
        Configuration::Only { .. } => Err(Error::OnlyConfiguration),
        _ => Ok(network),
    }
}
