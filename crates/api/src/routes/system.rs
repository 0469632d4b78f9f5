//! The daemon itself.

use futures_util::stream;
use hyper::Method;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, PRAGMA};
use jiff::Timestamp;
use tierce_api_types::event::EventMessage;
use tierce_engine::requests::List;
use tierce_engine::{Filters, Watch};

use crate::convert;
use crate::reply::{Reply, json_line};
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::timestamp;

/// The routes of this group.
pub(super) fn routes(table: &mut Table<'_>) {
    table.get("/_ping", ping);
    table.add(Method::HEAD, "/_ping", ping);
    table.get("/version", version);
    table.get("/info", info);
    table.get("/events", events);
    table.get("/system/df", disk_usage);
}

/// `OK`, and in the headers what clients need to know before anything else. A `HEAD` gets the headers only.
async fn ping(call: Call) -> Outcome {
    let body = if call.head.method == Method::HEAD { "" } else { "OK" };
    Ok(Reply::bytes("text/plain; charset=utf-8", body)
        .with_header(
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-store, must-revalidate"),
        )
        .with_header(PRAGMA, HeaderValue::from_static("no-cache"))
        .with_header(
            HeaderName::from_static("builder-version"),
            HeaderValue::from_static("1"),
        )
        .with_header(HeaderName::from_static("swarm"), HeaderValue::from_static("inactive")))
}

async fn version(call: Call) -> Outcome {
    let info = call.engine.system.info().await?;
    Reply::json(&convert::system::version(&info))
}

async fn info(call: Call) -> Outcome {
    let info = call.engine.system.info().await?;
    let images = call.engine.images.list().await?.len();
    Reply::json(&convert::system::info(info, images, &call.facts, call.version))
}

/// What happens, as it happens, from `since` until `until`.
async fn events(call: Call) -> Outcome {
    let watch = Watch {
        since: timestamp::parse(call.query.text("since"))?,
        until: timestamp::parse(call.query.text("until"))?,
        filters: call.query.filters()?,
    };
    let events = call.engine.events.watch(watch)?;
    Ok(Reply::stream(
        "application/json",
        stream::unfold(events, |mut events| async move {
            let event: EventMessage = convert::system::event(events.next().await?);
            Some((json_line(&event), events))
        }),
    ))
}

/// What takes space on disk.
async fn disk_usage(call: Call) -> Outcome {
    let usage = call.engine.system.disk_usage().await?;
    let layers_size = call.engine.images.layers_size().await?;
    let images = call.engine.images.list().await?;
    let shown = convert::image_filters::select(&images, &Filters::default(), false)?;
    let images = shown
        .into_iter()
        .map(|summary| convert::image::summary(summary, true, call.version))
        .collect();
    let containers = call
        .engine
        .containers
        .list(List {
            all: true,
            ..List::default()
        })
        .await?;
    let now = Timestamp::now();
    let containers = containers
        .iter()
        .map(|summary| convert::container::summary(summary, now))
        .collect();
    Reply::json(&convert::system::disk_usage(
        &usage,
        layers_size,
        images,
        containers,
        call.query.all("type"),
    ))
}
