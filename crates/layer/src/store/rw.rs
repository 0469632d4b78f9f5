//! Containers' layers.

use super::Store;
use super::records::read_parsed;
use crate::changes::{Change, changes};
use crate::{Error, diff};
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierce_fsops as fsops;
use tierce_oci::{ChainId, Digest};
use tierce_snapshot::{CacheId, Kind, Layout, Mount, Snapshotter, tree};

/// A container's layer.
#[derive(Clone)]
pub struct RwLayer {
    /// The container.
    pub container: String,
    /// Name of its snapshot.
    pub mount_id: CacheId,
    /// Name of the snapshot between image and container; containers of other programs may have none.
    pub init_id: Option<CacheId>,
    /// The image's topmost layer; `None` for an image without layers.
    pub parent: Option<ChainId>,
    driver: Arc<dyn Snapshotter>,
}

impl std::fmt::Debug for RwLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RwLayer({} of {})", self.mount_id, self.container)
    }
}

impl RwLayer {
    /// How to mount it; the last mount's target is the container's root.
    ///
    /// # Errors
    /// [`Error::Snapshot`].
    pub fn mounts(&self) -> Result<Vec<Mount>, Error> {
        Ok(self.driver.mounts(&self.mount_id)?)
    }

    /// `GraphDriver.Data` of `docker inspect`; `null` there when empty. Docker adds the container's `ID`, so does this.
    ///
    /// # Errors
    /// [`Error::Snapshot`].
    pub fn metadata(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut data = self.driver.layout(&self.mount_id)?.graph_data();
        if !data.is_empty() {
            data.insert("ID".to_owned(), self.container.clone());
        }
        Ok(data)
    }

    /// Bytes that the container has written (`SizeRw`).
    ///
    /// # Errors
    /// File errors.
    pub fn usage(&self) -> Result<u64, Error> {
        let layout = self.driver.layout(&self.mount_id)?;
        if matches!(layout, tierce_snapshot::Layout::Overlay { .. }) {
            return Ok(tree::size(layout.upper())?);
        }
        let mut total = 0;
        for change in self.changes()? {
            let relative = change.path.strip_prefix("/").unwrap_or(&change.path);
            if let Ok(metadata) = layout.upper().join(relative).symlink_metadata()
                && !metadata.is_dir()
            {
                total += metadata.len();
            }
        }
        Ok(total)
    }

    /// What the container has changed, as `docker diff`.
    ///
    /// # Errors
    /// File errors.
    pub fn changes(&self) -> Result<Vec<Change>, Error> {
        let init = self.init_id.as_ref().map(|init| self.driver.layout(init)).transpose()?;
        changes(
            &self.driver.layout(&self.mount_id)?,
            init.as_ref(),
            self.driver.user_xattr(),
        )
    }

    /// Writes the changes as a layer's archive. The container must not write meanwhile.
    ///
    /// # Errors
    /// File errors, errors of the output.
    pub fn pack<W: Write>(&self, output: W) -> Result<W, Error> {
        let init = self.init_id.as_ref().map(|init| self.driver.layout(init)).transpose()?;
        diff::pack_changes(
            &self.driver.layout(&self.mount_id)?,
            init.as_ref(),
            self.driver.user_xattr(),
            output,
        )
    }
}

