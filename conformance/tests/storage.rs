//! The union file system, seen from the host and from inside: rows 39 to 69.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tierce_testkit::{Daemon, Disk, Entry, ImageBuilder, Run as _, missing_tool};

/// An image with a base layer and one on top of it.
fn two_layers() -> ImageBuilder {
    let file = |name, content: &str| Entry::File(name, content.into(), 0o644);
    ImageBuilder::busybox()
        .layer(&[
            file("shared/both", "lower"),
            file("shared/low", "low"),
            file("only-low", "x"),
        ])
        .layer(&[file("shared/both", "upper"), file("shared/high", "high")])
}

fn start(image: &ImageBuilder) -> (Daemon, String, Tree) {
    let mut daemon = Daemon::start();
    let name = daemon.add_image(image, "image");
    let id = daemon
        .docker(&["run", "-d", "--name", "c1", &name, "sleep", "1000"])
        .ok();
    let tree = Tree::of(&daemon, &id);
    (daemon, name, tree)
}

/// The directories of a container.
struct Tree {
    lower: Vec<PathBuf>,
    upper: PathBuf,
    work: PathBuf,
    merged: PathBuf,
}

impl Tree {
    fn of(daemon: &Daemon, id: &str) -> Self {
        let data = |key: &str| daemon.inspect(id, &format!("{{{{.GraphDriver.Data.{key}}}}}"));
        Self {
            lower: data("LowerDir").split(':').map(PathBuf::from).collect(),
            upper: data("UpperDir").into(),
            work: data("WorkDir").into(),
            merged: data("MergedDir").into(),
        }
    }
}

fn exec(daemon: &Daemon, script: &str) -> String {
    daemon.docker(&["exec", "c1", "sh", "-c", script]).ok()
}

/// A daemon with this driver, and the disk that it needs; `None`, after saying why, where the driver does not work.
fn start_with_driver(driver: &str) -> Option<(Daemon, Option<Disk>)> {
    let lacks = match driver {
        "fuse-overlayfs" => missing_tool(&["fuse-overlayfs", "fusermount3"])
            .or_else(|| (!Path::new("/dev/fuse").exists()).then(|| "skipped: there is no /dev/fuse".to_owned())),
        _ => None,
    };
    let disk = match (driver == "btrfs").then(|| Disk::new("btrfs", 2 << 30)).transpose() {
        Ok(disk) if lacks.is_none() => disk,
        Ok(_) => {
            println!("{driver}: {}", lacks.unwrap_or_default());
            return None;
        }
        Err(reason) => {
            println!("skipped {driver}: {reason}");
            return None;
        }
    };
    let flags = ["--storage-driver", driver];
    let daemon = disk
        .as_ref()
        .map_or_else(|| Daemon::start_with(&flags), |disk| disk.daemon(&flags));
    assert_eq!(daemon.docker(&["info", "--format", "{{.Driver}}"]).ok(), driver);
    Some((daemon, disk))
}

