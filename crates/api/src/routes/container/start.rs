//! `POST /containers/{id}/start`

use crate::routes::Call;
use crate::reply::Reply;
use crate::router::Outcome;

/// Starts a container: 204, or 304 when it runs already.
pub(super) async fn start(call: Call) -> Outcome {
    call.engine.containers.start(&call.name).await?;
    Ok(Reply::no_content())
}
