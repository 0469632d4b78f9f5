//! `POST /containers/{id}/start`

use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use tierce_fault::Kind;

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;
use crate::status::Failure;

/// Starts a container: 204, or 304 when it runs already.
pub(super) async fn start(call: Call) -> Outcome {
    if has_body(&call) {
        return Err(Failure::invalid(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    let checkpoint = call.query.text("checkpoint");
    if !checkpoint.is_empty() && !call.facts.experimental {
        return Err(Failure::invalid("checkpoint is only supported in experimental mode"));
    }
    if !call.query.text("checkpoint-dir").is_empty() {
        return Err(Failure::new(Kind::Forbidden, "custom checkpointdir is not supported"));
    }
    if checkpoint.is_empty() {
        call.engine.containers.start(&call.name).await?;
    } else {
        call.engine.checkpoints.start(&call.name, checkpoint).await?;
    }
    Ok(Reply::no_content())
}

/// Whether there is a body of some length, or of none that is said; old clients send `null` or `{}`.
fn has_body(call: &Call) -> bool {
    const LONGEST: u64 = 7;
    let length = call.header(CONTENT_LENGTH.as_str());
    length
        .parse::<u64>()
        .map_or(!call.header(TRANSFER_ENCODING.as_str()).is_empty(), |length| {
            length > LONGEST
        })
}
