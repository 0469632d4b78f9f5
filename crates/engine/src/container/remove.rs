//! `remove`: the container's layer, directory, volumes, leases, name.
//!
//! The directory with the record goes last: a removal that a crash cuts short is found at the next start and can be
//! repeated.

use super::context::{Container, Context, blocking};
use super::requests::Remove;
use super::stop;
use crate::error::{Error, Result};
use std::sync::Arc;
use tierce_lifecycle::{Change, Status};

/// See [`super::Containers::remove`].
pub(crate) async fn remove(context: &Arc<Context>, container: &Arc<Container>, request: Remove) -> Result<()> {
    let snapshot = container.snapshot();
    let name = &snapshot.record.name;
    let refused = |why: &str| {
        Err(Error::Conflict(format!(
            "cannot remove container {:?}: container is {why}",
            name.trim_start_matches('/')
        )))
    };
    match snapshot.record.state.status() {
        Status::Removing => {
            return Err(Error::Conflict(format!(
                "removal of container {} is already in progress",
                container.id
            )));
        }
        Status::Running if !request.force => {
            return refused("running: stop the container before removing or force remove");
        }
        Status::Restarting if !request.force => {
            return refused("restarting: stop the container before removing or force remove");
        }
        Status::Paused if !request.force => return refused("paused and must be unpaused first"),
        _ => {}
    }
    let mut changes = container.watch();
    let exits = stop::mark_stopped(context, container).await;
    if container.snapshot().record.state.is_alive() {
        stop::kill_and_wait(context, container, &mut changes, exits)
            .await
            .map_err(|error| Error::below_with(format!("cannot remove container {name:?}: could not kill: "), error))?;
    }
    let _transient = container.transition().await;
    if container.snapshot().gone {
        // It removed itself at its end.
        return Ok(());
    }
    remove_locked(context, container, request.volumes).await
}

/// Removes a container that does not run; the caller holds the transition lock.
///
/// * `volumes`: its anonymous volumes too.
pub(crate) async fn remove_locked(context: &Arc<Context>, container: &Arc<Container>, volumes: bool) -> Result<()> {
    let snapshot = container
        .apply(Change::Removing)
        .map_err(|illegal| Error::Conflict(format!("cannot remove container {}: {illegal}", container.id)))?;
    container.attachers.dismiss();
    let (rootfs, directory, id) = (
        Arc::clone(&context.rootfs),
        container.directory.clone(),
        container.id.clone(),
    );
    let removed = blocking(move || {
        rootfs.remove(&id).map_err(Error::below)?;
        // A container directory must not be emptied through something that is still mounted in it.
        super::prepare::unmount_shm(&directory.join("mounts/shm"));
        tierce_fsops::remove_dir_all(&directory).map_err(Error::below)
    })
    .await;
    if let Err(error) = removed {
        let _failed = container.apply(Change::RemovalFailed { dead: true });
        container.change(|snapshot| snapshot.removal_error = Some(error.to_string()));
        context.save_or_warn(container, true).await;
        return Err(Error::below_with(
            format!("container {}: driver or directory: ", container.id),
            error,
        ));
    }
    context.leases.release_all(&container.id);
    context.execs.forget_all(&container.id);
    if volumes {
        remove_volumes(context, container).await;
    }
    context.forget(&container.id);
    context.publish(&snapshot.record, "destroy", &[]);
    container.change(|snapshot| snapshot.gone = true);
    Ok(())
}

/// Removes the anonymous volumes that nobody else uses (row 164).
async fn remove_volumes(context: &Arc<Context>, container: &Container) {
    let record = Arc::clone(&container.snapshot().record);
    for point in record.mount_points.values() {
        // Made for this container, not named and not taken from another.
        let named = point
            .spec
            .get("Source")
            .and_then(|source| source.as_str())
            .is_some_and(|source| !source.is_empty());
        if point.kind != "volume" || point.name.is_empty() || named {
            continue;
        }
        let (registry, name) = (Arc::clone(&context.volumes), point.name.clone());
        match blocking(move || registry.remove(&name, true).map_err(Error::below)).await {
            Ok(()) => crate::volume::publish(context, "destroy", &point.name, &point.driver),
            Err(error) => tracing::debug!(volume = %point.name, %error, "an anonymous volume stays"),
        }
    }
}
