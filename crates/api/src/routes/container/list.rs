//! `GET /containers/json`

use jiff::Timestamp;
use tierce_api_types::container::ContainerSummary;
use tierce_engine::requests::List;

use crate::convert;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Lists containers, the newest first.
pub(super) async fn list(call: Call) -> Outcome {
    let request = List {
        all: call.query.flag("all"),
        limit: call
            .query
            .number("limit")?
            .and_then(|limit| usize::try_from(limit).ok()),
        size: call.query.flag("size"),
        filters: call.query.filters()?,
    };
    let now = Timestamp::now();
    let summaries = call.engine.containers.list(request).await?;
    let rows: Vec<ContainerSummary> = summaries
        .iter()
        .map(|summary| convert::container::summary(summary, now, call.version))
        .collect();
    Reply::json(&rows)
}
