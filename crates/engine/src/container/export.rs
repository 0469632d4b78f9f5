//! `export`: a container's whole file system as an archive, without what is mounted in it.

use super::context::{Context, blocking};
use super::root;
use crate::error::{Error, Result};
use std::io::Write;
use std::sync::Arc;
use tierce_lifecycle::Status;

/// A container's file system about to be written.
pub struct Exporting {
    context: Arc<Context>,
    container: String,
    view: tierce_layer::RootView,
}

impl Exporting {
    /// Writes the archive; waits for the disk.
    pub fn write(self, output: impl Write) -> Result<()> {
        self.view.pack(output).map_err(Error::below)?;
        let container = self.context.find(&self.container)?;
        self.context.publish(&container.snapshot().record, "export", &[]);
        Ok(())
    }
}

/// See [`super::Containers::export`].
pub(crate) async fn export(context: &Arc<Context>, name: &str) -> Result<Exporting> {
    let container = context.find(name)?;
    let id = container.id.clone();
    if container.snapshot().record.state.status() == Status::Dead {
        return Err(Error::Conflict(format!(
            "You cannot export container {id} which is Dead"
        )));
    }
    let (whole, record) = (Arc::clone(context), Arc::clone(&container.snapshot().record));
    let view = blocking(move || {
        let layout = root::layout(&whole, &record)?;
        tierce_layer::RootView::open(&layout).map_err(Error::below)
    })
    .await?;
    Ok(Exporting {
        context: Arc::clone(context),
        container: id,
        view,
    })
}
