use super::Btrfs;
use crate::conformance::{self, in_private_mounts};
use crate::{CacheId, Error, Kind, Snapshotter};
use rustix::fs::{statfs, syncfs};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tierce_sys::btrfs;
use tierce_testkit::Disk;

/// Runs a test on a btrfs that only its thread sees.
fn on_btrfs(test: impl FnOnce(&Path) + Send) {
    in_private_mounts(|| match Disk::new("btrfs", 1 << 30) {
        Ok(disk) => test(&disk.path()),
        Err(reason) => println!("skipped: {reason}"),
    });
}

fn layer(driver: &Btrfs, parent: Option<&CacheId>, name: &str, content: &[u8]) -> CacheId {
    let id = CacheId::random().unwrap();
    fs::write(driver.stage(&id).unwrap().join(name), content).unwrap();
    driver.commit(&id, parent).unwrap();
    id
}

fn container(driver: &Btrfs, parent: &CacheId, size: Option<u64>) -> Result<CacheId, Error> {
    let id = CacheId::random().unwrap();
    driver.create(&id, Some(parent), Kind::Container { size })?;
    Ok(id)
}

fn used(root: &Path) -> u64 {
    syncfs(File::open(root).unwrap()).unwrap();
    let stat = statfs(root).unwrap();
    (stat.f_blocks - stat.f_bfree) * u64::try_from(stat.f_bsize).unwrap()
}

#[test]
fn row_057_btrfs_conforms() {
    on_btrfs(|root| conformance::run_in(root, &|root| Ok(Arc::new(Btrfs::open(root, &[])?))));
}

