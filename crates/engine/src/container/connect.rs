//! `network connect` and `network disconnect`: a container gets one more network, or loses one. One that runs changes at
//! once, any other with its next start.
//!
//! The order is the network room first, the record second, so that a daemon that is killed in between finds in the record
//! what was promised to nobody ([`settle`]).
//!
//! Source of the checks and texts: moby `daemon/container_operations.go` (`ConnectToNetwork`, `updateNetworkSettings`,
//! `DisconnectFromNetwork`), and the answers of Docker Engine 28.5.

use super::context::{Container, Context, Snapshot, blocking};
use super::files;
use super::prepare;
use super::record::{EndpointSettings, Record};
use super::start::fill_network;
use crate::error::{Error, Result};
use std::sync::Arc;
use tierce_fault::Kind;
use tierce_network::{Attachment, Connect, EndpointInfo, Network, Sandbox};
use tierce_store::{Lease, Resource};

const SHARES: &str =
    "container sharing network namespace with another container or host cannot be connected to any other network";
const HOST_ONLY: &str = "cannot connect container to host network - container must be created in host network mode";
const PRIVATE: &str =
    "container cannot be connected to multiple networks with one of the networks in private (none) mode";
const STAYS_ON_HOST: &str =
    "cannot disconnect container from host network - container was created in host network mode";

/// Connects a container to a network.
///
/// # Errors
/// Invalid: what is asked of the endpoint, or a container whose network is not its own. `NotFound`: no such network, if the
/// container runs. `Forbidden`: it is connected already, or the address is taken.
pub(crate) async fn connect(
    context: &Arc<Context>,
    container: &Arc<Container>,
    name: &str,
    wish: EndpointSettings,
) -> Result<()> {
    let _transient = container.transition().await;
    let snapshot = container.snapshot();
    let running = snapshot.record.state.is_alive();
    if running && snapshot.host_config.network_mode.starts_with("container:") {
        return Err(Error::Invalid(SHARES.to_owned()));
    }
    refuse_if_leaving(&snapshot.record)?;
    let network = match context.sandboxes.network(name) {
        Ok(network) => network,
        // It may be made before the container starts.
        Err(error) if error.kind() == Kind::NotFound && !running => {
            container.change_record(|record| {
                record.network_settings.networks.insert(name.to_owned(), wish);
            });
            return context.save(container, true).await;
        }
        Err(error) => return Err(Error::below(error)),
    };
    tierce_network::check_endpoint(&network, &wish).map_err(Error::below)?;
    let known = fits(context, &snapshot, &network)?;
    if !running {
        if !known {
            let mut wish = wish;
            if !network.is_predefined() {
                let asked = attachment(&network.name, &wish, &snapshot)?;
                wish.dns_names = Some(asked.dns_names(snapshot.record.plain_name(), &container.id));
            }
            container.change_record(|record| {
                record.network_settings.networks.insert(network.name.clone(), wish);
            });
        }
        return context.save(container, true).await;
    }
    let asked = change(context, &snapshot, attachment(&network.name, &wish, &snapshot)?)?;
    let sandboxes = Arc::clone(&context.sandboxes);
    let sandbox = blocking(move || sandboxes.connect(asked).map_err(Error::below)).await?;
    container.change_record(|record| {
        record.network_settings.networks.remove(&network.id);
        record.network_settings.networks.insert(network.name.clone(), wish);
    });
    // It is connected, whatever becomes of its files.
    let entered = enter(context, container, &snapshot, &sandbox).await;
    context.leases.hold(
        Resource::network(&network.id),
        Lease::new(&container.id)
            .labelled(snapshot.record.plain_name())
            .running(true),
    );
    crate::network::publish(context, "connect", &network, &[("container", &container.id)]);
    entered
}

/// Disconnects a container from a network. With `force` also from one that does not exist any more.
///
/// # Errors
/// `NotFound`: no such network. Invalid: the host's network of a container that is on it. Internal: it is not connected.
pub(crate) async fn disconnect(
    context: &Arc<Context>,
    container: &Arc<Container>,
    name: &str,
    force: bool,
) -> Result<()> {
    let _transient = container.transition().await;
    let snapshot = container.snapshot();
    let found = context.sandboxes.network(name);
    let running = snapshot.record.state.is_alive();
    let network = match found {
        Ok(network) if running => network,
        Err(error) if running && !force => return Err(Error::below(error)),
        found => {
            refuse_if_leaving(&snapshot.record)?;
            let name = found.map_or_else(|_| name.to_owned(), |network| network.name.clone());
            if !snapshot.record.network_settings.networks.contains_key(&name) {
                return Err(Error::Internal(format!(
                    "container {} is not connected to the network {name}",
                    container.id
                )));
            }
            container.change_record(|record| drop(record.network_settings.networks.remove(&name)));
            return context.save(container, true).await;
        }
    };
    if snapshot.host_config.network_mode == "host" && network.driver() == "host" {
        return Err(Error::Invalid(STAYS_ON_HOST.to_owned()));
    }
    let connected = context.sandboxes.sandbox(&container.id);
    if !connected.is_some_and(|sandbox| sandbox.endpoints.iter().any(|known| known.network == network.id)) {
        return Err(Error::Internal(format!(
            "container {} is not connected to network {}",
            container.id, network.name
        )));
    }
    let asked = change(context, &snapshot, Attachment::to(&network.id))?;
    let sandboxes = Arc::clone(&context.sandboxes);
    let left = blocking(move || sandboxes.disconnect(asked).map_err(Error::below)).await;
    container.change_record(|record| drop(record.network_settings.networks.remove(&network.name)));
    let entered = match context.sandboxes.sandbox(&container.id) {
        Some(sandbox) => enter(context, container, &snapshot, &sandbox).await,
        None => Ok(()),
    };
    context.leases.release(&Resource::network(&network.id), &container.id);
    crate::network::publish(context, "disconnect", &network, &[("container", &container.id)]);
    left.map(drop).and(entered)
}

