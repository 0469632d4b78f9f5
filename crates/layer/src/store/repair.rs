//! What is mended when the database is opened.

use super::records::{INGEST, REMOVING, Records, read_parsed};
use super::removal::finish_removal;
use super::rw;
use crate::Error;
use tierce_fsops as fsops;
use tierce_oci::ChainId;
use tierce_snapshot::{CacheId, Snapshotter, tree};

/// What was found and done at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Layers that were being made when the last process died; removed.
    pub unfinished: usize,
    /// Layers that were being removed then; now gone.
    pub removed: usize,
    /// Containers whose layer was half made; removed, to be made anew.
    pub containers: Vec<String>,
    /// Layers that may not have been on the disk when the power went, those that were included.
    pub distrusted: usize,
    /// Layers that did not reach the disk before the power went; removed.
    pub lost: Vec<ChainId>,
    /// Layers that cannot be used and why; left where they are, but not listed.
    pub damaged: Vec<(ChainId, String)>,
}

/// Removes what is half made. Only what carries this program's marks is touched.
pub(super) fn repair(records: &Records, driver: &dyn Snapshotter) -> Result<Repaired, Error> {
    let mut repaired = Repaired::default();
    for name in fsops::names(&records.tmp())? {
        let id = name
            .to_str()
            .and_then(|name| name.strip_prefix(INGEST))
            .and_then(|id| id.parse::<CacheId>().ok());
        if let Some(id) = id {
            driver.remove(&id)?;
            tree::remove(&records.tmp().join(name))?;
            repaired.unfinished += 1;
        }
    }
    for name in fsops::names(&records.sha256())? {
        if name.to_str().is_some_and(|name| name.ends_with(REMOVING)) {
            finish_removal(driver, &records.sha256().join(name))?;
            repaired.removed += 1;
        }
    }
    for name in fsops::names(&records.mounts())? {
        let Some(container) = name.to_str() else { continue };
        let path = records.mounts().join(&name);
        if !path.is_dir() || matches!(read_parsed::<CacheId>(&path, "mount-id"), Ok(Some(_))) {
            continue;
        }
        // Died while it was made, or lost power before it was on disk: its snapshots' names follow from its own.
        let mount_id = rw::mount_id_of(container)?;
        driver.remove(&mount_id)?;
        driver.remove(&mount_id.init())?;
        tree::remove(&path)?;
        repaired.containers.push(container.to_owned());
    }
    if repaired != Repaired::default() {
        tracing::info!(
            unfinished = repaired.unfinished,
            removed = repaired.removed,
            containers = repaired.containers.len(),
            "mended the layer database"
        );
    }
    Ok(repaired)
}
