//! `kill`: a signal to the container's first process.

use super::context::{Container, Context};
use super::stop;
use crate::error::{Error, Result};
use std::sync::Arc;
use tierce_spec::signal;

/// See [`super::Containers::kill`].
pub(crate) async fn kill(context: &Arc<Context>, container: &Arc<Container>, name: Option<&str>) -> Result<()> {
    let snapshot = container.snapshot();
    let refused = |cause: String| format!("cannot kill container: {}: {cause}", snapshot.record.plain_name());
    let number = match name.filter(|name| !name.is_empty()) {
        None => signal::KILL,
        Some(name) => signal::parse(name).map_err(|error| Error::Invalid(refused(error.to_string())))?,
    };
    if !snapshot.record.state.running {
        return Err(Error::Conflict(refused(format!(
            "container {} is not running",
            container.id
        ))));
    }
    let mut changes = container.watch();
    let exits = stop::mark_stopped(context, container).await;
    if !container.snapshot().record.state.is_alive() {
        // It waited to be started again, and waits no more.
        return Ok(());
    }
    if number == signal::KILL {
        stop::kill_and_wait(context, container, &mut changes, exits).await
    } else {
        stop::send(context, container, number).await
    }
}
