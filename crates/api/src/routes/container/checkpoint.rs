//! `GET` and `POST /containers/{id}/checkpoints`, `DELETE /containers/{id}/checkpoints/{checkpoint}`
//!
//! Served when experimental features are on, as by dockerd.

use hyper::StatusCode;
use tierce_api_types::container::{Checkpoint, CheckpointRequest};
use tierce_engine::checkpoint::Wanted;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;
use crate::status::Failure;

/// Source: moby `daemon/server/router/experimental.go`.
fn refuse_unless_experimental(call: &Call) -> Result<(), Failure> {
    if call.facts.experimental {
        return Ok(());
    }
    Err(Failure::not_implemented(
        "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to \
         enable it.",
    ))
}

/// Lists the checkpoints of a container.
pub(super) async fn list(call: Call) -> Outcome {
    refuse_unless_experimental(&call)?;
    let names = call.engine.checkpoints.list(&call.name, call.query.text("dir")).await?;
    let checkpoints: Vec<_> = names.into_iter().map(|name| Checkpoint { name }).collect();
    Reply::json(&checkpoints)
}

/// Writes a checkpoint: 201.
pub(super) async fn create(mut call: Call) -> Outcome {
    refuse_unless_experimental(&call)?;
    let request: CheckpointRequest = call.json_or_default().await?;
    let wanted = Wanted {
        name: request.checkpoint_id,
        directory: request.checkpoint_dir,
        exit: request.exit,
    };
    call.engine.checkpoints.create(&call.name, wanted).await?;
    Ok(Reply::empty().with_status(StatusCode::CREATED))
}

/// Removes a checkpoint: 204.
pub(super) async fn remove(call: Call) -> Outcome {
    refuse_unless_experimental(&call)?;
    let directory = call.query.text("dir");
    call.engine
        .checkpoints
        .remove(&call.name, &call.tail, directory)
        .await?;
    Ok(Reply::no_content())
}
