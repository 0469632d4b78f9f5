//! `wait`: until a container does not run, ends the next time, or is removed.

use super::context::{Context, Snapshot};
use super::requests::{WaitCondition, WaitOutcome};
use crate::error::{Error, Result};
use std::sync::Arc;
use tokio::sync::watch;

/// A waiter that is registered: whatever happens from now on counts.
#[derive(Debug)]
pub struct Waiting {
    changes: watch::Receiver<Arc<Snapshot>>,
    condition: WaitCondition,
    exits: u64,
}

/// See [`super::Containers::wait`].
pub(crate) fn wait(context: &Context, name: &str, condition: WaitCondition) -> Result<Waiting> {
    let container = context.find(name)?;
    let changes = container.watch();
    let exits = changes.borrow().exits;
    Ok(Waiting {
        changes,
        condition,
        exits,
    })
}

impl Waiting {
    /// How the wait ended. Cancel-safe.
    pub async fn outcome(mut self) -> Result<WaitOutcome> {
        let (condition, exits) = (self.condition, self.exits);
        let reached = self
            .changes
            .wait_for(|snapshot| match condition {
                // A container that its policy starts again has ended all the same.
                WaitCondition::NotRunning => !snapshot.record.state.running || snapshot.exits > exits || snapshot.gone,
                WaitCondition::NextExit => snapshot.exits > exits || snapshot.gone,
                WaitCondition::Removed => snapshot.gone || snapshot.removal_error.is_some(),
            })
            .await
            .map_err(|_| Error::Internal("wait for container: the engine is gone".to_owned()))?;
        let status = if reached.exits > 0 {
            reached.last_exit
        } else {
            reached.record.state.exit_code
        };
        let error = match condition {
            WaitCondition::Removed if !reached.gone => reached.removal_error.clone(),
            _ => None,
        };
        Ok(WaitOutcome {
            status: status.into(),
            error,
        })
    }
}
