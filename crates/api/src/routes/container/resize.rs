//! `POST /containers/{id}/resize`

use crate::reply::Reply;
use crate::router::Outcome;
use crate::routes::Call;
use crate::status::Failure;

/// Sets the size of a container's terminal: 200.
pub(super) async fn resize(call: Call) -> Outcome {
    let (rows, columns) = size(&call)?;
    call.engine.containers.resize(&call.name, rows, columns).await?;
    Ok(Reply::empty())
}

/// The size in the parameters `h` and `w`, of containers and execs alike: rows and columns.
pub(in crate::routes) fn size(call: &Call) -> Result<(u16, u16), Failure> {
    let side = |name: &str, word: &str| {
        let text = call.query.text(name);
        text.parse::<u16>()
            .map_err(|_| Failure::invalid(format!("invalid resize {word} {text:?}: invalid syntax")))
    };
    Ok((side("h", "height")?, side("w", "width")?))
}
