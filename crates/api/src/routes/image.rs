//! Images.

use std::sync::Arc;

use hyper::StatusCode;
use tierce_api_types::image::{BuildPruned, HistoryItem, ImageDeleted, ImageSummary, ImagesPruned};
use tierce_engine::image::{CommitRequest, Import, ListImages, Message, Platform, Pull, Push, Removal};

use crate::convert::image::Counted;
use crate::query::Query;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::{Call, Table, progress};
use crate::status::Failure;
use crate::{convert, pipe};

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.get("/images/json", list);
    table.post("/images/create", create);
    table.post("/images/prune", prune);
    table.post("/commit", commit);
    table.get("/images/{name}/json", inspect);
    table.get("/images/{name}/history", history);
    table.post("/images/{name}/push", push);
    table.post("/images/{name}/tag", tag);
    table.delete("/images/{name}", remove);
    table.post("/build/prune", prune_build_cache);
}

/// Lists images, the newest first; intermediate ones only with `all`.
async fn list(call: Call) -> Outcome {
    let version = call.version;
    let mut filters = call.query.filters()?;
    if !call.speaks(41)
        && let Some(reference) = call.query.non_empty("filter")
    {
        filters.add("reference", &reference);
    }
    let wanted = ListImages {
        all: call.query.flag("all"),
        filters,
    };
    let counted = Counted::in_list(call.speaks(42) && call.query.flag("shared-size"), version);
    let summaries = call.engine.images.list(wanted).await?;
    let rows: Vec<ImageSummary> = summaries
        .iter()
        .map(|summary| convert::image::summary(summary, counted, version))
        .collect();
    Reply::json(&rows)
}

async fn inspect(call: Call) -> Outcome {
    let platform = platform(&call)?;
    if platform.is_some() && call.query.flag("manifests") {
        return Err(Failure::invalid(
            "conflicting options: manifests and platform options cannot both be set",
        ));
    }
    let details = call.engine.images.inspect(&call.name, platform).await?;
    Reply::json(&convert::image::inspect(&details, call.version))
}

async fn history(call: Call) -> Outcome {
    let platform = platform(&call)?;
    let steps = call.engine.images.history(&call.name, platform).await?;
    let items: Vec<HistoryItem> = steps.iter().map(convert::image::history).collect();
    Reply::json(&items)
}

/// Gives an image a further name: 201.
async fn tag(call: Call) -> Outcome {
    let target = convert::image::reference(call.query.text("repo"), call.query.text("tag"))?;
    call.engine.images.tag(&call.name, target.with_default_tag()).await?;
    Ok(Reply::empty().with_status(StatusCode::CREATED))
}

async fn remove(call: Call) -> Outcome {
    if call.name.trim().is_empty() {
        return Err(Failure::invalid("image name cannot be blank"));
    }
    let removal = Removal {
        force: call.query.flag("force"),
        keep_parents: call.query.flag("noprune"),
    };
    let documents = call.query.all("platforms").iter();
    let platforms: Result<Vec<_>, Failure> = documents.map(|text| convert::image::platform_document(text)).collect();
    let platforms = platforms?.into_iter().flatten().collect();
    let removed = call.engine.images.remove(&call.name, removal, platforms).await?;
    let items: Vec<ImageDeleted> = removed.iter().map(convert::image::removed).collect();
    Reply::json(&items)
}

async fn prune(call: Call) -> Outcome {
    let pruned = call.engine.images.prune(&call.query.filters()?).await?;
    let items: Vec<ImageDeleted> = pruned.removed.iter().map(convert::image::removed).collect();
    Reply::json(&ImagesPruned {
        images_deleted: (!items.is_empty()).then_some(items),
        space_reclaimed: pruned.reclaimed,
    })
}

/// Removes what builds left behind: nothing yet, as nothing is built here.
async fn prune_build_cache(call: Call) -> Outcome {
    let filters = call.query.filters()?;
    let known = [
        "description",
        "id",
        "inuse",
        "label",
        "label!",
        "parent",
        "private",
        "shared",
        "type",
        "until",
    ];
    filters
        .validate(&known)
        .map_err(|error| Failure::invalid(format!("failed to prune build cache: {error}")))?;
    Reply::json(&BuildPruned::default())
}

