//! `POST /containers/create`

use hyper::StatusCode;
use tierce_api_types::container::{CreateRequest, CreateResponse};
use tierce_engine::TraceId;

use crate::convert;
use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Makes a container: 201 with its id.
pub(super) async fn create(mut call: Call) -> Outcome {
    let request: CreateRequest = call.json().await?;
    let name = call.query.non_empty("name");
    let platform = call.query.non_empty("platform");
    // Ours: a directory of the host instead of an image.
    let rootfs = call.query.non_empty("rootfs");
    let mut request = convert::container::create(name, platform, rootfs, request)?;
    let warnings = convert::older::create(call.version, &mut request)?;
    request.trace = TraceId::from_traceparent(call.header("traceparent"));
    let created = call.engine.containers.create(request).await?;
    let answer = CreateResponse {
        id: created.id,
        warnings: [created.warnings, warnings].concat(),
    };
    Ok(Reply::json(&answer)?.with_status(StatusCode::CREATED))
}
