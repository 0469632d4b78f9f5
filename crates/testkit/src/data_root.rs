//! Does everything in a data root belong to something? The image and layer stores of overlay2, seen from outside: by
//! their files alone.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tierce_oci::{ChainId, DiffId, ImageId};

/// What a store says that it has, to be compared with its files.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The images with their layers, bottom first.
    pub images: Vec<(ImageId, Vec<DiffId>)>,
    /// Names of the containers' layers.
    pub containers: Vec<String>,
    /// Bytes of all layers.
    pub layers_size: u64,
}

/// Everything below `root` that none of the claims needs, everything that they need and is not there, and a difference
/// between the size that is told and the one on disk. One line each; none when all is well.
///
/// Containers' layers may be of images that are gone.
pub fn disagreements(root: &Path, claims: &Claims) -> Vec<String> {
    let image = root.join("image/overlay2");
    let mut found = Vec::new();
    let mut expect = |directory: PathBuf, expected: &BTreeSet<String>| {
        for name in names(&directory).symmetric_difference(expected) {
            let what = if expected.contains(name) { "missing" } else { "orphaned" };
            found.push(format!("{what} {}", directory.join(name).display()));
        }
    };
    let layerdb = image.join("layerdb");
    let mounts: BTreeSet<String> = claims.containers.iter().cloned().collect();
    let mut chains: BTreeSet<String> = claims
        .images
        .iter()
        .flat_map(|(_, diff_ids)| ChainId::stack(diff_ids))
        .map(|chain| chain.hex().to_owned())
        .collect();
    for mount in &mounts {
        let mut next = read(&layerdb.join("mounts").join(mount).join("parent"));
        while let Some(hex) = next.as_deref().and_then(|text| text.strip_prefix("sha256:")) {
            let parent = read(&layerdb.join("sha256").join(hex).join("parent"));
            chains.insert(hex.to_owned());
            next = parent;
        }
    }
    expect(layerdb.join("sha256"), &chains);
    expect(layerdb.join("tmp"), &marks(&layerdb.join("tmp"), &chains));
    expect(layerdb.join("mounts"), &mounts);

    // The driver's directories, and their short names.
    let record = |chain: &String, name: &str| read(&layerdb.join("sha256").join(chain).join(name));
    let layers: BTreeSet<String> = chains.iter().filter_map(|chain| record(chain, "cache-id")).collect();
    let mut snapshots = layers.clone();
    for mount in &mounts {
        let ids = ["mount-id", "init-id"].map(|name| read(&layerdb.join("mounts").join(mount).join(name)));
        snapshots.extend(ids.into_iter().flatten());
    }
    let driver = root.join("overlay2");
    let links = snapshots.iter().filter_map(|id| read(&driver.join(id).join("link")));
    expect(driver.join("l"), &links.collect());
    snapshots.insert("l".to_owned());
    expect(driver.clone(), &snapshots);

    // Images, and what is noted of them and their layers. The latter is not synced: what names no layer was lost.
    let ids: BTreeSet<String> = claims.images.iter().map(|(id, _)| id.hex().to_owned()).collect();
    expect(image.join("imagedb/content/sha256"), &ids);
    let mut unneeded = |directory: &str, needed: &dyn Fn(&Path) -> bool| {
        for name in names(&image.join(directory)) {
            let path = image.join(directory).join(name);
            if !needed(&path) {
                found.push(format!("orphaned {}", path.display()));
            }
        }
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let diff_ids: BTreeSet<String> = chains.iter().filter_map(|chain| record(chain, "diff")).collect();
    unneeded("imagedb/metadata/sha256", &|path| ids.contains(&name(path)));
    unneeded("distribution/v2metadata-by-diffid/sha256", &|path| {
        diff_ids.contains(&format!("sha256:{}", name(path)))
    });
    unneeded("distribution/diffid-by-digest/sha256", &|path| {
        read(path).is_none_or(|text| !text.starts_with("sha256:") || diff_ids.contains(&text))
    });

    // Work under way, files half written.
    for name in names(&root.join("tmp/work")) {
        found.push(format!("orphaned tmp/work/{name}"));
    }
    let unfinished = walk(&image).into_iter().chain(walk(&root.join("tmp")));
    let unfinished = unfinished.filter(|path| name(path).starts_with(".tmp-"));
    found.extend(unfinished.map(|path| format!("orphaned {}", path.display())));

    let on_disk: u64 = layers.iter().map(|id| disk_usage(&driver.join(id).join("diff"))).sum();
    if claims.layers_size != on_disk {
        let told = claims.layers_size;
        found.push(format!("df tells {told} bytes of layers, du finds {on_disk}"));
    }
    found
}

/// Marks of layers that may not be on the disk yet: each stays until its layer is.
fn marks(tmp: &Path, chains: &BTreeSet<String>) -> BTreeSet<String> {
    let of_a_layer = |name: &String| {
        let layer = name.strip_prefix("unsettled-").and_then(|rest| rest.split('-').nth(1));
        layer.is_some_and(|chain| chains.contains(chain))
    };
    names(tmp).into_iter().filter(of_a_layer).collect()
}

/// Bytes of everything below a directory that is no directory itself, each file once: what Docker counts of a layer, and
/// what `du --apparent-size` does but for directories.
fn disk_usage(directory: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    let metadata = walk(directory)
        .into_iter()
        .filter_map(|path| path.symlink_metadata().ok());
    metadata
        .filter(|metadata| !metadata.is_dir() && seen.insert(metadata.ino()))
        .map(|metadata| metadata.len())
        .sum()
}

fn read(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// All paths below a directory.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(walk(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}
