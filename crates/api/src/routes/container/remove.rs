//! `DELETE /containers/{id}`

use tierce_engine::requests::Remove;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Removes a container: 204.
pub(super) async fn remove(call: Call) -> Outcome {
    let request = Remove {
        force: call.query.flag("force"),
        volumes: call.query.flag("v"),
        link: call.query.flag("link"),
    };
    call.engine.containers.remove(&call.name, request).await?;
    Ok(Reply::no_content())
}