/// Everything that a storage driver has to do with, once.
fn use_everything(daemon: &mut Daemon, driver: &str) {
    let image = daemon.add_image(&two_layers(), "image");
    let run =
        |daemon: &Daemon, image: &str, script: &str| daemon.docker(&["run", "--rm", image, "sh", "-c", script]).ok();
    assert_eq!(run(daemon, &image, "cat /shared/both /shared/low"), "upperlow");
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "1000"])
        .ok();
    exec(
        daemon,
        "echo new > /shared/new; rm /only-low; echo more >> /shared/low; rm -r /tmp; mkdir /tmp; echo t > /tmp/t",
    );
    let diff = daemon.docker(&["diff", "c1"]).ok();
    let expected = [
        "A /shared/new",
        "A /tmp/t",
        "C /shared",
        "C /shared/low",
        "C /tmp",
        "D /only-low",
    ];
    let mut lines: Vec<&str> = diff.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected, "{driver}");
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str| scratch.path().join(name).to_string_lossy().into_owned();
    for state in ["running", "stopped"] {
        daemon.docker(&["export", "-o", &file(state), "c1"]).ok();
        let read = |member| Command::new("tar").args(["-xOf", &file(state), member]).run();
        assert_eq!(read("shared/new").ok(), "new", "{driver}: {state}");
        let names = Command::new("tar").args(["-tf", &file(state)]).run().ok();
        assert!(
            !names.contains("only-low") && !names.contains(".wh."),
            "{driver}: {names}"
        );
        daemon.docker(&["stop", "-t", "0", "c1"]).ok();
    }
    daemon.docker(&["commit", "c1", "copy"]).ok();
    let script = "cat /shared/new /shared/low /tmp/t; ls -a /tmp; ls /only-low";
    let copied = |daemon: &Daemon| {
        let output = daemon.docker(&["run", "--rm", "copy", "sh", "-c", script]);
        assert!(
            output.code != 0 && output.stderr.contains("No such file"),
            "{driver}: {output:?}"
        );
        assert_eq!(output.stdout, "new\nlowmore\nt\n.\n..\nt\n", "{driver}");
    };
    copied(daemon);
    daemon.docker(&["start", "c1"]).ok();
    assert_eq!(
        exec(daemon, "cat /shared/new"),
        "new",
        "{driver}: the layer outlives the stop"
    );
    let size = daemon.docker(&["ps", "--size", "--format", "{{.Size}}"]).ok();
    assert!(!size.starts_with("0B"), "{driver}: {size}");
    daemon.docker(&["rm", "-f", "c1"]).ok();
    daemon.docker(&["save", "-o", &file("save"), "copy"]).ok();
    daemon.docker(&["rmi", "copy"]).ok();
    daemon.docker(&["load", "-i", &file("save")]).ok();
    copied(daemon);
    daemon.docker(&["rmi", "copy", &image]).ok();
}

/// Snapshots in a driver's directory.
fn snapshots(daemon: &Daemon, driver: &str) -> Vec<String> {
    let home = daemon.data_root().join(driver);
    let home = match driver {
        "btrfs" => home.join("subvolumes"),
        "vfs" => home.join("dir"),
        _ => home,
    };
    let names = fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "l").collect()
}

#[test]
fn row_039_info_names_the_driver_and_every_driver_runs() {
    for driver in ["overlay2", "fuse-overlayfs", "btrfs", "vfs"] {
        let Some((mut daemon, _disk)) = start_with_driver(driver) else {
            continue;
        };
        use_everything(&mut daemon, driver);
        assert!(
            snapshots(&daemon, driver).is_empty(),
            "{driver}: {:?}",
            snapshots(&daemon, driver)
        );
        daemon.wait_until_nothing_is_left();
        drop(daemon);
    }
}

#[test]
fn the_root_that_fuse_overlayfs_serves_goes_when_the_shim_is_killed() {
    let Some((mut daemon, _disk)) = start_with_driver("fuse-overlayfs") else {
        return;
    };
    let image = daemon.add_image(&two_layers(), "image");
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "1000"])
        .ok();
    let traces = format!("{:?}", daemon.traces());
    assert!(traces.contains("fuse-overlayfs"), "{traces}");
    let pid = daemon.inspect("c1", "{{.State.Pid}}");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let shim = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap()
        .trim()
        .to_owned();
    Command::new("kill").args(["-9", &shim]).run().ok();
    daemon.wait_until_nothing_is_left();
    daemon.docker(&["start", "c1"]).ok();
    assert_eq!(exec(&daemon, "cat /shared/both"), "upper");
}

