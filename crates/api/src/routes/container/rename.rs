//! `POST /containers/{id}/rename`

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;

/// Gives a container another name: 204.
pub(super) async fn rename(call: Call) -> Outcome {
    call.engine
        .containers
        .rename(&call.name, call.query.text("name"))
        .await?;
    Ok(Reply::no_content())
}
