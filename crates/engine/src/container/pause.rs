//! `pause` and `unpause`: all processes of a container frozen and thawed.

use super::context::{Container, Context};
use crate::error::{Error, Result};
use std::sync::Arc;
use tierce_lifecycle::{Change, Status};

/// See [`super::Containers::pause`].
pub(crate) async fn pause(context: &Arc<Context>, container: &Arc<Container>) -> Result<()> {
    let _transient = container.transition().await;
    match container.snapshot().record.state.status() {
        Status::Running => {}
        Status::Paused => return Err(Error::Conflict(format!("Container {} is already paused", container.id))),
        Status::Restarting => {
            return Err(Error::Conflict(format!(
                "Container {} is restarting, wait until the container is running",
                container.id
            )));
        }
        _ => return Err(Error::Conflict(format!("container {} is not running", container.id))),
    }
    context
        .control
        .pause(&container.id)
        .await
        .map_err(|error| Error::below_with(format!("cannot pause container {}: ", container.id), error))?;
    changed(context, container, Change::Paused, "pause").await
}

/// See [`super::Containers::unpause`].
pub(crate) async fn unpause(context: &Arc<Context>, container: &Arc<Container>) -> Result<()> {
    let _transient = container.transition().await;
    if container.snapshot().record.state.status() != Status::Paused {
        return Err(Error::Conflict(format!("Container {} is not paused", container.id)));
    }
    context
        .control
        .resume(&container.id)
        .await
        .map_err(|error| Error::below_with(format!("cannot unpause container {}: ", container.id), error))?;
    changed(context, container, Change::Unpaused, "unpause").await
}

async fn changed(context: &Arc<Context>, container: &Arc<Container>, change: Change, action: &str) -> Result<()> {
    let snapshot = container
        .apply(change)
        .map_err(|illegal| Error::Conflict(illegal.to_string()))?;
    context.save_or_warn(container, false).await;
    context.publish(&snapshot.record, action, &[]);
    Ok(())
}
