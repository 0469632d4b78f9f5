//! `POST /containers/{id}/restart`

use super::stop;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Stops and starts a container: 204.
pub(super) async fn restart(call: Call) -> Outcome {
    call.engine
        .containers
        .restart(&call.name, stop::request(&call)?)
        .await?;
    Ok(Reply::no_content())
}
