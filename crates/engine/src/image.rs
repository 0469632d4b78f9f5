//! The image service: the image room with events.

use crate::container::context::{Context, blocking};
use crate::error::{Error, Result};
use crate::image_list;
use std::collections::BTreeMap;
use std::sync::Arc;
use tierce_events::Filters;
use tierce_events::Subject;

pub use crate::archives::Saving;
pub use crate::commit::CommitRequest;
pub use crate::image_list::ListImages;
pub use tierce_image::{
    Credentials, Detail, Details, Found, HistoryStep, Image, Import, Loaded, Message, OutputOnly, Progress, Pruned,
    Published, Pull, Pulled, Push, Remote, Removal, Removed, Search, Secret, Silent, Summary,
};
pub use tierce_oci::{Platform, Reference};

/// Applies changes in the words of a Dockerfile to a configuration.
pub fn apply_changes(config: &mut tierce_oci::container::Config, changes: &[String]) -> Result<()> {
    tierce_image::instructions::apply(config, changes).map_err(Error::below)
}

/// The image verbs.
#[derive(Clone)]
pub struct Images {
    pub(crate) store: Arc<tierce_image::Images>,
    pub(crate) context: Arc<Context>,
}

impl Images {
    pub(crate) fn new(store: Arc<tierce_image::Images>, context: Arc<Context>) -> Self {
        Self { store, context }
    }

    /// Pulls an image. Goes on when the caller goes away only as far as its present step.
    pub async fn pull(&self, pull: Pull, progress: Arc<dyn Progress>) -> Result<Vec<Pulled>> {
        let pulled = self.store.pull(pull, progress).await.map_err(Error::below)?;
        for image in &pulled {
            // Docker's event of a pull is about the name.
            let attributes = BTreeMap::from([("name".to_owned(), untagged(&image.name).to_owned())]);
            self.context
                .events
                .publish(Subject::Image, "pull", &image.name, attributes);
        }
        Ok(pulled)
    }

    /// Pushes a tag, or all tags of a repository. Ends when the caller goes away.
    pub async fn push(&self, push: Push, progress: Arc<dyn Progress>) -> Result<Vec<Published>> {
        let reference = push.reference.clone();
        let published = self.store.push(push, progress).await.map_err(Error::below)?;
        self.publish("push", &reference.familiar(), &reference.familiar_name());
        Ok(published)
    }

    /// The images that pass the filters, the newest first.
    pub async fn list(&self, wanted: ListImages) -> Result<Vec<Summary>> {
        let store = Arc::clone(&self.store);
        blocking(move || image_list::select(&store, &wanted)).await
    }

    /// How many images there are, those that only serve as parents among them.
    pub async fn count(&self) -> Result<usize> {
        let store = Arc::clone(&self.store);
        blocking(move || Ok(store.list().len())).await
    }

    /// Bytes of all layers on disk, each counted once.
    pub async fn layers_size(&self) -> Result<u64> {
        let store = Arc::clone(&self.store);
        blocking(move || Ok(store.layers_size())).await
    }

    /// All that is known about one image; refused when it is not for `platform`.
    pub async fn inspect(&self, name: &str, platform: Option<Platform>) -> Result<Details> {
        let (store, name) = (Arc::clone(&self.store), name.to_owned());
        blocking(move || {
            check_platforms(&store, &name, platform.as_slice())?;
            store.inspect(&name).map_err(Error::below)
        })
        .await
    }

    /// The steps that an image was made by, newest first; refused when it is not for `platform`.
    pub async fn history(&self, name: &str, platform: Option<Platform>) -> Result<Vec<HistoryStep>> {
        let (store, name) = (Arc::clone(&self.store), name.to_owned());
        blocking(move || {
            check_platforms(&store, &name, platform.as_slice())?;
            store.history(&name).map_err(Error::below)
        })
        .await
    }

    /// Gives an image one more name.
    pub async fn tag(&self, source: &str, target: Reference) -> Result<()> {
        let (store, source, name) = (Arc::clone(&self.store), source.to_owned(), target.familiar());
        let id = blocking(move || store.tag(&source, &target).map_err(Error::below)).await?;
        self.publish("tag", &id.to_string(), &name);
        Ok(())
    }

    /// Removes a name, or an image with all its names; refused while a container uses it, and when it is not for all
    /// of `platforms`.
    pub async fn remove(&self, name: &str, removal: Removal, platforms: Vec<Platform>) -> Result<Vec<Removed>> {
        let (store, name) = (Arc::clone(&self.store), name.to_owned());
        let removed = blocking(move || {
            check_platforms(&store, &name, &platforms)?;
            store.remove(&name, removal).map_err(Error::below)
        })
        .await?;
        self.publish_removed(&removed);
        Ok(removed)
    }

    /// Removes images that nobody uses and that pass the filters `dangling label label! until`.
    pub async fn prune(&self, filters: &Filters) -> Result<Pruned> {
        let prune = image_list::prune(filters)?;
        let store = Arc::clone(&self.store);
        let pruned = blocking(move || store.prune(&prune).map_err(Error::below)).await?;
        self.publish_removed(&pruned.removed);
        let attributes = BTreeMap::from([("reclaimed".to_owned(), pruned.reclaimed.to_string())]);
        self.context.events.publish(Subject::Image, "prune", "", attributes);
        Ok(pruned)
    }

    fn publish_removed(&self, removed: &[Removed]) {
        for step in removed {
            match step {
                // Docker names the id in both places.
                Removed::Untagged { image, .. } => self.publish("untag", &image.to_string(), &image.to_string()),
                Removed::Image(id) => self.publish("delete", &id.to_string(), &id.to_string()),
                Removed::Layer(_) => {}
            }
        }
    }

    pub(crate) fn publish(&self, action: &str, id: &str, name: &str) {
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        self.context.events.publish(Subject::Image, action, id, attributes);
    }
}

/// Refuses an image that is not for each of the platforms. An image here is for one platform.
fn check_platforms(store: &tierce_image::Images, name: &str, platforms: &[Platform]) -> Result<()> {
    if platforms.is_empty() {
        return Ok(());
    }
    let image = store.find(name).map_err(Error::below)?;
    for platform in platforms {
        image.check_platform(name, platform).map_err(Error::below)?;
    }
    Ok(())
}

/// A familiar name without its tag or digest.
fn untagged(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_cut_and_ports_are_not() {
        assert_eq!(untagged("alpine:3"), "alpine");
        assert_eq!(untagged("host:5000/app"), "host:5000/app");
        assert_eq!(untagged("host:5000/app:1"), "host:5000/app");
        assert_eq!(untagged("app@sha256:ab"), "app");
    }
}
