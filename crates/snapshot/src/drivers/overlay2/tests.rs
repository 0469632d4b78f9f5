//! Docker's layout and the kernel's rules, with real mounts.

use super::Overlay2;
use crate::conformance::{self, in_private_mounts, mount_all};
use crate::{CacheId, Error, Kind, Layout, Snapshotter};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use tierce_sys::project_quota;
use tierce_testkit::Disk;

fn open(root: &Path) -> Option<Overlay2> {
    match Overlay2::open(root, &[]) {
        Ok(driver) => Some(driver),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn layer(driver: &Overlay2, parent: Option<&CacheId>, write: impl FnOnce(&Path)) -> CacheId {
    let id = CacheId::random().unwrap();
    write(&driver.stage(&id).unwrap());
    driver.commit(&id, parent).unwrap();
    id
}

fn container(driver: &Overlay2, parent: &CacheId) -> CacheId {
    let id = CacheId::random().unwrap();
    driver.create(&id.init(), Some(parent), Kind::Init).unwrap();
    driver
        .create(&id, Some(&id.init()), Kind::Container { size: None })
        .unwrap();
    id
}

/// Mounts a container and runs `body` with its `merged` and `diff` directories.
fn mounted(driver: &Overlay2, id: &CacheId, body: impl FnOnce(&Path, &Path) + Send) {
    let (mounts, diff) = (driver.mounts(id).unwrap(), driver.diff_dir(id));
    in_private_mounts(|| body(&mount_all(&mounts), &diff));
}

#[test]
fn row_039_overlay2_conforms() {
    conformance::run(&|root| Ok(std::sync::Arc::new(Overlay2::open(root, &[])?)));
}

#[test]
fn row_042_layout_and_modes_are_dockers() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let bottom = layer(&driver, None, |_| {});
    let top = layer(&driver, Some(&bottom), |_| {});
    let id = container(&driver, &top);
    let home = dir.path().join("overlay2");
    let mode = |path: &str| home.join(path).symlink_metadata().unwrap().permissions().mode() & 0o7777;
    let names = |id: &str| crate::tree::names(&home.join(id)).unwrap();
    assert_eq!(names(bottom.as_str()), ["committed", "diff", "link"]);
    assert_eq!(names(top.as_str()), ["committed", "diff", "link", "lower", "work"]);
    assert_eq!(
        names(id.init().as_str()),
        ["committed", "diff", "link", "lower", "work"]
    );
    assert_eq!(names(id.as_str()), ["diff", "link", "lower", "work"]);
    assert_eq!((mode("l"), mode(id.as_str())), (0o700, 0o710));
    let expected = [("diff", 0o755), ("link", 0o644), ("lower", 0o644), ("work", 0o700)];
    for (name, wanted) in expected {
        assert_eq!(mode(&format!("{id}/{name}")), wanted, "{name}");
    }
    assert_eq!(mode(&format!("{top}/committed")), 0o600);
    let link = |id: &CacheId| fs::read_to_string(home.join(id.as_str()).join("link")).unwrap();
    assert_eq!(link(&id).len(), 26);
    let lower = fs::read_to_string(home.join(id.as_str()).join("lower")).unwrap();
    assert_eq!(
        lower,
        format!("l/{}:l/{}:l/{}", link(&id.init()), link(&top), link(&bottom))
    );
    let target = fs::read_link(home.join("l").join(link(&top))).unwrap();
    assert_eq!(target.to_str().unwrap(), format!("../{top}/diff"));
    driver.mounts(&id).unwrap();
    assert_eq!(mode(&format!("{id}/merged")), 0o700);
}

#[test]
fn row_042_a_stack_of_128_layers_mounts_and_one_more_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let mut parent = None;
    for number in 0..127 {
        parent = Some(layer(&driver, parent.as_ref(), |dir| {
            fs::write(dir.join(format!("f{number}")), "").unwrap();
        }));
    }
    let id = container(&driver, &parent.clone().unwrap());
    mounted(&driver, &id, |merged, _| {
        assert_eq!(crate::tree::names(merged).unwrap().len(), 127);
    });
    let top = layer(&driver, parent.as_ref(), |_| {});
    let error = driver
        .create(&CacheId::random().unwrap(), Some(&id), Kind::Container { size: None })
        .unwrap_err();
    assert!(error.to_string().contains("at most 128"), "{error}");
    drop(top);
}

