//! `commit`: an image from a container, which is paused meanwhile.

use crate::container::context::{Context, blocking, run_to_end};
use crate::container::pause;
use crate::error::{Error, Result};
use crate::metrics::Action;
use std::sync::Arc;
use tierce_image::Commit;
use tierce_lifecycle::Status;
use tierce_oci::container::Config;
use tierce_oci::{ImageId, Platform, Reference};

/// What to make of which container.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// Name, id or id prefix of the container.
    pub container: String,
    /// How containers of the image run; what it leaves open is the container's. `None`: all of the container's.
    pub config: Option<Config>,
    /// Instructions of a Dockerfile, applied to it.
    pub changes: Vec<String>,
    /// Who did it.
    pub author: String,
    /// Message.
    pub comment: String,
    /// Whether a running container stands still while its files are read.
    pub pause: bool,
    /// Name for the image.
    pub name: Option<Reference>,
}

impl crate::image::Images {
    /// Makes an image of a container. Goes on to its end when the caller goes away.
    pub async fn commit(&self, request: CommitRequest) -> Result<ImageId> {
        let (store, context) = (Arc::clone(&self.store), Arc::clone(&self.context));
        run_to_end(async move {
            let committed = commit(&store, &context, request);
            context.metrics.time(Action::Commit, committed).await
        })
        .await
    }
}

async fn commit(store: &Arc<tierce_image::Images>, context: &Arc<Context>, request: CommitRequest) -> Result<ImageId> {
    let container = context.find(&request.container)?;
    let snapshot = container.snapshot();
    let (id, record) = (&container.id, &snapshot.record);
    match record.state.status() {
        Status::Dead => {
            return Err(Error::Conflict(format!(
                "You cannot commit container {id} which is Dead"
            )));
        }
        Status::Removing => {
            return Err(Error::Conflict(format!(
                "You cannot commit container {id} which is being removed"
            )));
        }
        _ => {}
    }
    if !record.rootfs.is_empty() {
        return Err(Error::Conflict(format!(
            "You cannot commit container {id}, whose root is the directory {} and no image; use export and import",
            record.rootfs
        )));
    }
    let mut config = request.config.unwrap_or_else(|| record.config.clone());
    tierce_image::instructions::apply(&mut config, &request.changes).map_err(Error::below)?;
    tierce_image::inherit(&mut config, &record.config);
    let image_ref = request.name.as_ref().map(Reference::familiar).unwrap_or_default();
    let work = Commit {
        container: id.clone(),
        container_config: record.config.clone(),
        config,
        parent: record.image.parse().ok().map(ImageId),
        platform: Platform::host(),
        author: request.author,
        comment: request.comment.clone(),
        name: request.name.map(Reference::with_default_tag),
    };
    // A container that stopped just now needs no pause; one that cannot be paused is read as it is, as by Docker.
    let paused = request.pause
        && record.state.status() == Status::Running
        && pause::pause(context, &container)
            .await
            .inspect_err(|error| tracing::warn!(%id, %error, "a container is committed without a pause"))
            .is_ok();
    let images = Arc::clone(store);
    let made = blocking(move || images.commit(&work).map_err(Error::below)).await;
    if paused && let Err(error) = pause::unpause(context, &container).await {
        tracing::warn!(%id, %error, "a container cannot go on after its commit");
    }
    let made = made?;
    context.publish(
        record,
        "commit",
        &[
            ("comment", &request.comment),
            ("imageID", &made.to_string()),
            ("imageRef", &image_ref),
        ],
    );
    Ok(made)
}
