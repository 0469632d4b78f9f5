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
        let cause = match text.parse::<i128>() {
            Ok(number) => match u16::try_from(number) {
                Ok(side) => return Ok(side),
                Err(_) => "value out of range",
            },
            Err(_) => "invalid syntax",
        };
        Err(Failure::invalid(format!("invalid resize {word} {text:?}: {cause}")))
    };
    Ok((side("h", "height")?, side("w", "width")?))
}
