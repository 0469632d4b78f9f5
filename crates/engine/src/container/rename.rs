//! `rename`: the new name is taken before the old one is freed.

use super::context::{Context, blocking};
use super::{links, name};
use crate::error::{Error, Result};
use std::sync::Arc;

/// See [`super::Containers::rename`].
pub(crate) async fn rename(context: &Context, old: &str, new: &str) -> Result<()> {
    if new.is_empty() {
        return Err(Error::Invalid("Neither old nor new names may be empty".to_owned()));
    }
    let container = context.find(old)?;
    let new = name::check(new).map_err(|error| match error {
        Error::Invalid(text) => Error::Invalid(format!("Error when allocating new name: {text}")),
        other => other,
    })?;
    let transient = container.transition().await;
    let previous = container.snapshot().record.name.clone();
    if previous == new {
        return Err(Error::Invalid(
            "Renaming a container with the same name as its current name".to_owned(),
        ));
    }
    context.reserve_name(&new, &container.id).map_err(|error| match error {
        Error::NameInUse { .. } => Error::Conflict(format!("Error when allocating new name: {error}")),
        other => other,
    })?;
    container.change_record(|record| record.name.clone_from(&new));
    if let Err(error) = context.save(&container, true).await {
        container.change_record(|record| record.name.clone_from(&previous));
        context.release_name(&new, &container.id);
        return Err(error);
    }
    context.release_name(&previous, &container.id);
    let (sandboxes, record) = (Arc::clone(&context.sandboxes), container.snapshot().record.clone());
    let named = blocking(move || sandboxes.rename(&record.id, record.plain_name()).map_err(Error::below)).await;
    if let Err(error) = named {
        // It has its name, and its networks will know it at its next start.
        tracing::warn!(container = container.id, %error, "a container that was renamed is found by its old name");
    }
    context.publish(&container.snapshot().record, "rename", &[("oldName", &previous)]);
    // Others are waited for, which may wait for this one.
    drop(transient);
    links::follow(context, previous.trim_start_matches('/'), new.trim_start_matches('/')).await;
    Ok(())
}
