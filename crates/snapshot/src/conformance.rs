//! The one suite that every driver must pass, and what it takes to mount in a test.
//!
//! A driver's test calls [`run`] with a function that opens it on a fresh data root. Real mounts are made, in mount
//! namespaces of the test's own threads, so that nothing is ever seen outside or left behind.

// A failed check of a test suite is a panic.
#![allow(clippy::unwrap_used)]

use crate::{CacheId, Error, Kind, Layout, Mount, Snapshotter, tree};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, getxattr, mknodat, setxattr};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change, unmount,
};
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tierce_sys::namespaces::{Kinds, unshare};

/// Opens the driver under test on a data root.
pub type Open<'a> = &'a dyn Fn(&Path) -> Result<Arc<dyn Snapshotter>, Error>;

/// Runs every case of the suite, each on a data root of its own. Prints `skipped: …` and returns when the driver does
/// not work on this machine.
///
/// # Panics
/// When the driver breaks the contract.
pub fn run(open: Open<'_>) {
    run_in(&std::env::temp_dir(), open);
}

/// As [`run`], with the data roots in `base`: for drivers that need a certain file system.
///
/// # Panics
/// When the driver breaks the contract.
pub fn run_in(base: &Path, open: Open<'_>) {
    let cases: [(&str, Case); 9] = [
        ("stacking", stacking),
        ("order", order_of_staging_does_not_matter),
        ("whiteouts", whiteouts),
        ("attributes", the_topmost_directory_counts),
        ("kinds of files", all_kinds_of_files_are_stacked),
        ("sharing", containers_share_and_do_not_see_each_other),
        ("init layer", init_layer),
        ("refusals", refusals),
        ("nothing stays", nothing_stays),
    ];
    for (name, case) in cases {
        let dir = tempfile::tempdir_in(base).unwrap();
        let driver = match open(dir.path()) {
            Ok(driver) => driver,
            Err(error) => {
                println!("skipped: {error}");
                return;
            }
        };
        println!("{}: {name}", driver.name());
        case(&Stage {
            driver,
            root: dir.path().to_owned(),
        });
    }
}

/// Runs `body` on a thread with a mount namespace and a working directory of its own.
///
/// Returns `None` after printing why when the machine forbids it.
pub fn in_private_mounts<T: Send>(body: impl FnOnce() -> T + Send) -> Option<T> {
    let run = || {
        if let Err(error) = unshare(Kinds::MOUNT) {
            println!("skipped: cannot have a mount namespace: {error}");
            return None;
        }
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let _served = Served;
        Some(body())
    };
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Ends the programs that serve mounts of this namespace: they live in it themselves, so it would not go without.
struct Served;

impl Drop for Served {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        for line in mounts.lines().filter(|line| line.contains(" - fuse.fuse-overlayfs ")) {
            if let Some(target) = line.split(' ').nth(4) {
                let _ = unmount(target, UnmountFlags::DETACH);
            }
        }
    }
}