impl Store {
    /// Makes the layers of a new container: an init layer, filled by `init` (see [`crate::docker_init_layer`]), and the
    /// writable one on top.
    ///
    /// Nothing is synced (this module says why): after a loss of power within the next half minute, [`Self::rw`] may say
    /// [`Error::NoContainerLayer`] or its mounts [`tierce_snapshot::Error::Corrupt`]; the engine then calls
    /// [`Self::remove_rw`] and this again.
    ///
    /// - `size`: the most bytes that it may hold; what is counted depends on the storage driver.
    ///
    /// # Errors
    /// [`Error::Exists`]; [`Error::NotFound`] when the image's layer is not there; [`Error::Snapshot`] when the driver
    /// cannot keep a size; file errors. Nothing stays behind.
    pub fn create_rw(
        &self,
        container: &str,
        parent: Option<&ChainId>,
        size: Option<u64>,
        init: &mut dyn FnMut(&Layout) -> io::Result<()>,
    ) -> Result<RwLayer, Error> {
        let directory = self.container_dir(container)?;
        // The lock keeps `remove_unused` from taking the parent away until the container's record names it.
        let layers = self.read();
        let below = match parent {
            Some(id) => Some(layers.get(id).cloned().ok_or_else(|| Error::NotFound(id.to_string()))?),
            None => None,
        };
        match DirBuilder::new().mode(0o755).create(&directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists(container.to_owned()));
            }
            Err(error) => return Err(Error::io("create the directory", &directory)(error)),
        }
        let mount_id = mount_id_of(container)?;
        let layer = RwLayer {
            container: container.to_owned(),
            init_id: Some(mount_id.init()),
            mount_id,
            parent: parent.cloned(),
            driver: self.driver.clone(),
        };
        let made = write_records(&directory, &layer);
        drop(layers);
        let kind = Kind::Container { size };
        let below = below.as_ref().map(|below| &below.cache_id);
        let made = made.and_then(|()| self.create_snapshots(&layer, below, kind, init));
        match made {
            Ok(()) => Ok(layer),
            Err(error) => {
                if let Err(more) = self.remove_layer(&layer) {
                    tracing::warn!(container, error = %more, "half-made container layer stays until the next start");
                }
                Err(error)
            }
        }
    }

    fn create_snapshots(
        &self,
        layer: &RwLayer,
        below: Option<&CacheId>,
        kind: Kind,
        init: &mut dyn FnMut(&Layout) -> io::Result<()>,
    ) -> Result<(), Error> {
        let init_id = layer.mount_id.init();
        self.driver.create(&init_id, below, Kind::Init)?;
        let layout = self.driver.layout(&init_id)?;
        init(&layout).map_err(Error::io("fill the init layer", layout.upper()))?;
        Ok(self.driver.create(&layer.mount_id, Some(&init_id), kind)?)
    }

    /// A container's layer.
    ///
    /// # Errors
    /// [`Error::NoContainerLayer`], [`Error::Corrupt`].
    pub fn rw(&self, container: &str) -> Result<RwLayer, Error> {
        let directory = self.container_dir(container)?;
        let mount_id = read_parsed(&directory, "mount-id")?;
        let mount_id = mount_id.ok_or_else(|| Error::NoContainerLayer(container.to_owned()))?;
        Ok(RwLayer {
            container: container.to_owned(),
            mount_id,
            init_id: read_parsed(&directory, "init-id")?,
            parent: read_parsed::<Digest>(&directory, "parent")?.map(ChainId),
            driver: self.driver.clone(),
        })
    }

    /// Names of all containers that have a layer; those whose container is gone are for the engine to remove.
    ///
    /// # Errors
    /// File errors.
    pub fn containers(&self) -> Result<Vec<String>, Error> {
        let names = fsops::names(&self.records.mounts())?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Removes a container's layers, in whatever state. They must not be mounted.
    ///
    /// # Errors
    /// [`Error::NoContainerLayer`]; file errors.
    pub fn remove_rw(&self, container: &str) -> Result<(), Error> {
        let directory = self.container_dir(container)?;
        if !directory.is_dir() {
            return Err(Error::NoContainerLayer(container.to_owned()));
        }
        let mount_id = match read_parsed(&directory, "mount-id") {
            Ok(Some(mount_id)) => mount_id,
            Ok(None) | Err(Error::Corrupt { .. }) => mount_id_of(container)?,
            Err(error) => return Err(error),
        };
        let init_id = read_parsed(&directory, "init-id")
            .ok()
            .flatten()
            .unwrap_or_else(|| mount_id.init());
        let driver = self.driver.clone();
        self.remove_layer(&RwLayer {
            container: container.to_owned(),
            mount_id,
            init_id: Some(init_id),
            parent: None,
            driver,
        })
    }

    /// Snapshots first: the record is what they are found by.
    fn remove_layer(&self, layer: &RwLayer) -> Result<(), Error> {
        self.driver.remove(&layer.mount_id)?;
        if let Some(init_id) = &layer.init_id {
            self.driver.remove(init_id)?;
        }
        Ok(tree::remove(&self.container_dir(&layer.container)?)?)
    }

    fn container_dir(&self, container: &str) -> Result<PathBuf, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if container.is_empty() || container.starts_with('.') || !container.bytes().all(allowed) {
            return Err(Error::InvalidContainer(container.chars().take(80).collect()));
        }
        Ok(self.records.mounts().join(container))
    }
}

fn write_records(directory: &Path, layer: &RwLayer) -> Result<(), Error> {
    let write = |name: &str, content: &str| fsops::write(&directory.join(name), content.as_bytes(), 0o644);
    if let Some(init_id) = &layer.init_id {
        write("init-id", init_id.as_str())?;
    }
    if let Some(parent) = &layer.parent {
        write("parent", &parent.to_string())?;
    }
    Ok(write("mount-id", layer.mount_id.as_str())?)
}

/// Name of a container's snapshot. It follows from the container's own, so that what a crash leaves half made is found;
/// Docker takes any name.
pub(super) fn mount_id_of(container: &str) -> Result<CacheId, Error> {
    Ok(Digest::sha256_of(format!("tierce mount of {container}").as_bytes())
        .hex()
        .parse()?)
}
