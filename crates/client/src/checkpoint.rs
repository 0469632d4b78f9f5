//! Operations on the checkpoints of a container.

use hyper::Method;
use tierce_api_types::container::{Checkpoint, CheckpointRequest};

use crate::connection::Call;
use crate::query::Target;
use crate::{Client, Error};

/// Operations on the checkpoints of a container, in a directory of the host (empty: the container's own).
#[derive(Debug, Clone, Copy)]
pub struct Checkpoints<'a> {
    pub(crate) client: &'a Client,
    pub(crate) container: &'a str,
    pub(crate) directory: &'a str,
}

impl Checkpoints<'_> {
    /// Their names.
    pub async fn list(&self) -> Result<Vec<Checkpoint>, Error> {
        let target = Target::path(&["containers", self.container, "checkpoints"]).with_text("dir", self.directory);
        let found: Option<Vec<Checkpoint>> = self.client.document(Call::new(Method::GET, target)).await?;
        Ok(found.unwrap_or_default())
    }

    /// Writes one; with `exit` the container ends with it.
    pub async fn create(&self, name: &str, exit: bool) -> Result<(), Error> {
        let request = CheckpointRequest {
            checkpoint_id: name.to_owned(),
            checkpoint_dir: self.directory.to_owned(),
            exit,
        };
        let target = Target::path(&["containers", self.container, "checkpoints"]);
        let call = Call::new(Method::POST, target).json(&request)?;
        self.client.command(call).await.map(drop)
    }

    /// Removes one.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let target =
            Target::path(&["containers", self.container, "checkpoints", name]).with_text("dir", self.directory);
        self.client.command(Call::new(Method::DELETE, target)).await.map(drop)
    }

    /// Starts the container from one; `false` when it ran already.
    pub async fn start(&self, name: &str) -> Result<bool, Error> {
        let target = Target::path(&["containers", self.container, "start"])
            .with_text("checkpoint", name)
            .with_text("checkpoint-dir", self.directory);
        self.client.command(Call::new(Method::POST, target)).await
    }
}