#[test]
fn row_043_lower_dir_is_the_init_layer_and_the_images_upper_dir() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let bottom = layer(&driver, None, |_| {});
    let image = layer(&driver, Some(&bottom), |_| {});
    let of_image = driver.layout(&image).unwrap().graph_data();
    let id = container(&driver, &image);
    let of_container = driver.layout(&id).unwrap().graph_data();
    let init = driver.diff_dir(&id.init());
    let expected = format!("{}:{}:{}", init.display(), of_image["UpperDir"], of_image["LowerDir"]);
    assert_eq!(of_container["LowerDir"], expected);
    assert_eq!(
        of_container["MergedDir"],
        dir.path()
            .join("overlay2")
            .join(id.as_str())
            .join("merged")
            .to_str()
            .unwrap()
    );
    assert!(!driver.layout(&bottom).unwrap().graph_data().contains_key("LowerDir"));
}

#[test]
fn row_044_045_046_a_hand_made_mount_shows_the_same_and_files_are_seen_twice() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let image = layer(&driver, None, |dir| fs::write(dir.join("f"), "image").unwrap());
    let id = container(&driver, &image);
    let Layout::Overlay { lowers, work, .. } = driver.layout(&id).unwrap() else {
        panic!("no overlay")
    };
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    mounted(&driver, &id, |merged, diff| {
        fs::write(merged.join("new"), "from the host").unwrap();
        assert_eq!(fs::read_to_string(diff.join("new")).unwrap(), "from the host");
        assert!(work.join("work").is_dir() && fs::read_dir(work.join("work")).unwrap().next().is_none());
        let lowers: Vec<_> = lowers.iter().map(|lower| lower.to_str().unwrap()).collect();
        let by_hand = crate::Mount {
            kind: "overlay".into(),
            source: "overlay".into(),
            target: elsewhere.clone(),
            options: vec![format!("lowerdir={}:{}", diff.display(), lowers.join(":")), "ro".into()],
        };
        let by_hand = crate::Mount {
            options: by_hand.options.into_iter().rev().collect(),
            ..by_hand
        };
        mount_all(std::slice::from_ref(&by_hand));
        assert_eq!(
            crate::tree::names(&elsewhere).unwrap(),
            crate::tree::names(merged).unwrap()
        );
    });
    assert!(
        crate::tree::names(&driver.stacks.dir(&id).join("merged"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn row_047_048_priority_of_branches_and_reads() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let image = layer(&driver, None, |dir| {
        fs::create_dir_all(dir.join("d/e")).unwrap();
        fs::write(dir.join("d/e/both"), "lower").unwrap();
        fs::write(dir.join("d/e/lower"), "lower").unwrap();
    });
    let top = layer(&driver, Some(&image), |dir| {
        fs::create_dir_all(dir.join("d/e")).unwrap();
        fs::write(dir.join("d/e/both"), "upper").unwrap();
        fs::write(dir.join("d/e/upper"), "upper").unwrap();
    });
    mounted(&driver, &container(&driver, &top), |merged, _| {
        let read = |name: &str| fs::read_to_string(merged.join("d/e").join(name)).unwrap();
        assert_eq!(
            (&*read("both"), &*read("lower"), &*read("upper")),
            ("upper", "lower", "upper")
        );
    });
}

#[test]
fn row_049_first_write_copies_the_whole_file_up_and_lower_stays() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let image = layer(&driver, None, |dir| {
        fs::write(dir.join("f"), vec![b'x'; 100_000]).unwrap();
    });
    let lower = driver.diff_dir(&image).join("f");
    mounted(&driver, &container(&driver, &image), |merged, diff| {
        use std::io::Write;
        let append = || {
            fs::OpenOptions::new()
                .append(true)
                .open(merged.join("f"))
                .unwrap()
                .write_all(b"y")
                .unwrap();
        };
        assert!(!diff.join("f").exists());
        append();
        let first = diff.join("f").metadata().unwrap();
        assert_eq!(first.len(), 100_001);
        append();
        let second = diff.join("f").metadata().unwrap();
        assert_eq!((second.len(), second.ino()), (100_002, first.ino()), "no second copy");
    });
    assert_eq!(fs::read(lower).unwrap(), vec![b'x'; 100_000]);
}

#[test]
fn row_050_051_052_055_deletes_whiteouts_and_opaque_directories() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let image = layer(&driver, None, |dir| {
        fs::create_dir_all(dir.join("bin")).unwrap();
        fs::write(dir.join("bin/echo"), "e").unwrap();
        fs::create_dir_all(dir.join("old/sub")).unwrap();
    });
    let lower = driver.diff_dir(&image);
    mounted(&driver, &container(&driver, &image), |merged, diff| {
        let is_whiteout = |path: &Path| {
            let metadata = path.symlink_metadata().unwrap();
            metadata.file_type().is_char_device() && metadata.rdev() == 0
        };
        fs::write(merged.join("upper-only"), "").unwrap();
        fs::remove_file(merged.join("upper-only")).unwrap();
        assert!(
            diff.join("upper-only").symlink_metadata().is_err(),
            "no whiteout without a lower copy"
        );
        fs::rename(merged.join("bin/echo"), merged.join("bin/echo.old")).unwrap();
        assert!(is_whiteout(&diff.join("bin/echo")) && diff.join("bin/echo.old").is_file());
        fs::write(merged.join("bin/echo"), "again").unwrap();
        assert!(diff.join("bin/echo").is_file(), "the whiteout gave way");
        fs::remove_dir_all(merged.join("old")).unwrap();
        assert!(is_whiteout(&diff.join("old")));
        fs::create_dir(merged.join("old")).unwrap();
        assert!(crate::tree::is_opaque(&diff.join("old"), c"trusted.overlay.opaque"));
        assert!(!merged.join("old/sub").exists());
        assert!(
            !merged.join("work").exists(),
            "the work directory is never part of the view"
        );
    });
    assert!(lower.join("bin/echo").is_file() && lower.join("old/sub").is_dir());
}

