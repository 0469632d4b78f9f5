//! The same answers as `docker diff`, from real overlay mounts.

use super::{Change, ChangeKind};
use crate::apply::tests::Archive;
use crate::{Limits, Store, docker_init_layer};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tierce_snapshot::conformance::{in_private_mounts, mount_all};
use tierce_snapshot::drivers;
use tierce_testkit::Disk;

fn letters(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| format!("{} {}", change.kind.letter(), change.path.display()))
        .collect()
}

/// Runs `write` in a container of an image under each driver, and compares what has changed.
fn check(image: &Archive, write: impl Fn(&Path) + Send + Sync, expected: &[&str]) {
    for name in ["overlay2", "fuse-overlayfs", "btrfs", "vfs"] {
        in_private_mounts(|| {
            let disk = match (name == "btrfs").then(|| Disk::new("btrfs", 1 << 30)).transpose() {
                Ok(disk) => disk,
                Err(reason) => return println!("skipped: {reason}"),
            };
            let base = disk.as_ref().map_or_else(std::env::temp_dir, Disk::path);
            let dir = tempfile::tempdir_in(base).unwrap();
            let changes = changes_under(name, dir.path(), image, &write);
            if let Some(changes) = changes {
                assert_eq!(letters(&changes), expected, "{name}");
            }
        });
    }
}

fn changes_under(name: &str, root: &Path, image: &Archive, write: &(impl Fn(&Path) + Sync)) -> Option<Vec<Change>> {
    let driver = match drivers::open(root, Some(name), &[]) {
        Ok(chosen) => chosen.driver,
        Err(error) => {
            println!("skipped: {error}");
            return None;
        }
    };
    let store = Store::open(&root.join("image").join(name).join("layerdb"), driver).unwrap();
    let mut ingest = store.ingest().unwrap();
    ingest.apply(&*image.bytes(), &Limits::default()).unwrap();
    let layer = store.register(ingest, None).unwrap();
    let rw = store
        .create_rw("c1", Some(&layer.chain_id), None, &mut docker_init_layer)
        .unwrap();
    let mounts = rw.mounts().unwrap();
    in_private_mounts(|| write(&mount_all(&mounts)))?;
    Some(rw.changes().unwrap())
}

#[test]
fn row_018_added_changed_and_deleted_as_docker_diff() {
    let image = Archive::default()
        .dir("bin/")
        .file("bin/sh", "x")
        .file("bin/ls", "y")
        .dir("keep/")
        .file("keep/f", "z");
    check(
        &image,
        |root| {
            fs::create_dir(root.join("new")).unwrap();
            fs::write(root.join("new/f"), "").unwrap();
            fs::remove_file(root.join("bin/sh")).unwrap();
            fs::write(root.join("bin/ls"), "longer").unwrap();
            symlink("x", root.join("bin/link")).unwrap();
        },
        &["C /bin", "A /bin/link", "C /bin/ls", "D /bin/sh", "A /new", "A /new/f"],
    );
}

#[test]
fn row_018_attributes_count_and_an_untouched_copy_does_not() {
    let image = Archive::default()
        .file("a", "x")
        .file("b", "y")
        .dir("d/")
        .file("d/e", "z");
    check(
        &image,
        |root| {
            fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o600)).unwrap();
            // Opened for writing and not written: copied up, unchanged.
            drop(fs::OpenOptions::new().append(true).open(root.join("b")).unwrap());
            drop(fs::OpenOptions::new().append(true).open(root.join("d/e")).unwrap());
        },
        &["C /a"],
    );
}

/// What the real dockerd 28.5 said of these very steps.
#[test]
fn row_052_a_remade_directory_is_changed_and_lists_what_is_gone() {
    let image = Archive::default()
        .dir("d/")
        .dir("d/e/")
        .file("d/e/f", "1")
        .dir("d/s/")
        .file("d/s/same", "");
    check(
        &image,
        |root| {
            fs::remove_dir_all(root.join("d")).unwrap();
            fs::create_dir(root.join("d")).unwrap();
            fs::write(root.join("d/g"), "2").unwrap();
            fs::create_dir(root.join("d/s")).unwrap();
            fs::write(root.join("d/s/t"), "").unwrap();
        },
        &["C /d", "D /d/e", "A /d/g", "C /d/s", "D /d/s/same", "A /d/s/t"],
    );
}

#[test]
fn a_directory_made_a_file_and_the_other_way_round() {
    let image = Archive::default().dir("d/").file("d/x", "1").file("f", "2");
    check(
        &image,
        |root| {
            fs::remove_dir_all(root.join("d")).unwrap();
            fs::write(root.join("d"), "").unwrap();
            fs::remove_file(root.join("f")).unwrap();
            fs::create_dir(root.join("f")).unwrap();
            fs::write(root.join("f/y"), "").unwrap();
        },
        &["C /d", "C /f", "A /f/y"],
    );
}

#[test]
fn the_numbers_are_the_apis() {
    assert_eq!(
        [
            ChangeKind::Modified as u8,
            ChangeKind::Added as u8,
            ChangeKind::Deleted as u8
        ],
        [0, 1, 2]
    );
}
