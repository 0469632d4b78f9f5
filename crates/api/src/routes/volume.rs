//! Volumes.

use hyper::StatusCode;
use tierce_api_types::volume::{VolumeCreate, VolumeList, VolumesPruned};

use crate::convert;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::status::Failure;

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.get("/volumes", list);
    table.post("/volumes/create", create);
    table.post("/volumes/prune", prune);
    table.get("/volumes/{name}", inspect);
    table.delete("/volumes/{name}", remove);
}

async fn list(call: Call) -> Outcome {
    let filters = call.query.filters().map_err(|failure| Failure {
        message: format!("error reading volume filters: {}", failure.message),
        ..failure
    })?;
    let volumes = call.engine.volumes.list(&filters)?;
    Reply::json(&VolumeList {
        volumes: volumes.iter().map(convert::volume::document).collect(),
        warnings: None,
    })
}

async fn create(mut call: Call) -> Outcome {
    let wire: VolumeCreate = call.json().await?;
    let volume = call.engine.volumes.create(convert::volume::create(wire)).await?;
    Ok(Reply::json(&convert::volume::document(&volume))?.with_status(StatusCode::CREATED))
}

async fn inspect(call: Call) -> Outcome {
    Reply::json(&convert::volume::document(&call.engine.volumes.inspect(&call.name)?))
}

async fn remove(call: Call) -> Outcome {
    call.engine.volumes.remove(&call.name, call.query.flag("force")).await?;
    Ok(Reply::no_content())
}

/// Removes unused volumes; before API 1.42 the named ones too.
async fn prune(call: Call) -> Outcome {
    let mut filters = call.query.filters()?;
    if !call.speaks(42) && !filters.contains("all") {
        filters.add("all", "true");
    }
    let pruned = call.engine.volumes.prune(&filters).await?;
    Reply::json(&VolumesPruned {
        volumes_deleted: Some(pruned.removed),
        space_reclaimed: pruned.space_reclaimed,
    })
}
