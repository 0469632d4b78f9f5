//! The volume service: the volume room with events and Docker's filters.

use crate::container::context::{Context, blocking};
use crate::container::requests::Pruned;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use tierce_events::Filters;
use tierce_events::Subject;

pub use tierce_volume::{Create as VolumeCreate, Volume};

/// The volume verbs.
#[derive(Clone)]
pub struct Volumes {
    context: Arc<Context>,
}

impl Volumes {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Makes a volume, or gives the one that has the name already.
    pub async fn create(&self, request: VolumeCreate) -> Result<Volume> {
        let volumes = Arc::clone(&self.context.volumes);
        let known = request.name.as_deref().is_some_and(|name| volumes.get(name).is_ok());
        let volume = blocking(move || volumes.create(request).map_err(Error::below)).await?;
        if !known {
            publish(&self.context, "create", &volume.name, &volume.driver);
        }
        Ok(volume)
    }

    /// The volume of that name.
    pub fn inspect(&self, name: &str) -> Result<Volume> {
        self.context.volumes.get(name).map_err(Error::below)
    }

    /// Volumes that pass the filters (`dangling driver label name`), by name.
    pub fn list(&self, filters: &Filters) -> Result<Vec<Volume>> {
        filters.validate(&["dangling", "driver", "label", "name"])?;
        let dangling = filters
            .contains("dangling")
            .then(|| filters.boolean("dangling", true))
            .transpose()?;
        let mut volumes = self.context.volumes.list();
        volumes.retain(|volume| {
            dangling.is_none_or(|wanted| self.context.volumes.holders(&volume.name).is_empty() == wanted)
                && filters.exact("driver", &volume.driver)
                && filters.fuzzy("name", &volume.name)
                && filters.labels("label", &volume.labels)
        });
        Ok(volumes)
    }

    /// Names of the volume drivers.
    pub fn drivers(&self) -> Vec<&'static str> {
        self.context.volumes.drivers()
    }

    /// Removes a volume that no container uses.
    pub async fn remove(&self, name: &str, force: bool) -> Result<()> {
        let volumes = Arc::clone(&self.context.volumes);
        let owned = name.to_owned();
        let driver = volumes.get(name).map(|volume| volume.driver).ok();
        blocking(move || volumes.remove(&owned, force).map_err(Error::below)).await?;
        if let Some(driver) = driver {
            publish(&self.context, "destroy", name, &driver);
        }
        Ok(())
    }

    /// Removes anonymous volumes (with the filter `all=true`: all volumes) that nobody uses and that pass the filters
    /// `label` and `label!`.
    pub async fn prune(&self, filters: &Filters) -> Result<Pruned> {
        filters.validate(&["all", "label", "label!"])?;
        let all = filters.boolean("all", false)?;
        let mut pruned = Pruned::default();
        for volume in self.context.volumes.list() {
            let wanted = (all || volume.is_anonymous())
                && filters.labels("label", &volume.labels)
                && filters.no_labels("label!", &volume.labels);
            if !wanted || !self.context.volumes.holders(&volume.name).is_empty() {
                continue;
            }
            let volumes = Arc::clone(&self.context.volumes);
            let name = volume.name.clone();
            let freed = blocking(move || {
                let size = volumes.usage(&name).map_err(Error::below)?;
                volumes.remove(&name, false).map_err(Error::below)?;
                Ok(size)
            })
            .await;
            match freed {
                Ok(size) => {
                    publish(&self.context, "destroy", &volume.name, &volume.driver);
                    pruned.removed.push(volume.name);
                    pruned.space_reclaimed += size;
                }
                // Somebody took it meanwhile, or it resists: the others are pruned all the same.
                Err(error) => tracing::warn!(volume = volume.name, %error, "could not prune a volume"),
            }
        }
        let attributes = BTreeMap::from([("reclaimed".to_owned(), pruned.space_reclaimed.to_string())]);
        self.context.events.publish(Subject::Volume, "prune", "", attributes);
        Ok(pruned)
    }
}

/// Publishes an event about a volume.
pub(crate) fn publish(context: &Context, action: &str, name: &str, driver: &str) {
    let attributes = BTreeMap::from([("driver".to_owned(), driver.to_owned())]);
    context.events.publish(Subject::Volume, action, name, attributes);
}
