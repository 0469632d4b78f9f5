//! The counterpart of [`prepare`](super::prepare): gives back what a running container holds. Goes on after failures.

use super::context::{Container, Context, blocking};
use super::prepare;
use crate::error::{Error, Result};
use crate::metrics::Action;
use std::collections::BTreeMap;
use std::sync::Arc;
use tierce_events::Subject;
use tierce_fault::{Fault, Kind};
use tierce_network::{Attachment, Connect};
use tierce_snapshot::Layout;
use tierce_store::Resource;
use tierce_task::ProcessId;

/// Leaves the networks, ends the use of volumes, unmounts shared memory, and forgets addresses that are free again.
pub(super) async fn release(context: &Arc<Context>, container: &Arc<Container>) {
    let snapshot = container.snapshot();
    let record = Arc::clone(&snapshot.record);
    let joined: Vec<String> = record
        .network_settings
        .networks
        .values()
        .filter(|settings| !settings.endpoint_id.is_empty())
        .map(|settings| settings.network_id.clone())
        .collect();
    let (whole, own_shm) = (Arc::clone(context), container.directory.join("mounts/shm"));
    let done: Result<()> = blocking(move || {
        if is_shared(&whole, &record.id) {
            strip(&whole, &record.id);
        }
        let left = || whole.sandboxes.leave(&record.id);
        if let Err(error) = whole.metrics.time_blocking(Action::Release, left) {
            tracing::warn!(container = %record.id, %error, "a network could not be left");
        }
        for point in record.mount_points.values().filter(|point| point.is_volume()) {
            if let Err(error) = whole.volumes.unmount(&point.name) {
                tracing::warn!(container = %record.id, volume = %point.name, %error, "a volume stays mounted");
            }
        }
        if own_shm.to_string_lossy() == record.shm_path {
            prepare::unmount_shm(&own_shm);
        }
        Ok(())
    })
    .await;
    if let Err(error) = done {
        tracing::error!(container = %container.id, %error, "a container's resources may not all be free");
    }
    for network in joined {
        context.leases.release(&Resource::network(&network), &container.id);
        if let Ok(network) = context.sandboxes.network(&network) {
            crate::network::publish(context, "disconnect", &network, &[("container", &container.id)]);
        }
    }
    let snapshot = container.change_record(|record| {
        record.shm_path.clear();
        let settings = &mut record.network_settings;
        settings.sandbox_id.clear();
        settings.sandbox_key.clear();
        settings.ports = None;
        for endpoint in settings.networks.values_mut() {
            endpoint.endpoint_id.clear();
            endpoint.gateway.clear();
            endpoint.ip_address.clear();
            endpoint.ip_prefix_len = 0;
            endpoint.ipv6_gateway.clear();
            endpoint.global_ipv6_address.clear();
            endpoint.global_ipv6_prefix_len = 0;
            endpoint.mac_address.clear();
        }
    });
    for point in snapshot.record.mount_points.values().filter(|point| point.is_volume()) {
        let attributes = BTreeMap::from([
            ("container".to_owned(), container.id.clone()),
            ("driver".to_owned(), point.driver.clone()),
        ]);
        context
            .events
            .publish(Subject::Volume, "unmount", &point.name, attributes);
    }
}

/// Whether another container is in this one's network stack.
fn is_shared(context: &Context, id: &str) -> bool {
    let mode = format!("container:{id}");
    context.all().iter().any(|other| {
        let snapshot = other.snapshot();
        snapshot.record.state.is_alive() && snapshot.host_config.network_mode == mode
    })
}

/// Takes the interfaces away. The namespace lives on with those who share it, and they shall not use addresses that
/// others may have next.
fn strip(context: &Context, id: &str) {
    let Some(sandbox) = context.sandboxes.sandbox(id) else {
        return;
    };
    for endpoint in &sandbox.endpoints {
        let asked = Connect {
            container: id.to_owned(),
            attachment: Attachment::to(&endpoint.network),
            ..Connect::default()
        };
        if let Err(error) = context.sandboxes.disconnect(asked) {
            tracing::warn!(container = id, network = endpoint.network_name, %error, "an interface stays with the containers that share it");
        }
    }
}

/// Removes the empty mount point of a root that is not mounted any more, as dockerd does. It is remade when wanted.
pub(super) async fn remove_mount_point(context: &Arc<Context>, id: &str) {
    let (rootfs, id) = (Arc::clone(&context.rootfs), id.to_owned());
    let removed = blocking(move || {
        if let Layout::Overlay { merged, .. } = rootfs.layout(&id).map_err(Error::below)? {
            std::fs::remove_dir(&merged).map_err(Error::file("remove", &merged))?;
        }
        Ok(())
    });
    if let Err(error) = removed.await {
        tracing::debug!(%error, "a mount point stays");
    }
}

/// Has the supervisor forget a task; one that is not there is no error.
pub(super) async fn delete_task(context: &Context, id: &str) {
    match context.tasks.delete(&ProcessId::init(id)).await {
        Ok(_) => {}
        Err(error) if error.kind() == Kind::NotFound => {}
        Err(error) => tracing::warn!(container = id, %error, "a task could not be deleted"),
    }
}
