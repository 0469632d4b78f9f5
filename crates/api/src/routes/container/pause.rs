//! `POST /containers/{id}/pause` and `/unpause`

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Freezes a container: 204.
pub(super) async fn pause(call: Call) -> Outcome {
    call.engine.containers.pause(&call.name).await?;
    Ok(Reply::no_content())
}

/// Thaws a container: 204.
pub(super) async fn unpause(call: Call) -> Outcome {
    call.engine.containers.unpause(&call.name).await?;
    Ok(Reply::no_content())
}