/// The platform that was asked for, since API 1.48.
fn platform(call: &Call) -> Result<Option<Platform>, Failure> {
    convert::image::platform_document(call.query.text("platform"))
}

/// Pulls an image. What goes wrong before the first message is an ordinary refusal; after it, the last message tells.
async fn create(call: Call) -> Outcome {
    if call.query.non_empty("fromImage").is_none() && call.query.non_empty("fromSrc").is_some() {
        return import(call).await;
    }
    let query = &call.query;
    let name = query.text("fromImage");
    let reference = convert::image::reference(name, query.text("tag"))?;
    let all_tags = reference.tag().is_none() && reference.digest().is_none();
    let platform = query.non_empty("platform").map(|text| text.parse()).transpose();
    let request = Pull {
        reference,
        all_tags,
        platform: platform.map_err(|error: tierce_oci::Error| Failure::invalid(error.to_string()))?,
        credentials: call.credentials(),
    };
    let engine = Arc::clone(&call.engine);
    progress::answer(|reporter| async move { engine.images.pull(request, reporter).await }).await
}

/// Makes an image from the body, or from what is at an address.
async fn import(call: Call) -> Outcome {
    let Call { engine, request, .. } = call;
    let query = request.query;
    let source = query.text("fromSrc").to_owned();
    // Before anything is refused: who still sends does not hear the answer.
    let input = (source == "-").then(|| pipe::inlet(request.body));
    let import = import_of(&query, &source)?;
    progress::answer(|reporter| async move {
        let id = if let Some(input) = input {
            engine.images.import(input, import).await?
        } else {
            let reporter = Some(Arc::clone(&reporter));
            engine.images.import_from(&source, import, reporter).await?
        };
        reporter.report(Message::plain(id.to_string()));
        Ok(id)
    })
    .await
}

/// What is to be made of an archive.
fn import_of(query: &Query, source: &str) -> Result<Import, Failure> {
    let name = match query.text("repo") {
        "" => None,
        repository => Some(convert::image::reference(repository, query.text("tag"))?.with_default_tag()),
    };
    let platform = query.non_empty("platform").map(|text| text.parse()).transpose();
    let platform: Option<Platform> =
        platform.map_err(|error: tierce_oci::Error| Failure::invalid(error.to_string()))?;
    if platform.as_ref().is_some_and(|platform| platform.os != "linux") {
        return Err(Failure::invalid("operating system is not supported"));
    }
    let message = query.non_empty("message");
    let mut import = Import {
        config: tierce_oci::container::Config::default(),
        message: message.unwrap_or_else(|| format!("Imported from {source}")),
        platform: platform.unwrap_or_else(Platform::host),
        name,
    };
    tierce_engine::image::apply_changes(&mut import.config, query.all("changes"))?;
    Ok(import)
}

/// Makes an image of a container: 201.
async fn commit(mut call: Call) -> Outcome {
    let config = call.json_or_default().await?;
    let query = &call.query;
    let name = match query.text("repo") {
        "" => None,
        repository => Some(convert::image::reference(repository, query.text("tag"))?),
    };
    let request = CommitRequest {
        container: query.text("container").to_owned(),
        config,
        changes: query.all("changes").to_vec(),
        author: query.text("author").to_owned(),
        comment: query.text("comment").to_owned(),
        pause: query.flag_or("pause", true),
        name,
    };
    let id = call.engine.images.commit(request).await?;
    Ok(Reply::json(&serde_json::json!({"Id": id.to_string()}))?.with_status(StatusCode::CREATED))
}

/// Pushes a tag, or all tags of a repository. All failures after the first line are told in the stream, as by dockerd.
async fn push(call: Call) -> Outcome {
    let query = &call.query;
    let reference = convert::image::reference(&call.name, query.text("tag"))?;
    let request = Push {
        reference,
        platform: convert::image::platform_document(query.text("platform"))?,
        credentials: call.credentials(),
    };
    let engine = Arc::clone(&call.engine);
    progress::answer(|reporter| async move { engine.images.push(request, reporter).await }).await
}