#[test]
fn row_064_065_067_a_container_costs_nothing_until_it_writes_and_keeps_what_it_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let image = layer(&driver, None, |dir| {
        fs::write(dir.join("big"), vec![1; 1 << 20]).unwrap();
    });
    let ids: Vec<_> = (0..100).map(|_| container(&driver, &image)).collect();
    for id in &ids {
        assert_eq!(crate::tree::size(&driver.diff_dir(id)).unwrap(), 0);
    }
    mounted(&driver, &ids[0], |merged, _| {
        fs::write(merged.join("kept"), "12345").unwrap();
    });
    mounted(&driver, &ids[0], |merged, _| assert!(merged.join("kept").exists()));
    assert_eq!(crate::tree::size(&driver.diff_dir(&ids[0])).unwrap(), 5);
    driver.remove(&ids[0]).unwrap();
    assert!(!driver.stacks.dir(&ids[0]).exists());
}

#[test]
fn records_damaged_by_a_power_loss_are_errors_and_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    let image = layer(&driver, None, |_| {});
    let id = container(&driver, &image);
    fs::write(driver.stacks.dir(&id).join("link"), "").unwrap();
    assert!(
        driver
            .mounts(&id)
            .unwrap_err()
            .to_string()
            .contains("damaged snapshot record")
    );
    fs::write(driver.stacks.dir(&image).join("link"), "../../../../etc").unwrap();
    assert!(driver.layout(&image).is_err());
    for id in [&id, &id.init(), &image] {
        driver.remove(id).unwrap();
    }
    assert!(crate::tree::names(&dir.path().join("overlay2/l")).unwrap().is_empty());
}