/// Does the mounts, as the shim would, and says where the tree is. Only inside [`in_private_mounts`].
///
/// # Panics
/// When the kernel refuses.
pub fn mount_all(mounts: &[Mount]) -> PathBuf {
    for each in mounts {
        if each.kind == "bind" {
            mount_bind_recursive(&each.source, &each.target).unwrap();
            continue;
        }
        if let Some(kind) = each.kind.strip_prefix("fuse3.") {
            let mut helper = Command::new("mount.fuse3");
            helper.arg(&each.source).arg(&each.target);
            let options = each.options.join(",");
            let output = helper.args(["-o", &options, "-t", kind]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            continue;
        }
        let compact = each.compact().unwrap();
        rustix::process::chdir(&compact.working_directory).unwrap();
        let read_only = each.options.iter().any(|option| option == "ro");
        let flags = if read_only {
            MountFlags::RDONLY
        } else {
            MountFlags::empty()
        };
        let data = compact.data.strip_prefix("ro,").unwrap_or(&compact.data);
        mount(
            &*each.source,
            &each.target,
            &*each.kind,
            flags,
            Some(&*CString::new(data).unwrap()),
        )
        .unwrap();
    }
    mounts.last().unwrap().target.clone()
}

type Case = fn(&Stage);

struct Stage {
    driver: Arc<dyn Snapshotter>,
    root: PathBuf,
}

impl Stage {
    fn layer(&self, parent: Option<&CacheId>, write: impl FnOnce(&Path)) -> CacheId {
        let id = CacheId::random().unwrap();
        let dir = self.driver.stage(&id).unwrap();
        assert_eq!(dir, self.driver.diff_dir(&id));
        write(&dir);
        self.driver.commit(&id, parent).unwrap();
        id
    }

    fn container(&self, parent: &CacheId) -> CacheId {
        let id = CacheId::random().unwrap();
        self.driver.create(&id.init(), Some(parent), Kind::Init).unwrap();
        self.driver
            .create(&id, Some(&id.init()), Kind::Container { size: None })
            .unwrap();
        id
    }

    /// What a mount of the snapshot shows: `path` or `path=content` for each file, sorted.
    fn view(&self, id: &CacheId) -> Vec<String> {
        let mounts = self.driver.mounts(id).unwrap();
        in_private_mounts(|| list(&mount_all(&mounts))).unwrap_or_default()
    }

    fn whiteout(path: &Path) {
        mknodat(CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(0o600), 0).unwrap();
    }

    fn opaque(&self, dir: &Path) {
        let name = if self.driver.user_xattr() {
            "user.overlay.opaque"
        } else {
            "trusted.overlay.opaque"
        };
        setxattr(dir, name, b"y", XattrFlags::empty()).unwrap();
    }
}

/// The tree as text.
fn list(root: &Path) -> Vec<String> {
    fn walk(dir: &Path, prefix: &str, lines: &mut Vec<String>) {
        for name in tree::names(dir).unwrap() {
            let path = dir.join(&name);
            let line = format!("{prefix}{}", name.to_string_lossy());
            if path.symlink_metadata().unwrap().is_dir() {
                lines.push(format!("{line}/"));
                walk(&path, &format!("{line}/"), lines);
            } else {
                lines.push(format!("{line}={}", fs::read_to_string(&path).unwrap_or_default()));
            }
        }
    }
    let mut lines = Vec::new();
    walk(root, "", &mut lines);
    lines
}

fn stacking(stage: &Stage) {
    let bottom = stage.layer(None, |dir| {
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("d/a"), "1").unwrap();
        fs::write(dir.join("same"), "1").unwrap();
    });
    let middle = stage.layer(Some(&bottom), |dir| {
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("d/b"), "2").unwrap();
        fs::write(dir.join("same"), "2").unwrap();
    });
    let top = stage.layer(Some(&middle), |dir| fs::write(dir.join("c"), "3").unwrap());
    assert_eq!(stage.view(&top), ["c=3", "d/", "d/a=1", "d/b=2", "same=2"]);
    assert_eq!(
        stage.view(&bottom),
        ["d/", "d/a=1", "same=1"],
        "the lower layer has not changed"
    );
}

fn order_of_staging_does_not_matter(stage: &Stage) {
    let ids: Vec<_> = (0..5).map(|_| CacheId::random().unwrap()).collect();
    std::thread::scope(|scope| {
        for (index, id) in ids.iter().enumerate().rev() {
            scope.spawn(move || {
                let dir = stage.driver.stage(id).unwrap();
                fs::write(dir.join(format!("from-{index}")), "x").unwrap();
                fs::write(dir.join("who"), index.to_string()).unwrap();
            });
        }
    });
    let mut parent = None;
    for id in &ids {
        stage.driver.commit(id, parent).unwrap();
        parent = Some(id);
    }
    let view = stage.view(ids.last().unwrap());
    assert_eq!(
        view,
        ["from-0=x", "from-1=x", "from-2=x", "from-3=x", "from-4=x", "who=4"]
    );
}