#[test]
fn row_057_each_layer_is_a_read_only_subvolume_and_each_container_a_snapshot() {
    on_btrfs(|root| {
        let driver = Btrfs::open(root, &[]).unwrap();
        let bottom = layer(&driver, None, "below", b"1");
        let top = layer(&driver, Some(&bottom), "above", b"2");
        let own = container(&driver, &top, None).unwrap();
        let mut names: Vec<_> = fs::read_dir(root.join("btrfs/subvolumes"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut expected = [&bottom, &top, &own].map(ToString::to_string);
        expected.sort();
        assert_eq!(names, expected);
        for (id, read_only) in [(&bottom, true), (&top, true), (&own, false)] {
            let subvolume = File::open(driver.dir(id)).unwrap();
            assert!(btrfs::is_subvolume(&subvolume).unwrap());
            assert_eq!(btrfs::is_read_only(&subvolume).unwrap(), read_only);
        }
        assert_eq!(fs::read(driver.dir(&own).join("below")).unwrap(), b"1");
        let refused = fs::write(driver.dir(&top).join("x"), "").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    });
}

#[test]
fn row_057_row_065_no_data_is_copied_when_a_layer_is_stacked_or_a_container_made() {
    on_btrfs(|root| {
        let driver = Btrfs::open(root, &[]).unwrap();
        let bottom = layer(&driver, None, "small", b"1");
        // What does not compress and is not a hole.
        let mut content = vec![0; 64 << 20];
        getrandom::fill(&mut content).unwrap();
        let id = CacheId::random().unwrap();
        let staged = driver.stage(&id).unwrap();
        fs::write(staged.join("big"), &content).unwrap();
        fs::hard_link(staged.join("big"), staged.join("second name")).unwrap();
        let before = used(root);
        driver.commit(&id, Some(&bottom)).unwrap();
        let containers: Vec<_> = (0..5).map(|_| container(&driver, &id, None).unwrap()).collect();
        assert!(used(root) < before + (8 << 20), "{} and before {before}", used(root));
        let dir = driver.dir(&containers[4]);
        assert!(fs::read(dir.join("big")).unwrap() == content);
        let inode = |name: &str| dir.join(name).metadata().unwrap().ino();
        assert_eq!(inode("big"), inode("second name"), "hard links stay what they are");
    });
}

#[test]
fn subvolumes_that_a_container_has_made_go_with_it() {
    on_btrfs(|root| {
        let driver = Btrfs::open(root, &[]).unwrap();
        let image = layer(&driver, None, "f", b"1");
        let own = container(&driver, &image, None).unwrap();
        // Nested in each other, deep down, one of them read-only.
        let mut deep = driver.dir(&own);
        for _ in 0..80 {
            deep.push("d");
            fs::create_dir(&deep).unwrap();
        }
        btrfs::create(File::open(&deep).unwrap(), c"outer").unwrap();
        let outer = File::open(deep.join("outer")).unwrap();
        btrfs::create(&outer, c"inner").unwrap();
        fs::write(deep.join("outer/inner/file"), "x").unwrap();
        fs::write(deep.join("outer/file"), "x").unwrap();
        btrfs::set_read_only(&outer, true).unwrap();
        btrfs::create(File::open(driver.dir(&own)).unwrap(), c"beside").unwrap();
        driver.remove(&own).unwrap();
        assert!(!driver.dir(&own).exists());
        driver.remove(&image).unwrap();
        assert_eq!(fs::read_dir(root.join("btrfs/subvolumes")).unwrap().count(), 0);
    });
}

#[test]
fn what_a_crash_leaves_half_made_is_removed_by_its_name() {
    on_btrfs(|root| {
        let driver = Btrfs::open(root, &[]).unwrap();
        let bottom = layer(&driver, None, "f", b"1");
        // Died in the middle of a commit: the parent's snapshot is there, and the staged layer too.
        let id = CacheId::random().unwrap();
        fs::write(driver.stage(&id).unwrap().join("f"), "2").unwrap();
        driver.make(&id, &driver.dir(&id), Some(&bottom)).unwrap();
        driver.remove(&id).unwrap();
        assert!(!driver.dir(&id).exists() && !driver.staged(&id).exists());
        // A plain directory of that name (a restored backup) goes too.
        fs::create_dir_all(driver.dir(&id).join("x/y")).unwrap();
        driver.remove(&id).unwrap();
        assert!(!driver.dir(&id).exists());
    });
}

#[test]
fn a_container_with_a_size_cannot_write_more() {
    on_btrfs(|root| {
        let driver = Btrfs::open(root, &["btrfs.min_space=16m".to_owned()]).unwrap();
        let image = layer(&driver, None, "f", b"1");
        let text = |size| container(&driver, &image, Some(size)).unwrap_err().to_string();
        assert_eq!(text(0), "btrfs: invalid storage size: 0B");
        assert_eq!(text(1 << 20), "btrfs: storage size cannot be less than 16777216 bytes");
        let own = container(&driver, &image, Some(32 << 20)).unwrap();
        assert_eq!(
            fs::read_to_string(root.join("btrfs/quotas").join(own.as_str())).unwrap(),
            (32 << 20).to_string()
        );
        let mut file = File::create(driver.dir(&own).join("big")).unwrap();
        let refused = (0..64).find_map(|_| {
            let written = file.write_all(&vec![7; 1 << 20]).and_then(|()| file.sync_all());
            written.err().map(|error| error.raw_os_error())
        });
        assert_eq!(refused, Some(Some(Errno::DQUOT.raw_os_error())));
        let other = container(&driver, &image, None).unwrap();
        fs::write(driver.dir(&other).join("big"), vec![7; 64 << 20]).unwrap();
        driver.remove(&own).unwrap();
        assert!(!root.join("btrfs/quotas").join(own.as_str()).exists());
    });
}

#[test]
fn row_040_elsewhere_it_is_refused_with_the_cure() {
    let dir = tempfile::tempdir().unwrap();
    if statfs(dir.path()).unwrap().f_type as u32 == btrfs::MAGIC {
        println!("skipped: temporary files are on btrfs here");
        return;
    }
    let error = Btrfs::open(dir.path(), &[]).unwrap_err().to_string();
    assert!(
        error.contains("is not btrfs") && error.contains("mkfs.btrfs"),
        "{error}"
    );
    assert!(!dir.path().join("btrfs").exists());
}
