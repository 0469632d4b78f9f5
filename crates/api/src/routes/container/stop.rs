//! `POST /containers/{id}/stop`

use tierce_engine::requests::Stop;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;
use crate::status::Failure;

/// Stops a container: 204, or 304 when it does not run.
pub(super) async fn stop(call: Call) -> Outcome {
    call.engine.containers.stop(&call.name, request(&call)?).await?;
    Ok(Reply::no_content())
}

/// How to stop: the parameters of stop and restart. `signal` came with API 1.42.
pub(super) fn request(call: &Call) -> Result<Stop, Failure> {
    let signal = if call.speaks(42) {
        call.query.non_empty("signal")
    } else {
        None
    };
    Ok(Stop {
        signal,
        timeout: call.query.number("t")?,
    })
}
