//! Operations on volumes.

use hyper::Method;
use serde_json::value::RawValue;
use tierce_api_types::Filters;
use tierce_api_types::volume::{Volume, VolumeCreate, VolumeList, VolumesPruned};

use crate::connection::Call;
use crate::query::Target;
use crate::{Client, Error};

/// Operations on volumes.
#[derive(Debug, Clone, Copy)]
pub struct Volumes<'a>(pub(crate) &'a Client);

impl Volumes<'_> {
    /// Lists volumes.
    pub async fn list(&self, filters: &Filters) -> Result<VolumeList, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["volumes"]).with_filters(filters)))
            .await
    }

    /// Everything about it.
    pub async fn inspect(&self, volume: &str) -> Result<Volume, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["volumes", volume])))
            .await
    }

    /// Everything about it, as the daemon wrote it.
    pub async fn inspect_raw(&self, volume: &str) -> Result<Box<RawValue>, Error> {
        self.0
            .document(Call::new(Method::GET, Target::path(&["volumes", volume])))
            .await
    }

    /// Makes a volume, or returns the one of that name.
    pub async fn create(&self, request: &VolumeCreate) -> Result<Volume, Error> {
        let target = Target::path(&["volumes", "create"]);
        self.0.document(Call::new(Method::POST, target).json(request)?).await
    }

    /// Removes it.
    pub async fn remove(&self, volume: &str, force: bool) -> Result<(), Error> {
        let target = Target::path(&["volumes", volume]).with_flag("force", force);
        self.0.command(Call::new(Method::DELETE, target)).await.map(drop)
    }

    /// Removes unused volumes.
    pub async fn prune(&self, filters: &Filters) -> Result<VolumesPruned, Error> {
        let target = Target::path(&["volumes", "prune"]).with_filters(filters);
        self.0.document(Call::new(Method::POST, target)).await
    }
}
