//! `POST /containers/prune`

use tierce_api_types::container::ContainersPruned;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Removes all containers that do not run.
pub(super) async fn prune(call: Call) -> Outcome {
    let pruned = call.engine.containers.prune(call.query.filters()?).await?;
    Reply::json(&ContainersPruned {
        containers_deleted: (!pruned.removed.is_empty()).then_some(pruned.removed),
        space_reclaimed: pruned.space_reclaimed,
    })
}
