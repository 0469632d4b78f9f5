//! Checkpoints: the container's processes written to files. The way back is a creation that names them
//! ([`crate::lifecycle::create`]).

use std::path::PathBuf;

use prost::Message;
use tierce_fault::Kind;
use tierce_task::messages::{CheckpointTaskRequest, Empty, Envelope, TaskCheckpointed};
use tierce_task::options::CheckpointOptions;

use crate::connection::Reply;
use crate::control::{container, living_init};
use crate::error::{Error, Result};
use crate::job::Report;
use crate::reap;
use crate::serve::{Purpose, Shim};

/// A checkpoint that a worker is writing.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    /// Its directory.
    directory: PathBuf,
    /// The container ends with it.
    exit: bool,
}

/// Writes a checkpoint.
pub(crate) fn checkpoint(shim: &mut Shim, reply: Reply, request: &CheckpointTaskRequest) -> Result<()> {
    living_init(shim)?;
    let container = container(shim)?;
    let options = match &request.options {
        Some(any) if any.name() == CheckpointOptions::NAME => CheckpointOptions::decode(&any.value[..])
            .map_err(|error| Error::refused(Kind::Invalid, format!("malformed options: {error}")))?,
        _ => CheckpointOptions::default(),
    };
    if request.path.is_empty() {
        return Err(Error::refused(Kind::Invalid, "a checkpoint needs a directory"));
    }
    let (id, bundle, runtime) = (
        container.id.clone(),
        container.bundle.clone(),
        container.record.runtime.clone(),
    );
    let written = Checkpoint {
        directory: PathBuf::from(&request.path),
        exit: options.exit,
    };
    let images = written.directory.clone();
    shim.work(Purpose::Checkpoint(written, reply), move || {
        runtime.checkpoint(&id, &bundle, &images, &options)?;
        Ok(Report::default())
    });
    Ok(())
}

/// A worker has written it, or not.
pub(crate) fn on_report(shim: &mut Shim, written: &Checkpoint, reply: Reply, result: Result<Report>) {
    let succeeded = result.is_ok();
    if succeeded && written.exit {
        // The control group went with the processes.
        reap::stop_watching(shim);
    }
    shim.answer(reply, result.map(|_| Empty {}));
    if succeeded {
        let event = TaskCheckpointed {
            container_id: shim.identity.id.clone(),
            checkpoint: written.directory.display().to_string(),
        };
        shim.publish(Envelope::CHECKPOINTED, &event);
    }
}
