//! `restart`: stop if it runs, then start.

use super::context::{Container, Context};
use super::requests::Stop;
use super::{start, stop};
use crate::error::{Error, Result};
use std::sync::Arc;

/// See [`super::Containers::restart`].
pub(crate) async fn restart(context: &Arc<Context>, container: &Arc<Container>, request: &Stop) -> Result<()> {
    // A container that removes itself at its end must survive this one.
    let auto_remove = container.snapshot().host_config.auto_remove;
    if auto_remove {
        set_auto_remove(container, false).await;
    }
    let outcome = stop_and_start(context, container, request).await;
    if auto_remove {
        set_auto_remove(container, true).await;
    }
    outcome?;
    context.publish(&container.snapshot().record, "restart", &[]);
    Ok(())
}

async fn set_auto_remove(container: &Container, on: bool) {
    let _transient = container.transition().await;
    container.change(|snapshot| Arc::make_mut(&mut snapshot.host_config).auto_remove = on);
}

async fn stop_and_start(context: &Arc<Context>, container: &Arc<Container>, request: &Stop) -> Result<()> {
    if container.snapshot().record.state.running {
        stop::stop_if_running(context, container, request).await?;
        context.publish(&container.snapshot().record, "stop", &[]);
    }
    match start::start(context, container, None).await {
        // Somebody else started it in between: it runs, as asked.
        Err(Error::NotModified(_)) => Ok(()),
        other => other,
    }
}