/// After a start of the daemon: record and sandbox of a living container are made to agree. A connection that is in one of
/// them only was cut short by the daemon's end, and nobody was told of it.
pub(super) async fn settle(context: &Arc<Context>, container: &Arc<Container>) {
    let Some(sandbox) = context.sandboxes.sandbox(&container.id) else {
        return;
    };
    let before = container.snapshot();
    let networks = &before.record.network_settings.networks;
    let promised = |endpoint: &&EndpointInfo| {
        let mut names = [&endpoint.network_name, &endpoint.wish.network].into_iter();
        names.any(|name| networks.contains_key(name))
    };
    for stray in sandbox.endpoints.iter().filter(|endpoint| !promised(endpoint)) {
        let sandboxes = Arc::clone(&context.sandboxes);
        let left = match change(context, &before, Attachment::to(&stray.network)) {
            Ok(asked) => blocking(move || sandboxes.disconnect(asked).map_err(Error::below)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = left {
            tracing::warn!(container = %container.id, network = stray.network_name, %error, "a half-made connection stays");
        }
    }
    let Some(sandbox) = context.sandboxes.sandbox(&container.id) else {
        return;
    };
    container.change_record(|record| {
        record.network_settings.networks.retain(|_, settings| {
            let is_there = |endpoint: &EndpointInfo| endpoint.network == settings.network_id;
            settings.endpoint_id.is_empty() || sandbox.endpoints.iter().any(is_there)
        });
    });
    if let Err(error) = enter(context, container, &before, &sandbox).await {
        tracing::warn!(container = %container.id, %error, "a container's files do not tell its networks");
    }
}

/// Shows the sandbox as it is now in the record and in the container's files.
async fn enter(
    context: &Arc<Context>,
    container: &Arc<Container>,
    before: &Arc<Snapshot>,
    sandbox: &Arc<Sandbox>,
) -> Result<()> {
    let netns = context.config.exec_root.join("netns");
    container.change_record(|record| fill_network(&mut record.network_settings, sandbox, &netns));
    let (whole, same) = (Arc::clone(context), Arc::clone(container));
    let (before, sandbox) = (Arc::clone(before), Arc::clone(sandbox));
    blocking(move || files::update(&whole, &same.directory, &before, &sandbox)).await?;
    context.save(container, true).await
}

/// What is wished of the endpoint of a container in a network.
fn attachment(network: &str, wish: &EndpointSettings, snapshot: &Snapshot) -> Result<Attachment> {
    let attachment = Attachment::from_settings(network, wish, "").map_err(Error::below)?;
    let attachment = attachment.with_hostname(&snapshot.record.config.hostname);
    Ok(attachment.with_ipv6_off(files::has_ipv6_off(&snapshot.host_config)))
}

/// What the network room is asked for.
fn change(context: &Context, snapshot: &Snapshot, attachment: Attachment) -> Result<Connect> {
    let whole = prepare::wish(context, snapshot)?;
    Ok(Connect {
        container: whole.container,
        name: whole.name,
        attachment,
        ports: whole.ports,
        resolver: whole.resolver,
    })
}

/// Whether the container may be in the network beside those it is in; `true`: it is in that one already.
fn fits(context: &Context, snapshot: &Snapshot, network: &Network) -> Result<bool> {
    if snapshot.host_config.network_mode != "host" && network.driver() == "host" {
        return Err(Error::Invalid(HOST_ONLY.to_owned()));
    }
    for (name, settings) in &snapshot.record.network_settings.networks {
        let predefined = matches!(name.as_str(), "bridge" | "host" | "none");
        let key = Some(&settings.network_id)
            .filter(|id| !id.is_empty() && !predefined)
            .unwrap_or(name);
        let Ok(other) = context.sandboxes.network(key) else {
            continue;
        };
        if other.id == network.id {
            return Ok(true);
        }
        if other.driver() == "host" || network.driver() == "host" {
            return Err(Error::Invalid(SHARES.to_owned()));
        }
        if other.name == "none" || network.name == "none" {
            return Err(Error::Invalid(PRIVATE.to_owned()));
        }
    }
    Ok(false)
}

fn refuse_if_leaving(record: &Record) -> Result<()> {
    if record.state.removal_in_progress || record.state.dead {
        return Err(Error::Internal(format!(
            "Container {} is marked for removal and cannot be connected or disconnected to the network",
            record.id
        )));
    }
    Ok(())
}
