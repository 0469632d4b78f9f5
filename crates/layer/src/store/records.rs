//! Files of the layer database.

use super::{Layer, Layers, Repaired};
use crate::Error;
use rustix::fs::{CWD, Mode, OFlags, openat, syncfs};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tierce_fsops as fsops;
use tierce_oci::{ChainId, Digest};
use tierce_snapshot::{CacheId, Layout, Snapshotter};

/// Suffix of layers being removed, as Docker's.
pub(super) const REMOVING: &str = "-removing";
/// Prefix of layers being made.
pub(super) const INGEST: &str = "ingest-";

/// Where the records are.
#[derive(Debug, Clone)]
pub(super) struct Records {
    root: PathBuf,
}

impl Records {
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let directories = [
            (root.to_owned(), 0o700),
            (root.join("sha256"), 0o755),
            (root.join("mounts"), 0o755),
            (root.join("tmp"), 0o755),
        ];
        for (path, mode) in directories {
            DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(&path)
                .map_err(Error::io("create", &path))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    pub(super) fn sha256(&self) -> PathBuf {
        self.root.join("sha256")
    }

    pub(super) fn layer(&self, chain_id: &ChainId) -> PathBuf {
        self.sha256().join(chain_id.hex())
    }

    pub(super) fn tar_split(&self, chain_id: &ChainId) -> PathBuf {
        self.layer(chain_id).join("tar-split.json.gz")
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn mounts(&self) -> PathBuf {
        self.root.join("mounts")
    }

    /// Writes all file systems that hold layers to disk: the one of the records, and the driver's if it is another.
    pub(super) fn sync(&self, snapshot: &Path) -> Result<(), Error> {
        let device = |path: &Path| {
            path.metadata()
                .map(|metadata| metadata.dev())
                .map_err(Error::io("look at", path))
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut directories = vec![&*self.root];
        if device(snapshot)? != device(&self.root)? {
            directories.push(snapshot);
        }
        for directory in directories {
            let fd = openat(CWD, directory, flags, Mode::empty()).map_err(Error::io("open", directory))?;
            syncfs(fd).map_err(Error::io("sync the file system of", directory))?;
        }
        Ok(())
    }

    /// Reads all layers. Those that are damaged are named in `repaired` and left alone.
    pub(super) fn layers(&self, driver: &dyn Snapshotter, repaired: &mut Repaired) -> Result<Layers, Error> {
        let mut layers = Layers::new();
        for name in fsops::names(&self.sha256())? {
            let Some(hex) = name.to_str().filter(|name| !name.ends_with(REMOVING)) else {
                continue;
            };
            let Ok(digest) = Digest::from_sha256_hex(hex) else {
                continue;
            };
            match self.read_layer(ChainId(digest)) {
                Ok(layer) if driver.diff_dir(&layer.cache_id).is_dir() => {
                    layers.insert(layer.chain_id.clone(), layer);
                }
                Ok(layer) => repaired.damaged.push((layer.chain_id, "its files are gone".to_owned())),
                Err((chain_id, error)) => repaired.damaged.push((chain_id, error.to_string())),
            }
        }
        let misplaced: Vec<_> = layers
            .values()
            .filter_map(|layer| misplaced(layer, &layers, driver))
            .collect();
        for (chain_id, reason) in misplaced {
            layers.remove(&chain_id);
            repaired.damaged.push((chain_id, reason));
        }
        // A layer whose parent is gone cannot be mounted either.
        loop {
            let orphan = |layer: &&Layer| layer.parent.as_ref().is_some_and(|parent| !layers.contains_key(parent));
            let orphans: Vec<ChainId> = layers
                .values()
                .filter(orphan)
                .map(|layer| layer.chain_id.clone())
                .collect();
            if orphans.is_empty() {
                break;
            }
            for chain_id in orphans {
                layers.remove(&chain_id);
                repaired
                    .damaged
                    .push((chain_id, "the layer below it is damaged or gone".to_owned()));
            }
        }
        for (chain_id, reason) in &repaired.damaged {
            tracing::warn!(layer = %chain_id, %reason, "damaged layer left out");
        }
        Ok(layers)
    }

    fn read_layer(&self, chain_id: ChainId) -> Result<Layer, (ChainId, Error)> {
        let dir = self.layer(&chain_id);
        let read = || {
            let diff_id = read_parsed(&dir, "diff")?.ok_or_else(|| missing(&dir, "diff"))?;
            let cache_id = read_parsed(&dir, "cache-id")?.ok_or_else(|| missing(&dir, "cache-id"))?;
            let size = read_parsed(&dir, "size")?.ok_or_else(|| missing(&dir, "size"))?;
            Ok((diff_id, cache_id, size, read_parsed(&dir, "parent")?))
        };
        match read() {
            Ok((diff_id, cache_id, size, parent)) => {
                if ChainId::of(parent.as_ref(), &diff_id) == chain_id {
                    return Ok(Layer {
                        chain_id,
                        diff_id,
                        parent,
                        cache_id,
                        size,
                    });
                }
                let reason = "its name is not the chain id of its parent and diff".to_owned();
                Err((chain_id, Error::Corrupt { path: dir, reason }))
            }
            Err(error) => Err((chain_id, error)),
        }
    }
}

/// Whether a layer's snapshot is stacked on something else than its parent's: the parent was damaged and came again
/// under another name.
fn misplaced(layer: &Layer, layers: &Layers, driver: &dyn Snapshotter) -> Option<(ChainId, String)> {
    let found = match driver.layout(&layer.cache_id) {
        Ok(Layout::Tree { .. }) => return None,
        Ok(Layout::Overlay { lowers, .. }) => lowers.into_iter().next(),
        Err(error) => return Some((layer.chain_id.clone(), error.to_string())),
    };
    let parent = match &layer.parent {
        // A parent that is not there is told apart from this.
        Some(parent) => Some(driver.diff_dir(&layers.get(parent)?.cache_id)),
        None => None,
    };
    (found != parent).then(|| {
        (
            layer.chain_id.clone(),
            "it is stacked on another copy of the layer below".to_owned(),
        )
    })
}

fn missing(dir: &Path, name: &str) -> Error {
    Error::Corrupt {
        path: dir.join(name),
        reason: "it is missing".to_owned(),
    }
}

/// Reads a record of one value; `None` when there is no such file.
pub(super) fn read_parsed<T: FromStr>(dir: &Path, name: &str) -> Result<Option<T>, Error>
where
    T::Err: std::fmt::Display,
{
    let path = dir.join(name);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    match text.trim_end().parse() {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Error::Corrupt {
            path,
            reason: error.to_string(),
        }),
    }
}

/// The snapshot that a layer's records name, if they do.
pub(super) fn cache_id_in(dir: &Path) -> Option<CacheId> {
    read_parsed(dir, "cache-id").ok().flatten()
}
