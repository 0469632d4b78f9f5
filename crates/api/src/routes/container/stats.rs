//! `GET /containers/{id}/stats`

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use tierce_api_types::container::StatsResponse;

use crate::routes::Call;
use crate::convert;
use crate::reply::{Reply, json_line};
use crate::router::Outcome;

/// Time between two readings.
const PERIOD: Duration = Duration::from_secs(1);

/// Resource use: once (`stream=0`), at once (`one-shot=1` with it), or every second until the client leaves.
pub(super) async fn stats(call: Call) -> Outcome {
    let engine = Arc::clone(&call.engine);
    let inspection = engine.containers.inspect(&call.name, false).await?;
    let (id, label) = (inspection.record.id.clone(), inspection.record.name.clone());
    let read = async move |previous: Option<&StatsResponse>| {
        let stats = engine.containers.stats(&id).await?;
        Ok::<_, tierce_engine::Error>(convert::stats::document(&stats, &id, &label, previous))
    };
    if !call.query.flag_or("stream", true) {
        let mut reading = read(None).await?;
        if !call.query.flag("one-shot") && inspection.record.state.running {
            // A rate needs two readings.
            tokio::time::sleep(PERIOD).await;
            reading = read(Some(&reading)).await?;
        }
        return Reply::json(&reading);
    }
    let readings = stream::unfold((read, None::<StatsResponse>), |(read, previous)| async move {
        if previous.is_some() {
            tokio::time::sleep(PERIOD).await;
        }
        // A container that is gone ends the stream.
        let reading = read(previous.as_ref()).await.ok()?;
        Some((json_line(&reading), (read, Some(reading))))
    });
    Ok(Reply::stream("application/json", readings))
}
