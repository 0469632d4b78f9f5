//! `POST /containers/{id}/update`

use serde_json::Value;
use tierce_api_types::container::{HostConfig, UpdateRequest, UpdateResponse};
use tierce_engine::requests::Update;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;
use crate::status::Failure;

/// Changes limits and restart policy.
pub(super) async fn update(mut call: Call) -> Outcome {
    let UpdateRequest(document) = call.json().await?;
    let restart_policy_given = document
        .get("RestartPolicy")
        .and_then(|policy| policy.get("Name"))
        .and_then(Value::as_str)
        .is_some_and(|name| !name.is_empty());
    let host_config: HostConfig = serde_json::from_value(Value::Object(document))
        .map_err(|error| Failure::invalid(format!("invalid JSON: {error}")))?;
    let mut host_config = host_config;
    let pids = &mut host_config.resources.pids_limit;
    // Before API 1.40 an update did not know it; 0 and less is no limit.
    *pids = pids.filter(|_| call.speaks(40)).map(|limit| limit.max(0));
    let warnings = call
        .engine
        .containers
        .update(
            &call.name,
            Update {
                host_config,
                restart_policy_given,
            },
        )
        .await?;
    Reply::json(&UpdateResponse {
        warnings: (!warnings.is_empty()).then_some(warnings),
    })
}