#[test]
fn a_size_is_kept_or_refused_in_dockers_words() {
    let refused = |daemon: &Daemon, image: &str, option: &str| {
        daemon
            .docker(&["create", "--storage-opt", option, image, "true"])
            .fails(1)
    };
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&two_layers(), "image");
    let text = refused(&daemon, &image, "foo=1");
    assert!(text.contains("Unknown option foo"), "{text}");
    let text = daemon
        .tierce(&["create", "--storage-opt", "size", &image, "true"])
        .fails(125);
    assert!(text.contains("invalid storage option"), "{text}");
    let text = daemon
        .tierce(&["create", "--storage-opt", "size=1G", &image, "true"])
        .fails(1);
    let words = "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";
    assert!(text.contains(words), "{text}");
    assert_eq!(
        daemon.docker(&["ps", "--all", "--quiet"]).ok(),
        "",
        "nothing of it stays"
    );
    let Some((mut daemon, _disk)) = start_with_driver("btrfs") else {
        return;
    };
    let image = daemon.add_image(&two_layers(), "image");
    let script = "dd if=/dev/zero of=/big bs=1M count=64";
    let output = daemon.docker(&["run", "--rm", "--storage-opt", "size=32M", &image, "sh", "-c", script]);
    assert!(
        output.code != 0 && output.stderr.contains("quota exceeded"),
        "{output:?}"
    );
}

#[test]
fn row_042_row_043_the_layout_is_overlay2s() {
    let (daemon, name, tree) = start(&two_layers());
    let root = daemon.data_root().join("overlay2");
    let home = tree.upper.parent().unwrap();
    for entry in ["diff", "link", "lower", "merged", "work"] {
        assert!(home.join(entry).exists(), "{entry}");
    }
    let link = fs::read_to_string(home.join("link")).unwrap();
    assert_eq!(
        fs::canonicalize(root.join("l").join(&link)).unwrap(),
        fs::canonicalize(&tree.upper).unwrap()
    );
    let lower = fs::read_to_string(home.join("lower")).unwrap();
    assert!(
        lower.split(':').all(|part| part.starts_with("l/") && part.len() == 28),
        "{lower}"
    );
    // The container's lower directories: the init layer, then the image's own upper and lower ones.
    assert!(tree.lower[0].parent().unwrap().to_string_lossy().ends_with("-init"));
    assert_eq!(
        tree.lower[1],
        PathBuf::from(daemon.inspect(&name, "{{.GraphDriver.Data.UpperDir}}"))
    );
    let image_lower = daemon.inspect(&name, "{{.GraphDriver.Data.LowerDir}}");
    assert_eq!(
        tree.lower[2..]
            .iter()
            .map(|path| path.to_string_lossy())
            .collect::<Vec<_>>()
            .join(":"),
        image_lower
    );
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let options = mounts
        .lines()
        .find(|line| line.contains(&*tree.merged.to_string_lossy()))
        .unwrap();
    assert!(options.len() < 4096);
}

#[test]
fn row_042_an_image_of_128_layers_runs() {
    let mut image = ImageBuilder::busybox();
    for _ in 0..124 {
        image = image.layer(&[Entry::File("counter", b"x".to_vec(), 0o644)]);
    }
    let (daemon, _name, tree) = start(&image);
    assert!(tree.lower.len() >= 126, "{}", tree.lower.len());
    assert_eq!(exec(&daemon, "cat /counter"), "x");
}

#[test]
fn row_044_a_mount_by_hand_shows_the_same_tree() {
    let (daemon, _name, tree) = start(&two_layers());
    let elsewhere = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir_in(daemon.data_root()).unwrap();
    for name in ["up", "work"] {
        fs::create_dir(scratch.path().join(name)).unwrap();
    }
    let lower = tree
        .lower
        .iter()
        .map(|path| path.to_string_lossy())
        .collect::<Vec<_>>()
        .join(":");
    let script = format!(
        "mount -t overlay overlay -o lowerdir={}:{lower},upperdir={s}/up,workdir={s}/work {e} && cd {e} && find . -xdev | sort",
        tree.upper.display(),
        s = scratch.path().display(),
        e = elsewhere.path().display()
    );
    let by_hand = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .run()
        .ok();
    let merged = Command::new("sh")
        .args(["-c", &format!("cd {} && find . -xdev | sort", tree.merged.display())])
        .run()
        .ok();
    assert_eq!(by_hand, merged);
}

