//! `POST /containers/{id}/start`

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Starts a container: 204, or 304 when it runs already.
pub(super) async fn start(call: Call) -> Outcome {
    call.engine.containers.start(&call.name).await?;
    Ok(Reply::no_content())
}
