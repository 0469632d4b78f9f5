//! `GET /containers/{id}/changes`

use tierce_api_types::container::Change;

use crate::convert;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// What a container changed in its file system; `null` when nothing.
pub(super) async fn changes(call: Call) -> Outcome {
    let differences = call.engine.containers.changes(&call.name).await?;
    let changes: Vec<Change> = differences.iter().map(convert::container::change).collect();
    Reply::json(&(!changes.is_empty()).then_some(changes))
}