#[test]
fn row_045_row_046_a_file_is_in_diff_and_merged_and_the_host_can_write() {
    let (daemon, _name, tree) = start(&two_layers());
    exec(&daemon, "echo inside > /unique-name-of-row-45");
    let found = Command::new("find")
        .arg(daemon.data_root())
        .args(["-name", "unique-name-of-row-45"])
        .run()
        .ok();
    let mut paths: Vec<&str> = found.lines().collect();
    paths.sort_unstable();
    let mut expected = [
        tree.upper.join("unique-name-of-row-45"),
        tree.merged.join("unique-name-of-row-45"),
    ];
    expected.sort();
    assert_eq!(paths.iter().map(PathBuf::from).collect::<Vec<_>>(), expected);
    fs::write(tree.merged.join("from-host"), "seen\n").unwrap();
    assert_eq!(exec(&daemon, "cat /from-host"), "seen");
    daemon.docker(&["stop", "-t", "0", "c1"]).ok();
    assert!(
        fs::read_dir(&tree.merged).map_or(true, |mut entries| entries.next().is_none()),
        "merged is empty after stop"
    );
}

#[test]
fn row_047_row_048_upper_wins_and_directories_merge() {
    let (daemon, _name, tree) = start(&two_layers());
    assert_eq!(
        exec(&daemon, "cat /shared/both /shared/low /shared/high; ls /shared"),
        "upperlowhighboth\nhigh\nlow"
    );
    fs::create_dir_all(tree.upper.join("shared")).ok();
    exec(&daemon, "echo top > /shared/both");
    assert_eq!(exec(&daemon, "cat /shared/both"), "top");
}

#[test]
fn row_049_the_first_write_copies_the_whole_file_up() {
    let (daemon, _name, tree) = start(&two_layers());
    let lower = tree
        .lower
        .iter()
        .map(|path| path.join("bin/busybox"))
        .find(|path| path.exists())
        .unwrap();
    let (size, sum) = (lower.metadata().unwrap().st_size(), fs::read(&lower).unwrap());
    exec(&daemon, "cp /bin/busybox /tmp/b; echo tail >> /only-low");
    assert_eq!(fs::read_to_string(tree.upper.join("only-low")).unwrap(), "xtail\n");
    let inode = tree.upper.join("only-low").metadata().unwrap().st_ino();
    exec(&daemon, "echo more >> /only-low");
    assert_eq!(
        tree.upper.join("only-low").metadata().unwrap().st_ino(),
        inode,
        "the second write copies nothing"
    );
    assert_eq!(
        (lower.metadata().unwrap().st_size(), fs::read(&lower).unwrap() == sum),
        (size, true)
    );
}

#[test]
fn row_050_row_051_row_052_deleting_leaves_a_whiteout_only_over_a_lower_file() {
    let (daemon, _name, tree) = start(&two_layers());
    exec(&daemon, "echo x > /fresh && rm /fresh");
    assert!(
        fs::symlink_metadata(tree.upper.join("fresh")).is_err(),
        "no whiteout without a lower file"
    );
    exec(&daemon, "rm /only-low && mv /bin/echo /bin/echo.old");
    for name in ["only-low", "bin/echo"] {
        let whiteout = fs::symlink_metadata(tree.upper.join(name)).unwrap();
        assert!(
            whiteout.file_type().is_char_device() && whiteout.st_rdev() == 0,
            "{name}"
        );
    }
    assert!(tree.upper.join("bin/echo.old").exists());
    assert!(
        tree.lower.iter().any(|lower| lower.join("only-low").exists()),
        "the lower file is intact"
    );
    exec(
        &daemon,
        "touch /only-low && rm -r /shared && mkdir /shared && touch /shared/new",
    );
    assert!(
        fs::symlink_metadata(tree.upper.join("only-low")).unwrap().is_file(),
        "the whiteout is gone"
    );
    assert_eq!(
        exec(&daemon, "ls /shared"),
        "new",
        "an opaque directory hides what was below"
    );
}

