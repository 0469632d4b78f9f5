//! Which sandboxes have names, and what their server shall know.

use std::path::Path;
use std::sync::Arc;

use tierce_dns::Membership;

use crate::endpoint::EndpointInfo;
use crate::files::{ResolverOverrides, internal_resolv_conf};
use crate::names::Names;
use crate::network::{Network, NetworkKind};
use crate::records::Records;
use crate::request::Attachment;
use crate::sandbox::NameServer;
use crate::{Error, Sandbox};

/// Gives a sandbox its DNS server, if it is in a network that has names. `host`: the host's resolv.conf.
pub(super) fn serve(
    names: &Arc<Names>,
    host: &Path,
    sandbox: &mut Sandbox,
    wanted: &ResolverOverrides,
) -> Result<(), Error> {
    if sandbox.key.is_none() || sandbox.endpoints.iter().all(|endpoint| endpoint.dns_names.is_empty()) {
        return Ok(());
    }
    // A host without the file has no servers.
    let text = tierce_fsops::read_if_exists(host)?.unwrap_or_default();
    let internal = internal_resolv_conf(&String::from_utf8_lossy(&text), &host.to_string_lossy(), wanted);
    sandbox.name_server = Some(NameServer {
        port: 0,
        upstreams: internal.upstreams,
        only_dotted: internal.only_dotted,
    });
    let port = names.serve(known(sandbox), 0)?;
    if let Some(server) = &mut sandbox.name_server {
        server.port = port;
    }
    Ok(())
}

/// Finds or starts the server of the sandboxes of an earlier life. Gives what failed.
pub(super) fn restore(names: &Arc<Names>, records: &Records, adopted: &mut [Arc<Sandbox>]) -> Vec<Error> {
    let joins = adopted
        .iter()
        .filter_map(|sandbox| Some((known(sandbox), sandbox.name_server.as_ref()?.port)))
        .collect();
    let changed = match names.restore(joins) {
        Ok(changed) => changed,
        Err(error) => return vec![error],
    };
    let mut failures = Vec::new();
    for served in changed {
        let Some(sandbox) = adopted.iter_mut().find(|sandbox| sandbox.container == served.container) else {
            continue;
        };
        let sandbox = Arc::make_mut(sandbox);
        if let Some(server) = &mut sandbox.name_server {
            server.port = served.port;
        }
        failures.extend(records.save_sandbox(sandbox).err());
    }
    failures
}

/// The name of the next interface inside: those of one beginning are counted.
pub(super) fn interface(network: &Network, endpoints: &[EndpointInfo]) -> String {
    let prefix = match &network.kind {
        NetworkKind::Bridge(options) => options.interface_prefix.as_str(),
        _ => "eth",
    };
    let is_taken = |name: &str| {
        let mut links = endpoints.iter().filter_map(|endpoint| endpoint.link.as_ref());
        links.any(|link| link.interface == name)
    };
    (0..=endpoints.len())
        .map(|number| format!("{prefix}{number}"))
        .find(|name| !is_taken(name))
        .unwrap_or_default()
}

/// Names that answer in a user-defined network: the container's name, its aliases there, its short id.
pub(super) fn names(name: &str, container: &str, wish: &Attachment) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    let short = container.get(..12).unwrap_or(container).to_owned();
    for name in wish.aliases.iter().cloned().chain([short]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The container of a sandbox has another name. Addresses and ports stay under the one that took them.
pub(super) fn rename(sandbox: &mut Sandbox, name: &str) {
    for endpoint in &mut sandbox.endpoints {
        if !endpoint.dns_names.is_empty() {
            endpoint.dns_names = names(name, &sandbox.container, &endpoint.wish);
        }
    }
}

/// What the server shall know of a sandbox.
pub(super) fn known(sandbox: &Sandbox) -> tierce_dns::Join {
    let reaches_outside = sandbox.endpoints.iter().any(|endpoint| {
        endpoint
            .link
            .as_ref()
            .is_some_and(|link| link.gateways().next().is_some())
    });
    let server = sandbox.name_server.as_ref();
    tierce_dns::Join {
        container: sandbox.container.clone(),
        namespace: sandbox.key.clone(),
        port: None,
        memberships: sandbox.endpoints.iter().filter_map(membership).collect(),
        // In internal networks alone there is nobody to ask.
        upstreams: server
            .filter(|_| reaches_outside)
            .map(|server| server.upstreams.clone())
            .unwrap_or_default(),
        only_dotted: server.is_some_and(|server| server.only_dotted),
    }
}

fn membership(endpoint: &EndpointInfo) -> Option<Membership> {
    let link = endpoint.link.as_ref().filter(|_| !endpoint.dns_names.is_empty())?;
    let links = endpoint.wish.links.iter().filter_map(|link| {
        let (name, alias) = link.split_once(':')?;
        Some((alias.to_owned(), name.to_owned()))
    });
    Some(Membership {
        network: endpoint.network.clone(),
        network_name: endpoint.network_name.clone(),
        names: endpoint.dns_names.clone(),
        addresses: link.addresses().collect(),
        links: links.collect(),
    })
}