fn whiteouts(stage: &Stage) {
    let bottom = stage.layer(None, |dir| {
        fs::create_dir_all(dir.join("gone/x")).unwrap();
        fs::create_dir(dir.join("remade")).unwrap();
        fs::write(dir.join("remade/old"), "1").unwrap();
        fs::write(dir.join("file"), "1").unwrap();
    });
    let top = stage.layer(Some(&bottom), |dir| {
        Stage::whiteout(&dir.join("gone"));
        fs::create_dir(dir.join("remade")).unwrap();
        stage.opaque(&dir.join("remade"));
        fs::write(dir.join("remade/new"), "2").unwrap();
        fs::create_dir(dir.join("file")).unwrap();
    });
    assert_eq!(stage.view(&top), ["file/", "remade/", "remade/new=2"]);
    let container = stage.container(&top);
    assert_eq!(stage.view(&container), ["file/", "remade/", "remade/new=2"]);
}

/// A directory that several layers have is the topmost one's in all but its entries.
fn the_topmost_directory_counts(stage: &Stage) {
    let bottom = stage.layer(None, |dir| {
        fs::create_dir(dir.join("d")).unwrap();
        setxattr(dir.join("d"), "user.old", b"1", XattrFlags::empty()).unwrap();
        fs::write(dir.join("d/below"), "1").unwrap();
    });
    let top = stage.layer(Some(&bottom), |dir| {
        fs::create_dir(dir.join("d")).unwrap();
        setxattr(dir.join("d"), "user.new", b"2", XattrFlags::empty()).unwrap();
        fs::set_permissions(dir.join("d"), fs::Permissions::from_mode(0o1751)).unwrap();
        let time = UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        fs::File::open(dir.join("d")).unwrap().set_modified(time).unwrap();
    });
    let mounts = stage.driver.mounts(&stage.container(&top)).unwrap();
    in_private_mounts(|| {
        let d = mount_all(&mounts).join("d");
        let metadata = d.metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        assert_eq!(
            (mode, metadata.mtime(), metadata.mtime_nsec()),
            (0o1751, 1_000_000_000, 123_456_789)
        );
        let value = |name| getxattr(&d, name, &mut [0_u8; 8][..]).ok();
        assert_eq!((value("user.old"), value("user.new")), (None, Some(1)));
        assert_eq!(list(&d), ["below=1"]);
    });
}

