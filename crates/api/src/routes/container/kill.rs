//! `POST /containers/{id}/kill`

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Sends a signal: 204.
pub(super) async fn kill(call: Call) -> Outcome {
    let signal = call.query.non_empty("signal");
    call.engine.containers.kill(&call.name, signal.as_deref()).await?;
    Ok(Reply::no_content())
}
