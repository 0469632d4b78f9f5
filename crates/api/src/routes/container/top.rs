//! `GET /containers/{id}/top`

use tierce_api_types::container::TopResponse;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// The processes of a container.
pub(super) async fn top(call: Call) -> Outcome {
    let table = call
        .engine
        .containers
        .top(&call.name, call.query.text("ps_args"))
        .await?;
    Reply::json(&TopResponse {
        processes: table.processes,
        titles: table.titles,
    })
}
