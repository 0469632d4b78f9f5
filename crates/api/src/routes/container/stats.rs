//! `GET /containers/{id}/stats`

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use tierce_api_types::container::StatsResponse;

use crate::convert;
use crate::reply::{Reply, json_line};
use crate::router::Outcome;
use crate::routes::Call;

/// Time between two readings.
const PERIOD: Duration = Duration::from_secs(1);

/// Resource use: once (`stream=0`), at once (`one-shot=1` with it), or every second until the client leaves.
pub(super) async fn stats(call: Call) -> Outcome {
    let engine = Arc::clone(&call.engine);
    let first = engine.containers.stats(&call.name).await?;
    let id = first.id.clone();
    let first = convert::stats::document(&first, None);
    let next = async move |previous: &StatsResponse| {
        tokio::time::sleep(PERIOD).await;
        let stats = engine.containers.stats(&id).await?;
        Ok::<_, tierce_engine::Error>(convert::stats::document(&stats, Some(previous)))
    };
    if !call.query.flag_or("stream", true) {
        // A rate needs two readings, unless the client computes it.
        let once = call.speaks(41) && call.query.flag("one-shot");
        let reading = if once {
            // dockerd does not say whose it is.
            StatsResponse {
                name: String::new(),
                id: String::new(),
                ..first
            }
        } else if first.cpu_stats.system_cpu_usage.is_none() {
            first
        } else {
            next(&first).await?
        };
        return Reply::json(&reading);
    }
    let readings = stream::unfold(State::First(first), move |state| {
        let next = next.clone();
        async move {
            let reading = match state {
                State::First(reading) => reading,
                // A container that is gone ends the stream.
                State::After(previous) => next(&previous).await.ok()?,
            };
            Some((json_line(&reading), State::After(reading)))
        }
    });
    Ok(Reply::stream("application/json", readings))
}

/// Where a stream of readings is.
enum State {
    /// This one was read already.
    First(StatsResponse),
    /// This one was sent.
    After(StatsResponse),
}