#[test]
fn row_062_layers_may_lie_on_different_file_systems() {
    in_private_mounts(|| {
        let dir = tempfile::tempdir().unwrap();
        let Some(driver) = open(dir.path()) else { return };
        let bottom = layer(&driver, None, |dir| fs::write(dir.join("below"), "1").unwrap());
        let top = layer(&driver, Some(&bottom), |_| {});
        // The layer's files are moved to another disk, as for a full one.
        let diff = driver.diff_dir(&top);
        rustix::mount::mount("tmpfs", &diff, "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
        fs::write(diff.join("above"), "2").unwrap();
        assert_ne!(
            diff.metadata().unwrap().dev(),
            driver.diff_dir(&bottom).metadata().unwrap().dev()
        );
        mounted(&driver, &container(&driver, &top), |merged, upper| {
            for name in ["below", "above"] {
                let text = fs::read_to_string(merged.join(name)).unwrap();
                fs::write(merged.join(name), format!("{text} changed")).unwrap();
            }
            assert_eq!(fs::read_to_string(upper.join("above")).unwrap(), "2 changed");
            assert_eq!(fs::read_to_string(upper.join("below")).unwrap(), "1 changed");
        });
    });
}

/// A user namespace needs a process with a single thread: the test executes itself in one.
#[test]
fn in_a_user_namespace_whiteouts_are_marked_by_user_attributes() {
    if std::env::var_os("IN_USER_NAMESPACE").is_some() {
        let dir = tempfile::tempdir().unwrap();
        let Some(driver) = open(dir.path()) else { return };
        assert!(driver.user_xattr());
        let mount = driver
            .mounts(&container(&driver, &layer(&driver, None, |_| {})))
            .unwrap();
        assert!(mount[0].options.iter().any(|option| option == "userxattr"));
        return conformance::run(&|root| Ok(std::sync::Arc::new(Overlay2::open(root, &[])?)));
    }
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--nocapture", "--exact"])
        .arg("drivers::overlay2::tests::in_a_user_namespace_whiteouts_are_marked_by_user_attributes")
        .env("IN_USER_NAMESPACE", "1")
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if text.contains("unshare failed") {
        return println!("skipped: no user namespaces here: {text}");
    }
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Runs a test on a file system with project quotas, or says why there is none.
fn with_quota(kind: &str, making: &[&str], test: impl FnOnce(&Path) + Send) {
    in_private_mounts(|| match Disk::with_options(kind, 512 << 20, making, "loop,prjquota") {
        Ok(disk) if project_quota::is_enforced(fs::File::open(disk.path()).unwrap()) => test(&disk.path()),
        Ok(_) => println!("skipped: this kernel keeps no project quotas on {kind}"),
        Err(reason) => println!("skipped: {reason}"),
    });
}

/// Writes until it is refused; gives how many mebibytes went in, at most 32.
fn mebibytes_written(driver: &Overlay2, id: &CacheId) -> usize {
    let mut count = 0;
    mounted(driver, id, |merged, _| {
        let mut file = fs::File::create(merged.join("big")).unwrap();
        let piece = vec![7; 1 << 20];
        count = (0..32)
            .take_while(|_| file.write_all(&piece).and_then(|()| file.sync_data()).is_ok())
            .count();
    });
    count
}

fn limits(root: &Path) {
    let driver = Overlay2::open(root, &[]).unwrap();
    let image = layer(&driver, None, |dir| {
        fs::write(dir.join("f"), vec![1; 16 << 20]).unwrap();
    });
    let create = |driver: &Overlay2, size| {
        let id = CacheId::random().unwrap();
        driver.create(&id, Some(&image), Kind::Container { size }).unwrap();
        id
    };
    let limited = create(&driver, Some(8 << 20));
    let other = create(&driver, Some(4 << 20));
    let free = create(&driver, None);
    // Some blocks of the limit are the file system's own.
    for (id, written) in [(&limited, 6..=8), (&other, 2..=4), (&free, 32..=32)] {
        let count = mebibytes_written(&driver, id);
        assert!(written.contains(&count), "{count} MiB of {written:?}");
    }
    // A new daemon gives ids that no layer has.
    let driver = Overlay2::open(root, &["overlay2.size=8m".to_owned()]).unwrap();
    let by_default = create(&driver, None);
    let count = mebibytes_written(&driver, &by_default);
    assert!((6..=8).contains(&count), "{count} MiB");
    let project = |id: &CacheId| project_quota::project(fs::File::open(driver.stacks.dir(id)).unwrap()).unwrap();
    let mut projects = [&limited, &other, &by_default].map(project).to_vec();
    projects.dedup();
    assert_eq!((projects.len(), project(&free)), (3, 0));
    driver.remove(&limited).unwrap();
}

#[test]
fn a_container_with_a_size_cannot_write_more_on_ext4() {
    with_quota(
        "ext4",
        &["-q", "-O", "quota,project", "-E", "quotatype=prjquota"],
        limits,
    );
}

#[test]
fn a_container_with_a_size_cannot_write_more_on_xfs() {
    with_quota("xfs", &["-q"], limits);
}

#[test]
fn a_size_is_refused_where_the_file_system_cannot_keep_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(driver) = open(dir.path()) else { return };
    if project_quota::is_enforced(fs::File::open(dir.path()).unwrap()) {
        return println!("skipped: temporary files are on a file system with project quotas");
    }
    let id = CacheId::random().unwrap();
    let error = driver
        .create(&id, None, Kind::Container { size: Some(1 << 30) })
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
    );
    assert!(!driver.stacks.dir(&id).exists());
    let error = Overlay2::open(dir.path(), &["overlay2.size=1G".to_owned()]).unwrap_err();
    assert!(
        matches!(error, Error::Option { .. }) && error.to_string().contains("prjquota"),
        "{error}"
    );
}
