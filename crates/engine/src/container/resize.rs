//! `resize`: the size of a container's terminal.

use super::context::Context;
use crate::error::{Error, Result};
use tierce_task::ProcessId;

/// See [`super::Containers::resize`].
pub(crate) async fn resize(context: &Context, name: &str, rows: u16, columns: u16) -> Result<()> {
    let container = context.find(name)?;
    let record = &container.snapshot().record;
    if !record.state.is_alive() {
        return Err(Error::Conflict(format!("container {} is not running", record.id)));
    }
    context
        .control
        .resize(&ProcessId::init(&record.id), rows, columns)
        .await
        .map_err(Error::below)?;
    let (height, width) = (rows.to_string(), columns.to_string());
    context.publish(record, "resize", &[("height", &height), ("width", &width)]);
    Ok(())
}
