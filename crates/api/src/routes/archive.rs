//! Images and containers as archives: save, load, export.

use std::sync::Arc;

use tierce_engine::image::Platform;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::{Call, Table, progress};
use crate::status::Failure;
use crate::{convert, pipe};

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.get("/images/get", save_many);
    table.get("/images/{name}/get", save_one);
    table.post("/images/load", load);
    table.get("/containers/{id}/export", export);
}

async fn save_many(call: Call) -> Outcome {
    let names = call.query.all("names").to_vec();
    save(call, names).await
}

async fn save_one(call: Call) -> Outcome {
    let name = call.name.clone();
    save(call, vec![name]).await
}

async fn save(call: Call, names: Vec<String>) -> Outcome {
    let saving = call.engine.images.save(names, platform(&call)?).await?;
    Ok(Reply::transfer(
        "application/x-tar",
        pipe::outlet(move |outlet| saving.write(outlet)),
    ))
}

/// Loads images; without `quiet`, layers are told as they come.
async fn load(call: Call) -> Outcome {
    let platform = platform(&call);
    let quiet = call.query.flag_or("quiet", true);
    let engine = Arc::clone(&call.engine);
    // Before anything is refused: who still sends does not hear the answer.
    let input = pipe::inlet(call.request.body);
    let platform = platform?;
    let load = move |reporter| async move { engine.images.load(input, platform, quiet, reporter).await };
    Ok(progress::answer_in_stream(load).await)
}

async fn export(call: Call) -> Outcome {
    let exporting = call.engine.containers.export(&call.name).await?;
    Ok(Reply::transfer(
        "application/octet-stream",
        pipe::outlet(move |outlet| exporting.write(outlet)),
    ))
}

fn platform(call: &Call) -> Result<Option<Platform>, Failure> {
    if call.query.all("platform").len() > 1 {
        return Err(Failure::invalid("multiple platform parameters not supported"));
    }
    convert::image::platform_document(call.query.text("platform"))
}
