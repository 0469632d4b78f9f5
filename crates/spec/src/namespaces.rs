//! Namespaces, host name and kernel parameters.

use super::{Inputs, Place};
use std::collections::BTreeMap;
use tierce_oci::runtime::{Namespace, NamespaceKind};

/// The section.
pub(super) struct Namespaces {
    pub(super) list: Vec<Namespace>,
    pub(super) hostname: String,
    pub(super) sysctl: BTreeMap<String, String>,
}

pub(super) fn namespaces(inputs: &Inputs<'_>) -> Namespaces {
    let host_config = inputs.host_config;
    let config = inputs.config;
    let host_names = host_config.uts_mode == "host";
    let uts = if host_names { Place::Host } else { Place::New };
    let private_cgroups = match host_config.cgroupns_mode.as_str() {
        "private" => true,
        "host" => false,
        _ => inputs.host.unified_cgroups && !host_config.privileged,
    };
    let cgroup = if private_cgroups { Place::New } else { Place::Host };
    let wanted = [
        (NamespaceKind::Mount, &Place::New),
        (NamespaceKind::Network, &inputs.places.network),
        (NamespaceKind::Uts, &uts),
        (NamespaceKind::Pid, &inputs.places.pid),
        (NamespaceKind::Ipc, &inputs.places.ipc),
        (NamespaceKind::Cgroup, &cgroup),
    ];
    let namespaces = wanted
        .into_iter()
        .filter_map(|(kind, place)| match place {
            Place::Host => None,
            Place::New => Some(Namespace { kind, path: None }),
            Place::Path(path) => Some(Namespace {
                kind,
                path: Some(path.clone()),
            }),
        })
        .collect();
    let hostname = if host_names {
        String::new()
    } else {
        config.hostname.clone()
    };
    let mut sysctl = BTreeMap::new();
    if !host_names && !config.domainname.is_empty() {
        // The OCI field `domainname` is not known to every runtime; the parameter is.
        sysctl.insert("kernel.domainname".to_owned(), config.domainname.clone());
    }
    if own_network(inputs) {
        // Containers may bind low ports and send pings without capabilities: the namespace is theirs alone.
        sysctl.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        sysctl.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
    }
    sysctl.extend(host_config.sysctls.clone().unwrap_or_default());
    Namespaces {
        list: namespaces,
        hostname,
        sysctl,
    }
}

/// Whether the network namespace belongs to this container (not the host's, not another container's).
fn own_network(inputs: &Inputs<'_>) -> bool {
    inputs.places.network != Place::Host && !inputs.host_config.network_mode.starts_with("container:")
}
