//! `GET /containers/{id}/json`

use crate::convert;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Everything about a container.
pub(super) async fn inspect(call: Call) -> Outcome {
    let inspection = call
        .engine
        .containers
        .inspect(&call.name, call.query.flag("size"))
        .await?;
    Reply::json(&convert::container::inspect(&inspection, call.version))
}
