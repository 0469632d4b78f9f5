//! `changes`: what a container changed in its file system.

use super::context::{Context, blocking};
use super::requests::Difference;
use crate::error::{Error, Result};
use std::sync::Arc;

/// See [`super::Containers::changes`].
pub(crate) async fn changes(context: &Context, name: &str) -> Result<Vec<Difference>> {
    let id = context.find(name)?.id.clone();
    let rootfs = Arc::clone(&context.rootfs);
    blocking(move || rootfs.changes(&id).map_err(Error::below)).await
}