#[test]
fn row_063_the_init_layer_holds_the_mount_points() {
    let (_daemon, _name, tree) = start(&two_layers());
    let init = &tree.lower[0];
    for entry in [
        "etc/hostname",
        "etc/hosts",
        "etc/resolv.conf",
        "dev/console",
        ".dockerenv",
    ] {
        assert!(init.join(entry).is_file(), "{entry}");
    }
    // Directories that the image has are not made again.
    for entry in ["dev/pts", "dev/shm", "proc", "sys"] {
        assert!(tree.lower.iter().any(|layer| layer.join(entry).is_dir()), "{entry}");
    }
    assert!(init.join("dev/pts").is_dir() && !init.join("proc").exists());
    assert!(fs::symlink_metadata(init.join("etc/mtab")).unwrap().is_symlink());
}

#[test]
fn row_064_row_065_containers_cost_nothing_until_they_write() {
    let (daemon, name, tree) = start(&two_layers());
    let used = |path: &Path| -> u64 {
        Command::new("du")
            .args(["-sk", "-x"])
            .arg(path)
            .run()
            .ok()
            .split('\t')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let root = daemon.data_root().join("overlay2");
    let before = used(&root);
    for _ in 0..20 {
        daemon.docker(&["create", &name]).ok();
    }
    assert!(
        used(&root) - before < 20 * 120,
        "{} KiB for 20 containers",
        used(&root) - before
    );
    assert!(used(&tree.upper) < 64);
}

#[test]
fn row_067_the_layer_of_a_container_lives_as_long_as_it() {
    let (daemon, _name, tree) = start(&two_layers());
    exec(&daemon, "echo kept > /kept");
    daemon.docker(&["stop", "-t", "0", "c1"]).ok();
    assert_eq!(fs::read_to_string(tree.upper.join("kept")).unwrap(), "kept\n");
    daemon.docker(&["start", "c1"]).ok();
    assert_eq!(exec(&daemon, "cat /kept"), "kept");
    daemon.docker(&["rm", "-f", "c1"]).ok();
    assert!(!tree.upper.exists() && !tree.work.exists());
}

#[test]
fn row_069_what_one_writes_no_other_sees() {
    let (daemon, name, _tree) = start(&two_layers());
    daemon
        .docker(&["run", "-d", "--name", "b1", &name, "sleep", "1000"])
        .ok();
    exec(&daemon, "echo changed > /shared/both");
    assert_eq!(daemon.docker(&["exec", "b1", "cat", "/shared/both"]).ok(), "upper");
    assert_eq!(
        daemon.docker(&["run", "--rm", &name, "cat", "/shared/both"]).ok(),
        "upper"
    );
}

#[test]
fn row_040_row_061_a_driver_that_cannot_be_had_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .arg("60")
        .arg(tierce_testkit::binary("tierced"))
        .args([
            "--config-file",
            "/dev/null",
            "--storage-driver",
            "devicemapper",
            "--data-root",
        ])
        .arg(root.path().join("data"))
        .arg("--exec-root")
        .arg(root.path().join("exec"))
        .arg("-H")
        .arg(format!("unix://{}", root.path().join("sock").display()))
        .run();
    let error = output.fails(1);
    assert!(error.contains("devicemapper"), "{error}");
}

