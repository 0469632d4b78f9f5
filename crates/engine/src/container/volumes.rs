//! The volumes and images that a new container's mount points name.

use super::context::{Context, blocking};
use super::create;
use super::record::MountPoint;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierce_spec::mount_points::Wish;
use tierce_store::{Lease, Resource};

/// Makes or finds the volumes of the mount points, and their images, holds them, and checks host paths that must exist.
///
/// - `made`: takes the names of volumes that were not there before.
pub(super) async fn make(
    context: &Arc<Context>,
    (id, name): (&str, &str),
    wishes: Vec<Wish>,
    made: &mut Vec<String>,
) -> Result<BTreeMap<String, MountPoint>> {
    let mut points = BTreeMap::new();
    for wish in wishes {
        let mut point = wish.point;
        // A path of a dead server answers late or never, and may hold up nobody else.
        let source = PathBuf::from(&point.source);
        if wish.must_exist && !blocking(move || Ok(source.exists())).await? {
            return Err(Error::Invalid(format!(
                "invalid mount config for type \"bind\": bind source path does not exist: {}",
                point.source
            )));
        }
        if let Some(image) = &wish.image {
            let facts = create::resolve_image(context, image).await?;
            // What the name means now, whatever it means when the container starts.
            point.spec["Source"] = facts.id.clone().into();
            context.leases.hold(
                Resource::image(&facts.id),
                Lease::new(id).labelled(name.trim_start_matches('/')),
            );
        }
        if let Some(wanted) = wish.volume {
            let named = !wanted.name.is_empty();
            let known = context.volumes.get(&wanted.name).is_ok();
            let request = tierce_volume::Create {
                name: Some(wanted.name).filter(|name| !name.is_empty()),
                driver: Some(wanted.driver).filter(|driver| !driver.is_empty()),
                options: wanted.options,
                labels: wanted.labels,
            };
            let volumes = Arc::clone(&context.volumes);
            let volume = blocking(move || volumes.create(request).map_err(Error::below)).await?;
            if !known {
                made.push(volume.name.clone());
                crate::volume::publish(context, "create", &volume.name, &volume.driver);
            }
            // The place of a volume that nobody named is looked up when it is wanted, as dockerd does.
            if named {
                point.source = volume.mountpoint.to_string_lossy().into_owned();
            }
            point.name = volume.name;
            point.driver = volume.driver;
        }
        if point.is_volume() {
            context.leases.hold(
                Resource::volume(&point.name),
                Lease::new(id).labelled(name.trim_start_matches('/')),
            );
        }
        points.insert(point.destination.clone(), point);
    }
    Ok(points)
}

/// Fills empty volumes with what the image has at their place (row 162).
pub(super) async fn fill(
    context: &Arc<Context>,
    id: &str,
    rootfs: &str,
    points: &BTreeMap<String, MountPoint>,
) -> Result<()> {
    let wanted: Vec<(String, String, String)> = points
        .values()
        .filter(|point| point.copy_data && point.is_volume())
        .map(|point| {
            (
                point.destination.clone(),
                point.name.clone(),
                point.subpath().to_owned(),
            )
        })
        .collect();
    // A directory of the host is no image to be filled from.
    if wanted.is_empty() || !rootfs.is_empty() {
        return Ok(());
    }
    let (rootfs, volumes, id) = (Arc::clone(&context.rootfs), Arc::clone(&context.volumes), id.to_owned());
    blocking(move || {
        let view = tierce_layer::RootView::open(&rootfs.layout(&id).map_err(Error::below)?).map_err(Error::below)?;
        for (destination, volume, subpath) in wanted {
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
            // Nothing (or a file) at that place in the image: the volume stays empty.
            let Ok(source) = view
                .root()
                .open_at(Path::new(&destination), flags, rustix::fs::Mode::empty())
            else {
                continue;
            };
            volumes
                .copy_up(&volume, &subpath, rustix::fd::AsFd::as_fd(&source))
                .map_err(Error::below)?;
        }
        Ok(())
    })
    .await
}
