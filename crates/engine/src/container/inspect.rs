//! `inspect`: all that is known about one container.

use super::context::{Context, blocking};
use super::links;
use super::record::{MountPoint, Record};
use super::requests::Inspection;
use crate::error::{Error, Result};
use crate::parts::DiskUse;
use std::sync::Arc;

/// See [`super::Containers::inspect`].
pub(crate) async fn inspect(context: &Context, name: &str, size: bool) -> Result<Inspection> {
    let container = context.find(name)?;
    let snapshot = container.snapshot();
    let (rootfs, id) = (Arc::clone(&context.rootfs), container.id.clone());
    let (graph_data, usage) = blocking(move || {
        // A container whose layer is damaged can still be looked at.
        let data = rootfs.layout(&id).map(|layout| layout.graph_data()).unwrap_or_default();
        let usage = if size {
            Some(rootfs.usage(&id).map_err(Error::below)?)
        } else {
            None
        };
        Ok((data, usage))
    })
    .await?;
    let mut graph_data = graph_data;
    if !graph_data.is_empty() {
        graph_data.insert("ID".to_owned(), container.id.clone());
    }
    Ok(Inspection {
        mounts: mounts(context, &snapshot.record),
        record: Arc::clone(&snapshot.record),
        host_config: links::shown(context, &snapshot),
        graph_driver: snapshot.record.driver.clone(),
        graph_data,
        exec_ids: context.execs.of(&container.id),
        size_rw: usage.map(|usage| usage.own),
        size_root_fs: usage.map(|DiskUse { own, image }| own + image),
    })
}

/// The mounts of a container with the places where volumes are today; the record need not say them, and may be of another
/// data root.
pub(super) fn mounts(context: &Context, record: &Record) -> Vec<MountPoint> {
    let placed = |point: &MountPoint| {
        let mut point = point.clone();
        if point.is_volume()
            && let Ok(volume) = context.volumes.get(&point.name)
        {
            point.source = volume.mountpoint.to_string_lossy().into_owned();
        }
        point
    };
    record.mount_points.values().map(placed).collect()
}
