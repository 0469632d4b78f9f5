//! Paths beneath a hostile root, and mount options of any kind.

use super::beneath::{Root, clean};
use super::plan::{MountPlan, What};
use proptest::prelude::*;
use rustix::fs::{Mode, OFlags};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use tierce_oci::runtime::Mount;
use tierce_sys::mount_attributes::Attributes;

fn root(path: &Path) -> Root {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Root::new(rustix::fs::open(path, flags, Mode::empty()).expect("a directory"))
}

fn entries(path: &Path) -> usize {
    std::fs::read_dir(path).expect("a directory").count()
}

fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: Some(kind.into()),
        source: Some("src".into()),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

fn plan(mount: &Mount) -> Result<MountPlan, crate::Error> {
    MountPlan::of(mount, Path::new("/bundle"), "")
}

#[test]
fn dangling_links_are_made_where_they_point_inside() {
    let directory = tempfile::tempdir().expect("a directory");
    let inside = directory.path().join("root");
    std::fs::create_dir_all(inside.join("var")).expect("mkdir");
    symlink("/run", inside.join("var/run")).expect("link");
    symlink("../../../../outside/file", inside.join("var/file")).expect("link");
    symlink("loop", inside.join("loop")).expect("link");
    let root = root(&inside);
    root.make_directories(Path::new("/var/run/lock/deep")).expect("made");
    assert!(inside.join("run/lock/deep").is_dir());
    root.make_file(Path::new("/var/file")).expect("made");
    assert!(inside.join("outside/file").is_file());
    assert!(root.make_directories(Path::new("/loop/x")).is_err());
    assert_eq!(entries(directory.path()), 1);
}

#[test]
fn options_mean_what_fstab_says() {
    let one = plan(&mount(
        "/a/../b",
        "tmpfs",
        &["ro", "rw", "nosuid", "size=1m", "rslave", "rro", "mode=700", "noswap"],
    ))
    .expect("a plan");
    assert_eq!(one.destination, Path::new("/b"));
    assert!(!one.flags.has(Attributes::READ_ONLY) && one.flags.has(Attributes::NO_SUID));
    assert!(one.recursive.set.contains(Attributes::READ_ONLY));
    assert_eq!((one.data.len(), one.propagation.len()), (3, 1));
    let bind = plan(&mount("/a", "none", &["rbind"])).expect("a plan");
    assert_eq!(
        bind.what,
        What::Bind {
            source: "/bundle/src".into(),
            recursive: true
        }
    );
    let kind = plan(&mount("/a", "tmpfs", &["bind"])).expect("a plan");
    assert_eq!(
        kind.what,
        What::Bind {
            source: "/bundle/src".into(),
            recursive: false
        }
    );
    assert!(plan(&mount("/", "tmpfs", &[])).is_err() && plan(&mount("", "tmpfs", &[])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn clean_paths_have_only_names(path in "[./a-c]{0,30}") {
        let cleaned = clean(Path::new(&path));
        prop_assert!(cleaned.is_absolute());
        prop_assert!(cleaned.components().skip(1).all(|part| matches!(part, Component::Normal(_))));
    }

    #[test]
    fn no_options_panic(options in proptest::collection::vec("[a-z=,]{0,12}", 0..8)) {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let _ = plan(&mount("/x", "tmpfs", &options));
    }

    #[test]
    fn nothing_is_made_outside_whatever_links_there_are(
        links in proptest::collection::vec(("[ab]", "(/|\\.\\./|)([ab]|\\.\\.|c)(/([ab]|\\.\\.))?"), 0..5),
        wanted in proptest::collection::vec("[abc]|\\.\\.", 1..5),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let inside = directory.path().join("jail/root");
        std::fs::create_dir_all(&inside).expect("mkdir");
        for (name, target) in &links {
            let _ = symlink(target, inside.join(name));
        }
        let path: PathBuf = Path::new("/").join(wanted.iter().collect::<PathBuf>());
        let root = root(&inside);
        let _ = root.make_directories(&path);
        let _ = root.make_file(&path.join("file"));
        prop_assert_eq!(entries(directory.path()), 1);
        prop_assert_eq!(entries(&directory.path().join("jail")), 1);
    }
}
