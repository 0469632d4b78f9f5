//! The layer database: Docker's files, crashes, removal, containers.

use super::{Boot, Layer, Store};
use crate::apply::tests::Archive;
use crate::{Error, Limits, docker_init_layer};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tierce_oci::{ChainId, Digest};
use tierce_snapshot::conformance::{in_private_mounts, mount_all};
use tierce_snapshot::{drivers, tree};

pub(super) struct Root {
    pub(super) dir: tempfile::TempDir,
    driver: &'static str,
}

impl Root {
    pub(super) fn new(driver: &'static str) -> Option<Self> {
        let root = Self {
            dir: tempfile::tempdir().unwrap(),
            driver,
        };
        match drivers::open(root.dir.path(), Some(driver), &[]) {
            Ok(_) => Some(root),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    pub(super) fn layerdb(&self) -> PathBuf {
        self.dir.path().join("image").join(self.driver).join("layerdb")
    }

    /// Opens the store as a new process would.
    fn open(&self) -> Store {
        self.open_in(Boot::current().unwrap())
    }

    /// Opens it as a process of this boot would.
    pub(super) fn open_in(&self, boot: Boot) -> Store {
        let driver = drivers::open(self.dir.path(), Some(self.driver), &[]).unwrap().driver;
        Store::open_in(&self.layerdb(), driver, boot).unwrap()
    }

    /// Names in the driver's directory, without its short names.
    pub(super) fn snapshots(&self) -> Vec<String> {
        let home = self.dir.path().join(self.driver);
        let home = if self.driver == "vfs" { home.join("dir") } else { home };
        tree::names(&home)
            .unwrap()
            .into_iter()
            .map(|name| name.into_string().unwrap())
            .filter(|name| name != "l")
            .collect()
    }

    fn short_names(&self) -> usize {
        fs::read_dir(self.dir.path().join("overlay2/l")).unwrap().count()
    }
}

pub(super) fn add(store: &Store, parent: Option<&Layer>, archive: &Archive) -> Layer {
    let mut ingest = store.ingest().unwrap();
    ingest.apply(&*archive.bytes(), &Limits::default()).unwrap();
    store.register(ingest, parent.map(|parent| &parent.chain_id)).unwrap()
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

fn id(n: u32) -> String {
    format!("{n:064x}")
}

#[test]
fn row_011_012_013_records_are_dockers() {
    let Some(root) = Root::new("overlay2") else { return };
    let store = root.open();
    let (bottom_tar, top_tar) = (
        Archive::default().file("a", "12345"),
        Archive::default().file("b", "123").symlink("l", "ab"),
    );
    let bottom = add(&store, None, &bottom_tar);
    let top = add(&store, Some(&bottom), &top_tar);
    assert_eq!(bottom.chain_id.0, bottom.diff_id.0);
    let chain = Digest::sha256_of(format!("{} {}", bottom.chain_id, top.diff_id).as_bytes());
    assert_eq!(top.chain_id.0, chain);
    let dir = root.layerdb().join("sha256").join(chain.hex());
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(
        tree::names(&dir).unwrap(),
        ["cache-id", "diff", "parent", "size", "tar-split.json.gz"]
    );
    assert_eq!(text(dir.join("cache-id")), top.cache_id.to_string());
    assert_eq!(text(dir.join("diff")), Digest::sha256_of(&top_tar.bytes()).to_string());
    assert_eq!(text(dir.join("parent")), bottom.chain_id.to_string());
    assert_eq!(text(dir.join("size")), "5");
    assert!(
        !root
            .layerdb()
            .join("sha256")
            .join(bottom.chain_id.hex())
            .join("parent")
            .exists()
    );
    for name in ["cache-id", "diff", "parent", "size", "tar-split.json.gz"] {
        assert_eq!(
            dir.join(name).metadata().unwrap().permissions().mode() & 0o7777,
            0o644,
            "{name}"
        );
    }
    assert_ne!(bottom.cache_id, top.cache_id);
    let again = root.open();
    assert_eq!(
        (
            again.get(&top.chain_id).unwrap(),
            again.stack_size(&top.chain_id).unwrap()
        ),
        (top.clone(), 10)
    );
    let mut archive = Vec::new();
    again.tar_stream(&top.chain_id, &mut archive).unwrap();
    assert_eq!(archive, top_tar.bytes());
}

#[test]
fn row_014_archives_are_rebuilt_under_vfs_too() {
    let Some(root) = Root::new("vfs") else { return };
    let store = root.open();
    let top_tar = Archive::default()
        .file("a", "new")
        .file(".wh.gone", "")
        .file("d/.wh..wh..opq", "")
        .file("d/x", "y");
    let bottom = add(
        &store,
        None,
        &Archive::default()
            .file("a", "old")
            .file("gone", "")
            .dir("d/")
            .file("d/z", ""),
    );
    let top = add(&store, Some(&bottom), &top_tar);
    let mut archive = Vec::new();
    store.tar_stream(&top.chain_id, &mut archive).unwrap();
    assert_eq!(archive, top_tar.bytes());
    let names = tree::names(&store.driver().diff_dir(&top.cache_id)).unwrap();
    assert_eq!(names, ["a", "d"]);
    assert!(!store.driver().diff_dir(&top.cache_id).join("d/z").exists());
}

#[test]
fn a_layer_without_tar_split_is_packed_from_its_files_and_never_passed_off_as_another() {
    for driver in ["overlay2", "vfs"] {
        let Some(root) = Root::new(driver) else { continue };
        let store = root.open();
        let forget = |layer: &Layer| {
            let records = root.layerdb().join("sha256").join(layer.chain_id.hex());
            fs::remove_file(records.join("tar-split.json.gz")).unwrap();
        };
        // In an order that no directory gives again.
        let odd = Archive::default()
            .file("z", "z")
            .file("a", "a")
            .dir("d/")
            .file("d/x", "x");
        let odd = add(&store, None, &odd);
        let mut packed = Vec::new();
        let layout = store.driver().layout(&odd.cache_id).unwrap();
        crate::diff::pack_changes(&layout, None, store.driver().user_xattr(), &mut packed).unwrap();
        forget(&odd);
        let error = store.tar_stream(&odd.chain_id, std::io::sink()).unwrap_err();
        let actual = Digest::sha256_of(&packed);
        assert!(
            error.to_string().contains(&format!("give the archive {actual}")),
            "{error}"
        );
        let mut ingest = store.ingest().unwrap();
        ingest.apply(&*packed, &Limits::default()).unwrap();
        let even = store.register(ingest, None).unwrap();
        forget(&even);
        let mut again = Vec::new();
        store.tar_stream(&even.chain_id, &mut again).unwrap();
        assert_eq!(again, packed);
        assert_eq!(store.tar_length(&even.chain_id).unwrap(), packed.len() as u64);
    }
}

#[test]
fn layers_of_an_image_are_unpacked_at_the_same_time_and_registered_in_order() {
    let Some(root) = Root::new("overlay2") else { return };
    let store = root.open();
    let ingests: Vec<_> = std::thread::scope(|scope| {
        let store = &store;
        let unpack = |number: u32| {
            move || {
                let mut ingest = store.ingest().unwrap();
                ingest
                    .apply(
                        &*Archive::default().file(&format!("f{number}"), "x").bytes(),
                        &Limits::default(),
                    )
                    .unwrap();
                ingest
            }
        };
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(unpack(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut parent: Option<ChainId> = None;
    for ingest in ingests {
        parent = Some(store.register(ingest, parent.as_ref()).unwrap().chain_id);
    }
    let top = parent.unwrap();
    assert_eq!(store.stack(&top).unwrap().len(), 8);
    let rw = store
        .create_rw(&id(1), Some(&top), None, &mut docker_init_layer)
        .unwrap();
    let mounts = rw.mounts().unwrap();
    in_private_mounts(|| assert!((0..8).all(|n| mount_all_once(&mounts).join(format!("f{n}")).is_file())));
}

fn mount_all_once(mounts: &[tierce_snapshot::Mount]) -> PathBuf {
    let target = &mounts.last().unwrap().target;
    if tree::names(target).unwrap().is_empty() {
        mount_all(mounts)
    } else {
        target.clone()
    }
}

#[test]
fn the_same_layer_twice_is_kept_once() {
    let Some(root) = Root::new("overlay2") else { return };
    let store = root.open();
    let archive = Archive::default().file("f", "x");
    let first = add(&store, None, &archive);
    assert_eq!(add(&store, None, &archive), first);
    assert_eq!(root.snapshots(), [first.cache_id.as_str()]);
    store.settle().unwrap();
    assert_eq!(fs::read_dir(root.layerdb().join("tmp")).unwrap().count(), 0);
}

#[test]
fn row_019_a_bad_layer_leaves_nothing_behind() {
    let Some(root) = Root::new("overlay2") else { return };
    let store = root.open();
    let bytes = Archive::default().file("f", &"x".repeat(100_000)).bytes();
    let mut ingest = store.ingest().unwrap();
    assert!(matches!(
        ingest.apply(&bytes[..50_000], &Limits::default()),
        Err(Error::Truncated { .. })
    ));
    drop(ingest);
    let mut ingest = store.ingest().unwrap();
    ingest.apply(&*bytes, &Limits::default()).unwrap();
    let nowhere = ChainId(Digest::sha256_of(b"nowhere"));
    assert!(matches!(
        store.register(ingest, Some(&nowhere)),
        Err(Error::NotFound(_))
    ));
    drop(store.ingest().unwrap());
    assert!(root.snapshots().is_empty() && root.short_names() == 0);
    assert_eq!(fs::read_dir(root.layerdb().join("tmp")).unwrap().count(), 0);
}

#[test]
fn row_002_only_layers_that_nothing_uses_are_removed() {
    let Some(root) = Root::new("overlay2") else { return };
    let store = root.open();
    let base = add(&store, None, &Archive::default().file("base", ""));
    let one = add(&store, Some(&base), &Archive::default().file("one", ""));
    let two = add(&store, Some(&base), &Archive::default().file("two", ""));
    let three = add(&store, Some(&two), &Archive::default().file("three", ""));
    store
        .create_rw(&id(1), Some(&two.chain_id), None, &mut docker_init_layer)
        .unwrap();
    let removed = store.remove_unused(&HashSet::from([one.chain_id.clone()])).unwrap();
    assert_eq!(
        removed.iter().map(|removed| &removed.layer).collect::<Vec<_>>(),
        [&three]
    );
    store.remove_rw(&id(1)).unwrap();
    let removed = store.remove_unused(&HashSet::new()).unwrap();
    assert_eq!(removed.len(), 3);
    assert_eq!(removed[2].layer, base, "the topmost go first");
    assert!(root.snapshots().is_empty() && root.short_names() == 0 && store.layers().is_empty());
    assert_eq!(fs::read_dir(root.layerdb().join("sha256")).unwrap().count(), 0);
}

#[test]
fn row_015_a_container_has_its_records_until_it_is_removed() {
    let Some(root) = Root::new("overlay2") else { return };
    let store = root.open();
    let image = add(&store, None, &Archive::default().file("f", "x"));
    let rw = store
        .create_rw(&id(7), Some(&image.chain_id), None, &mut docker_init_layer)
        .unwrap();
    let dir = root.layerdb().join("mounts").join(id(7));
    assert_eq!(tree::names(&dir).unwrap(), ["init-id", "mount-id", "parent"]);
    assert_eq!(text(dir.join("mount-id")), rw.mount_id.to_string());
    assert_eq!(text(dir.join("init-id")), format!("{}-init", rw.mount_id));
    assert_eq!(text(dir.join("parent")), image.chain_id.to_string());
    assert_eq!(dir.join("parent").metadata().unwrap().mode() & 0o7777, 0o644);
    assert!(matches!(
        store.create_rw(&id(7), None, None, &mut docker_init_layer),
        Err(Error::Exists(_))
    ));
    let data = root.open().rw(&id(7)).unwrap().metadata().unwrap();
    assert_eq!(
        data.keys().collect::<Vec<_>>(),
        ["ID", "LowerDir", "MergedDir", "UpperDir", "WorkDir"]
    );
    store.remove_rw(&id(7)).unwrap();
    assert!(!dir.exists());
    assert_eq!(root.snapshots(), [image.cache_id.as_str()]);
    assert!(matches!(store.rw(&id(7)), Err(Error::NoContainerLayer(_))));
    for bad in ["", "..", "a/b", ".hidden", "x\0"] {
        assert!(matches!(store.rw(bad), Err(Error::InvalidContainer(_))), "{bad:?}");
    }
}

#[test]
fn row_023_063_066_069_commit_adds_a_layer_without_the_init_layer_and_the_image_stays() {
    for driver in ["overlay2", "fuse-overlayfs", "vfs"] {
        let Some(root) = Root::new(driver) else { continue };
        let store = root.open();
        let image = add(&store, None, &Archive::default().file("f", "image").file("gone", "x"));
        let rw = store
            .create_rw(&id(1), Some(&image.chain_id), None, &mut docker_init_layer)
            .unwrap();
        let other = store
            .create_rw(&id(2), Some(&image.chain_id), None, &mut docker_init_layer)
            .unwrap();
        let mounts = rw.mounts().unwrap();
        let written = in_private_mounts(|| {
            let merged = mount_all(&mounts);
            assert!(merged.join("etc/hosts").is_file() && merged.join(".dockerenv").is_file());
            fs::write(merged.join("f"), "container").unwrap();
            fs::remove_file(merged.join("gone")).unwrap();
        });
        if written.is_none() {
            return;
        }
        let mounts = other.mounts().unwrap();
        in_private_mounts(|| assert_eq!(text(mount_all(&mounts).join("f")), "image"));
        assert_eq!((rw.usage().unwrap(), other.usage().unwrap()), (9, 0), "{driver}");
        let mut ingest = store.ingest().unwrap();
        let applied = ingest.apply_changes(&rw).unwrap();
        let layer = store.register(ingest, Some(&image.chain_id)).unwrap();
        assert_eq!((&layer.diff_id, layer.size), (&applied.diff_id, 9), "{driver}");
        let packed = rw.pack(Vec::new()).unwrap();
        assert_eq!(
            Digest::sha256_of(&packed),
            applied.diff_id.0,
            "the layer's tar is the diff"
        );
        let fresh = store
            .create_rw(&id(3), Some(&layer.chain_id), None, &mut |_| Ok(()))
            .unwrap();
        let mounts = fresh.mounts().unwrap();
        in_private_mounts(|| {
            let merged = mount_all(&mounts);
            assert_eq!(tree::names(&merged).unwrap(), ["f"], "{driver}");
            assert_eq!(text(merged.join("f")), "container");
        });
        let mut archive = Vec::new();
        store.tar_stream(&image.chain_id, &mut archive).unwrap();
        assert_eq!(Digest::sha256_of(&archive), image.diff_id.0);
    }
}

#[test]
fn an_opaque_root_hides_all_layers_below() {
    for driver in ["overlay2", "fuse-overlayfs", "vfs"] {
        let Some(root) = Root::new(driver) else { continue };
        let store = root.open();
        let bottom = add(
            &store,
            None,
            &Archive::default().file("a", "").dir("d/").file("d/x", ""),
        );
        let middle = add(&store, Some(&bottom), &Archive::default().file("b", ""));
        let top = add(
            &store,
            Some(&middle),
            &Archive::default().file(".wh..wh..opq", "").dir("d/").file("d/y", ""),
        );
        let rw = store
            .create_rw(&id(1), Some(&top.chain_id), None, &mut |_| Ok(()))
            .unwrap();
        let mounts = rw.mounts().unwrap();
        in_private_mounts(|| {
            let merged = mount_all(&mounts);
            assert_eq!(tree::names(&merged).unwrap(), ["d"], "{driver}");
            assert_eq!(tree::names(&merged.join("d")).unwrap(), ["y"], "{driver}");
        });
    }
}

#[test]
fn what_a_crash_left_half_made_is_removed_at_the_next_start() {
    let Some(root) = Root::new("overlay2") else { return };
    let store = root.open();
    let image = add(&store, None, &Archive::default().file("f", "x"));
    let gone = add(&store, Some(&image), &Archive::default().file("g", "x"));
    // A pull that died: unpacked, not registered.
    let mut ingest = store.ingest().unwrap();
    ingest
        .apply(&*Archive::default().file("h", "x").bytes(), &Limits::default())
        .unwrap();
    std::mem::forget(ingest);
    // A removal that died after its first step.
    let sha256 = root.layerdb().join("sha256");
    fs::rename(
        sha256.join(gone.chain_id.hex()),
        sha256.join(format!("{}-0-removing", gone.chain_id.hex())),
    )
    .unwrap();
    // A container whose records were not yet on disk when the power went.
    let rw = store
        .create_rw(&id(1), Some(&image.chain_id), None, &mut docker_init_layer)
        .unwrap();
    fs::write(root.layerdb().join("mounts").join(id(1)).join("mount-id"), "").unwrap();
    let kept = store
        .create_rw(&id(2), Some(&image.chain_id), None, &mut docker_init_layer)
        .unwrap();
    // Something of dockerd's builder that no record names.
    let foreign = format!("{:064x}", 0xBEEF);
    fs::create_dir(root.dir.path().join("overlay2").join(&foreign)).unwrap();
    drop(store);
    let store = root.open();
    let repaired = store.repaired();
    assert_eq!(
        (repaired.unfinished, repaired.removed, repaired.containers.len()),
        (1, 1, 1)
    );
    assert!(repaired.damaged.is_empty());
    let mut expected = vec![
        image.cache_id.to_string(),
        foreign,
        kept.mount_id.to_string(),
        format!("{}-init", kept.mount_id),
    ];
    expected.sort();
    assert_eq!(root.snapshots(), expected);
    assert_eq!(root.short_names(), 3);
    assert!(matches!(
        store.rw(&id(1)),
        Err(Error::NoContainerLayer(_) | Error::Corrupt { .. })
    ));
    let again = store
        .create_rw(&id(1), Some(&image.chain_id), None, &mut docker_init_layer)
        .unwrap();
    assert_eq!(again.mount_id, rw.mount_id);
    assert_eq!(
        root.open().repaired(),
        &super::Repaired::default(),
        "nothing is left to mend"
    );
}

#[test]
fn damaged_layers_are_left_out_and_replaced_by_the_next_pull() {
    let Some(root) = Root::new("overlay2") else { return };
    let store = root.open();
    let bottom_tar = Archive::default().file("f", "x");
    let bottom = add(&store, None, &bottom_tar);
    let top = add(&store, Some(&bottom), &Archive::default().file("g", "x"));
    fs::write(
        root.layerdb().join("sha256").join(bottom.chain_id.hex()).join("diff"),
        "",
    )
    .unwrap();
    let store = root.open();
    assert_eq!(store.repaired().damaged.len(), 2);
    assert!(!store.contains(&bottom.chain_id) && !store.contains(&top.chain_id));
    let mended = add(&store, None, &bottom_tar);
    assert_eq!(mended.chain_id, bottom.chain_id);
    let store = root.open();
    assert!(store.contains(&bottom.chain_id));
    assert!(!store.contains(&top.chain_id), "it is stacked on the damaged copy");
    add(&store, Some(&mended), &Archive::default().file("g", "x"));
    let store = root.open();
    assert!(store.contains(&top.chain_id));
    let store = root.open();
    assert_eq!(store.repaired(), &super::Repaired::default());
}