#[test]
fn row_096_another_driver_hides_images_and_containers_and_the_first_shows_them_again() {
    let (mut daemon, image, _) = start(&two_layers());
    let script = "echo kept > /mine; echo kept > /volume/file";
    daemon
        .docker(&["run", "--name", "c2", "-v", "data:/volume", &image, "sh", "-c", script])
        .ok();
    daemon.docker(&["stop", "-t", "0", "c1"]).ok();
    daemon.flags = ["--storage-driver", "vfs"].map(str::to_owned).to_vec();
    daemon.restart();
    assert_eq!(daemon.docker(&["images", "--quiet"]).ok(), "");
    assert!(daemon.log().contains("images of overlay2 are hidden"));
    assert_eq!(daemon.docker(&["ps", "--all", "--quiet"]).ok(), "");
    // Whatever is done here is not done to them.
    daemon.docker(&["pull", "--quiet", &image]).ok();
    daemon.docker(&["run", "--rm", &image, "true"]).ok();
    daemon
        .docker(&["system", "prune", "--all", "--volumes", "--force"])
        .ok();
    daemon.docker(&["volume", "prune", "--all", "--force"]).ok();
    daemon.flags.clear();
    daemon.restart();
    assert_eq!(daemon.docker(&["ps", "--all", "--quiet"]).ok().lines().count(), 2);
    assert!(daemon.log().contains("holds what overlay2 stored"));
    daemon.docker(&["start", "c1"]).ok();
    assert_eq!(exec(&daemon, "cat /shared/both"), "upper");
    daemon.docker(&["commit", "c2", "copy"]).ok();
    assert_eq!(
        daemon
            .docker(&[
                "run",
                "--rm",
                "-v",
                "data:/volume",
                "copy",
                "cat",
                "/mine",
                "/volume/file"
            ])
            .ok(),
        "kept\nkept"
    );
}

#[test]
fn row_055_the_work_directory_is_empty_and_out_of_view() {
    let (daemon, _name, tree) = start(&two_layers());
    exec(&daemon, "echo x >> /shared/low; rm /only-low");
    // The kernel keeps one whiteout there, to link the next ones from.
    let files = Command::new("find")
        .arg(&tree.work)
        .args(["-mindepth", "2", "!", "-type", "c"])
        .run()
        .ok();
    assert_eq!(files, "");
    assert!(!exec(&daemon, "ls -a /").lines().any(|name| name.starts_with("work")));
}

#[test]
fn row_056_containers_share_the_pages_of_lower_files() {
    let (daemon, name, tree) = start(&two_layers());
    daemon
        .docker(&["run", "-d", "--name", "c2", &name, "sleep", "1000"])
        .ok();
    // What a process maps is the lower file itself: its inode is told, whatever the mount it came by.
    let inode = |container: &str| {
        let pid = daemon.inspect(container, "{{.State.Pid}}");
        fs::metadata(format!("/proc/{pid}/exe")).unwrap().st_ino()
    };
    let lower = tree
        .lower
        .iter()
        .map(|path| path.join("bin/busybox"))
        .find(|path| path.exists())
        .unwrap();
    assert_eq!([inode("c1"), inode("c2")], [lower.metadata().unwrap().st_ino(); 2]);
}

#[test]
fn row_064_the_client_shows_what_a_container_costs() {
    let (daemon, name, _tree) = start(&two_layers());
    let size = |object: &str| {
        daemon
            .docker(&["ps", "-a", "-s", "--filter", object, "--format", "{{.Size}}"])
            .ok()
    };
    daemon.docker(&["create", "--name", "idle", &name]).ok();
    assert!(size("name=idle").starts_with("0B (virtual "), "{}", size("name=idle"));
    exec(
        &daemon,
        "head -c 1000 /dev/zero > /thousand; echo x >> /shared/low; rm /only-low",
    );
    assert!(size("name=c1").starts_with("1kB (virtual "), "{}", size("name=c1"));
    let mut changes: Vec<String> = daemon.docker(&["diff", "c1"]).ok().lines().map(str::to_owned).collect();
    changes.sort();
    assert_eq!(changes, ["A /thousand", "C /shared", "C /shared/low", "D /only-low"]);
}
