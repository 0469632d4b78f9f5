//! The daemon itself.

use futures_util::stream;
use hyper::Method;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, PRAGMA};
use jiff::Timestamp;
use tierce_api_types::event::EventMessage;
use tierce_api_types::system::DiskUsage;
use tierce_engine::Watch;
use tierce_engine::image::ListImages;
use tierce_engine::requests::List;

use crate::convert;
use crate::reply::{Reply, json_line};
use crate::router::Outcome;
use crate::routes::{Call, Table};
use crate::status::Failure;
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
    Reply::json(&convert::system::version(&info, call.facts.experimental))
}

async fn info(call: Call) -> Outcome {
    let info = call.engine.system.info().await?;
    let images = call.engine.images.count().await?;
    Reply::json(&convert::system::info(info, images, &call.facts, call.version))
}

/// What happens, as it happens, from `since` until `until`.
async fn events(call: Call) -> Outcome {
    let (since, until) = (call.query.text("since"), call.query.text("until"));
    let watch = Watch {
        since: timestamp::parse(since)?,
        until: timestamp::parse(until)?,
        filters: call.query.filters()?,
    };
    if watch.since > watch.until && watch.until.is_some() {
        return Err(Failure::invalid(format!(
            "`since` time ({since}) cannot be after `until` time ({until})"
        )));
    }
    let events = call.engine.events.watch(watch);
    Ok(Reply::stream(
        "application/json",
        stream::unfold(events, |mut events| async move {
            let event: EventMessage = convert::system::event(events.next().await?);
            Some((json_line(&event), events))
        }),
    ))
}

/// What takes space on disk, all of it or the parts that `type` names.
async fn disk_usage(call: Call) -> Outcome {
    let asked = Asked::parse(&call)?;
    let mut answer = DiskUsage::default();
    if asked.images {
        let images = call.engine.images.list(ListImages::default()).await?;
        let images = images.iter().map(|summary| convert::image::used(summary, call.version));
        answer.images = Some(images.collect());
        answer.layers_size = i64::try_from(call.engine.images.layers_size().await?).unwrap_or(i64::MAX);
    }
    if asked.containers {
        let list = List {
            all: true,
            size: true,
            ..List::default()
        };
        let containers = call.engine.containers.list(list).await?;
        let now = Timestamp::now();
        let containers = containers
            .iter()
            .map(|summary| convert::container::summary(summary, now, call.version));
        answer.containers = Some(containers.collect());
    }
    if asked.volumes {
        let volumes = call.engine.system.volume_usage().await?;
        answer.volumes = Some(volumes.iter().map(convert::volume::used).collect());
    }
    answer.build_cache = asked.build_cache.then(Vec::new);
    Reply::json(&answer)
}

/// The parts of [`disk_usage`].
#[derive(Default)]
struct Asked {
    images: bool,
    containers: bool,
    volumes: bool,
    build_cache: bool,
}

impl Asked {
    /// All parts, unless some are named; before API 1.42 none can be.
    fn parse(call: &Call) -> Result<Self, Failure> {
        let named = if call.speaks(42) { call.query.all("type") } else { &[] };
        let mut asked = Self::default();
        for name in named {
            *match name.as_str() {
                "image" => &mut asked.images,
                "container" => &mut asked.containers,
                "volume" => &mut asked.volumes,
                "build-cache" => &mut asked.build_cache,
                other => return Err(Failure::invalid(format!("unknown object type: {other}"))),
            } = true;
        }
        if named.is_empty() {
            asked = Self {
                images: true,
                containers: true,
                volumes: true,
                build_cache: true,
            };
        }
        Ok(asked)
    }
}
