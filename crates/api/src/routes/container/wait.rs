//! `POST /containers/{id}/wait`

use futures_util::stream;
use tierce_api_types::container::{WaitCondition as Wire, WaitError, WaitResponse};
use tierce_engine::requests::WaitCondition;

use crate::reply::{Reply, json_line};
use crate::router::Outcome;
use crate::routes::Call;
use crate::status::Failure;

/// Waits for a container. The head is sent at once: clients start the container when they have it, knowing that its end
/// will not be missed. The body comes at the end.
pub(super) async fn wait(call: Call) -> Outcome {
    // Before API 1.30 there were no conditions.
    let condition = if call.speaks(30) {
        call.query.text("condition")
    } else {
        ""
    };
    let condition = match condition.parse().map_err(Failure::invalid)? {
        Wire::NotRunning => WaitCondition::NotRunning,
        Wire::NextExit => WaitCondition::NextExit,
        Wire::Removed => WaitCondition::Removed,
    };
    let waiting = call.engine.containers.wait(&call.name, condition)?;
    Ok(Reply::stream(
        "application/json",
        stream::once(async move {
            json_line(&match waiting.outcome().await {
                Ok(outcome) => WaitResponse {
                    status_code: outcome.status,
                    error: outcome.error.map(|message| WaitError { message }),
                },
                Err(error) => WaitResponse {
                    status_code: -1,
                    error: Some(WaitError {
                        message: error.to_string(),
                    }),
                },
            })
        }),
    ))
}