fn all_kinds_of_files_are_stacked(stage: &Stage) {
    let bottom = stage.layer(None, |dir| fs::write(dir.join("b"), "1").unwrap());
    let strange = OsStr::from_bytes(b"not \xFF UTF-8");
    let deep: PathBuf = std::iter::repeat_n("d", 150).collect();
    let top = stage.layer(Some(&bottom), |dir| {
        fs::write(dir.join("suid"), vec![7; 100_000]).unwrap();
        fs::set_permissions(dir.join("suid"), fs::Permissions::from_mode(0o4711)).unwrap();
        fs::hard_link(dir.join("suid"), dir.join("zweiter")).unwrap();
        setxattr(dir.join("suid"), "user.kept", b"x", XattrFlags::empty()).unwrap();
        fs::write(dir.join("empty"), "").unwrap();
        symlink("/nowhere", dir.join("link")).unwrap();
        mknodat(CWD, dir.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
        fs::write(dir.join(strange), "strange").unwrap();
        fs::create_dir_all(dir.join(&deep)).unwrap();
        fs::write(dir.join(&deep).join("file"), "deep").unwrap();
    });
    let mounts = stage.driver.mounts(&stage.container(&top)).unwrap();
    in_private_mounts(|| {
        let root = mount_all(&mounts);
        let look = |name: &str| root.join(name).symlink_metadata().unwrap();
        assert_eq!(look("suid").permissions().mode() & 0o7777, 0o4711);
        assert!(fs::read(root.join("suid")).unwrap() == vec![7; 100_000]);
        assert_eq!((look("suid").ino(), look("suid").nlink()), (look("zweiter").ino(), 2));
        assert_eq!(getxattr(root.join("suid"), "user.kept", &mut [0_u8; 8][..]), Ok(1));
        assert_eq!(look("empty").len(), 0);
        assert_eq!(fs::read_link(root.join("link")).unwrap(), Path::new("/nowhere"));
        assert!(look("fifo").file_type().is_fifo() && look("fifo").permissions().mode() & 0o777 == 0o640);
        assert_eq!(fs::read(root.join(strange)).unwrap(), b"strange");
        assert_eq!(fs::read(root.join(&deep).join("file")).unwrap(), b"deep");
    });
}

fn containers_share_and_do_not_see_each_other(stage: &Stage) {
    let image = stage.layer(None, |dir| fs::write(dir.join("f"), "image").unwrap());
    let (a, b) = (stage.container(&image), stage.container(&image));
    let mounts = stage.driver.mounts(&a).unwrap();
    let done = in_private_mounts(|| fs::write(mount_all(&mounts).join("f"), "a").unwrap());
    if done.is_none() {
        return;
    }
    assert_eq!(stage.view(&a), ["f=a"], "the change outlives the mount");
    assert_eq!(stage.view(&b), ["f=image"]);
    assert_eq!(stage.view(&stage.container(&image)), ["f=image"]);
}

fn init_layer(stage: &Stage) {
    let image = stage.layer(None, |dir| fs::write(dir.join("f"), "image").unwrap());
    let id = CacheId::random().unwrap();
    stage.driver.create(&id.init(), Some(&image), Kind::Init).unwrap();
    fs::write(stage.driver.diff_dir(&id.init()).join("hosts"), "").unwrap();
    stage
        .driver
        .create(&id, Some(&id.init()), Kind::Container { size: None })
        .unwrap();
    assert_eq!(stage.view(&id), ["f=image", "hosts="]);
    if let Layout::Overlay { upper, lowers, .. } = stage.driver.layout(&id).unwrap() {
        assert_eq!(upper, stage.driver.diff_dir(&id));
        assert_eq!(
            lowers,
            [stage.driver.diff_dir(&id.init()), stage.driver.diff_dir(&image)]
        );
        assert!(
            list(&upper).is_empty(),
            "the init layer's files are not the container's"
        );
    }
}

fn refusals(stage: &Stage) {
    let (a, b) = (CacheId::random().unwrap(), CacheId::random().unwrap());
    assert!(matches!(stage.driver.mounts(&a), Err(Error::NotFound { .. })));
    assert!(matches!(stage.driver.layout(&a), Err(Error::NotFound { .. })));
    assert!(matches!(stage.driver.commit(&a, None), Err(Error::NotFound { .. })));
    stage.driver.stage(&a).unwrap();
    assert!(matches!(stage.driver.stage(&a), Err(Error::Exists(_))));
    assert!(matches!(stage.driver.commit(&a, Some(&b)), Err(Error::NotFound { .. })));
    let orphan = stage
        .driver
        .create(&CacheId::random().unwrap(), Some(&b), Kind::Container { size: None });
    assert!(matches!(orphan, Err(Error::NotFound { .. })));
    stage.driver.remove(&b).unwrap();
}

fn nothing_stays(stage: &Stage) {
    let before = list(&stage.root.join(stage.driver.name()));
    let image = stage.layer(None, |dir| fs::write(dir.join("f"), "x").unwrap());
    let container = stage.container(&image);
    let mounts = stage.driver.mounts(&container).unwrap();
    in_private_mounts(|| fs::write(mount_all(&mounts).join("g"), "y").unwrap());
    let staged = CacheId::random().unwrap();
    stage.driver.stage(&staged).unwrap();
    for id in [&staged, &container, &container.init(), &image] {
        stage.driver.remove(id).unwrap();
        stage.driver.remove(id).unwrap();
    }
    assert_eq!(list(&stage.root.join(stage.driver.name())), before);
}
