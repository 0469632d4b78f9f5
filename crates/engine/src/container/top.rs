//! `top`: the processes of a container as the host's `ps` would show them.

use super::context::{Context, blocking};
use crate::error::{Error, Result};
use tierce_lifecycle::Status;
use tierce_processes::ProcessTable;

/// See [`super::Containers::top`].
pub(crate) async fn top(context: &Context, name: &str, arguments: &str) -> Result<ProcessTable> {
    let container = context.find(name)?;
    match container.snapshot().record.state.status() {
        Status::Running | Status::Paused => {}
        Status::Restarting => {
            return Err(Error::Conflict(format!(
                "Container {} is restarting, wait until the container is running",
                container.id
            )));
        }
        _ => return Err(Error::Conflict(format!("container {} is not running", container.id))),
    }
    let pids = context.control.pids(&container.id).await.map_err(Error::below)?;
    let arguments = arguments.to_owned();
    blocking(move || tierce_processes::show(&arguments, &pids).map_err(Error::below)).await
}
