//! Which sandboxes have names, and what their server shall know.

use std::path::Path;
use std::sync::Arc;

use tierce_dns::Membership;

use crate::endpoint::EndpointInfo;
use crate::files::{ResolverOverrides, internal_resolv_conf};
use crate::names::Names;
use crate::records::Records;
use crate::sandbox::NameServer;
use crate::{Error, Sandbox};

/// Gives a sandbox its DNS server, if it is in a network that has names; one that has a server already keeps it, and the
/// server is told of its networks. `host`: the host's resolv.conf.
pub(super) fn serve(
    names: &Arc<Names>,
    host: &Path,
    sandbox: &mut Sandbox,
    wanted: &ResolverOverrides,
) -> Result<(), Error> {
    if let Some(server) = &sandbox.name_server {
        names.serve(known(sandbox), server.port)?;
        return Ok(());
    }
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
        hosts: wanted.hosts.clone(),
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

/// The container of a sandbox has another name. Addresses and ports stay under the one that took them.
pub(super) fn rename(sandbox: &mut Sandbox, name: &str) {
    for endpoint in &mut sandbox.endpoints {
        if !endpoint.dns_names.is_empty() {
            endpoint.dns_names = endpoint.wish.dns_names(name, &sandbox.container);
        }
    }
}

/// What the server shall know of a sandbox.
pub(super) fn known(sandbox: &Sandbox) -> tierce_dns::Join {
    let reaches_outside = sandbox.endpoints.iter().any(|endpoint| {
        endpoint
            .link
            .as_ref()
            .is_some_and(|link| link.way_out().or(link.way_out6()).is_some())
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
        hosts: server.map(|server| server.hosts.clone()).unwrap_or_default(),
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
