//! Each known way out of a container, tried.

mod bed;

use bed::{Bed, Said, bed, program};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::mount::MountFlags;
use serde_json::json;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tierce_sys::mount_attributes::{self, Attributes, Change};

#[test]
fn cve_2021_30465_a_mount_target_behind_a_link_stays_inside() {
    let Some(mut bed) = bed() else { return };
    let outside = bed.path().join("outside");
    std::fs::create_dir(&outside).expect("mkdir");
    symlink(&outside, bed.rootfs().join("absolute")).expect("link");
    symlink("../../../../../../../..", bed.rootfs().join("up")).expect("link");
    let list = bed.config["mounts"].as_array_mut().expect("a list");
    list.push(json!({"destination": "/absolute/x", "type": "tmpfs", "source": "tmpfs"}));
    list.push(json!({"destination": "/up/climbed/y", "type": "tmpfs", "source": "tmpfs"}));
    let said = bed
        .script("grep -c -E ' (/climbed/y|.*/outside/x) ' /proc/self/mountinfo")
        .run();
    assert_eq!((said.code, said.out.as_str()), (0, "2\n"), "{said:?}");
    assert_eq!(std::fs::read_dir(&outside).expect("a directory").count(), 0);
    assert!(bed.rootfs().join("climbed/y").is_dir());
}

#[test]
fn cve_2019_16884_proc_is_the_real_one_or_nothing() {
    let Some(mut bed) = bed() else { return };
    std::fs::create_dir(bed.rootfs().join("false-proc")).expect("mkdir");
    symlink("false-proc", bed.rootfs().join("proc")).expect("link");
    let said = bed.args(&["true"]).run();
    assert!(
        said.code == 1 && said.err.contains("must be mounted on ordinary directory"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn cve_2019_16884_nothing_covers_proc() {
    let Some(mut bed) = bed() else { return };
    let good = bed.config.clone();
    for (destination, words) in [
        ("/proc/self/attr", "inside /proc"),
        ("/proc", "not of type proc"),
        ("/x/sys", "inside /proc"),
    ] {
        bed.config = good.clone();
        if destination.starts_with("/x") && !bed.rootfs().join("x").exists() {
            symlink("/proc", bed.rootfs().join("x")).expect("link");
        }
        let source = bed.path().display().to_string();
        bed.config["mounts"]
            .as_array_mut()
            .expect("a list")
            .push(json!({"destination": destination, "source": source, "options": ["bind"]}));
        let said = bed.args(&["true"]).run();
        assert!(said.code == 1 && said.err.contains(words), "{destination}: {said:?}");
    }
}

#[test]
fn cve_2025_52565_a_false_multiplexer_is_refused() {
    let Some(mut bed) = bed() else { return };
    bed.config["mounts"]
        .as_array_mut()
        .expect("a list")
        .retain(|mount| mount["type"] != "devpts" && mount["destination"] != "/dev");
    std::fs::create_dir_all(bed.rootfs().join("dev/pts")).expect("mkdir");
    std::fs::write(bed.rootfs().join("dev/pts/ptmx"), "").expect("write");
    bed.config["process"]["terminal"] = json!(true);
    let said = bed.args(&["true"]).run();
    assert!(
        said.code == 1 && said.err.contains("not a terminal multiplexer"),
        "{said:?}"
    );
}

/// Runs a verb with descriptor 7 open on a directory of the host, as a careless caller would.
fn with_leak(bed: &Bed, directory: &Path, words: &[&str]) -> Said {
    let command = bed.command();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec 7<\"$0\"; exec \"$@\""]).arg(directory);
    shell.arg(command.get_program()).args(command.get_args()).args(words);
    shell.current_dir(bed.path().join("bundle"));
    shell.stdin(Stdio::null()).output().expect("execute").into()
}

/// A directory of the host with a program in it.
fn outside(bed: &Bed) -> PathBuf {
    let outside = bed.path().join("outside");
    std::fs::create_dir(&outside).expect("mkdir");
    std::fs::copy("/bin/busybox", outside.join("id")).expect("copy");
    outside
}

#[test]
fn cve_2024_21626_a_leaked_descriptor_is_no_way_to_the_host() {
    let Some(mut bed) = bed() else { return };
    let outside = outside(&bed);
    symlink("/proc/self/fd/7", bed.rootfs().join("image-link")).expect("link");
    let plain = bed.config.clone();
    for directory in [
        "/proc/self/fd/7",
        "/image-link",
        "/proc/thread-self/fd/7/..",
        "/proc/1/fd/7",
    ] {
        bed.config["process"]["cwd"] = json!(directory);
        bed.script("pwd; ls ..").write();
        // Given on purpose it exists, and still leads nowhere.
        for words in [&["run"][..], &["run", "--preserve-fds", "5"]] {
            if words.len() > 1 {
                // 3 to 6 must be open, too.
                bed.config["process"]["cwd"] = json!(directory.replace('7', "3"));
                bed.write();
            }
            let said = with_leak(&bed, &outside, &[words, &[bed.id.as_str()]].concat());
            assert!(said.code != 0 && said.out.is_empty(), "{directory} {words:?}: {said:?}");
        }
    }
    bed.config = plain;
    for program in ["/proc/self/fd/7/id", "/image-link/id"] {
        bed.args(&[program]).write();
        let said = with_leak(&bed, &outside, &["run", &bed.id]);
        assert!(said.code != 0 && said.out.is_empty(), "{program}: {said:?}");
    }
    bed.script("ls /proc/self/fd").write();
    // The fourth is the directory that ls itself reads.
    assert_eq!(with_leak(&bed, &outside, &["run", &bed.id]).out, "0\n1\n2\n3\n");

    bed.args(&["sleep", "60"]).start();
    assert_eq!(
        with_leak(&bed, &outside, &["exec", &bed.id, "ls", "/proc/self/fd"]).out,
        "0\n1\n2\n3\n"
    );
    for words in [
        &["exec", "--cwd", "/proc/self/fd/7", &bed.id, "pwd"][..],
        &["exec", "--cwd", "/image-link", &bed.id, "pwd"],
        &["exec", &bed.id, "/proc/self/fd/7/id"],
    ] {
        let said = with_leak(&bed, &outside, words);
        assert!(said.code != 0 && said.out.is_empty(), "{words:?}: {said:?}");
    }
}

#[test]
fn cve_2024_21626_a_directory_given_on_purpose_is_not_entered() {
    let Some(mut bed) = bed() else { return };
    let outside = outside(&bed);
    let shell = |bed: &Bed, words: &[&str]| -> Said {
        let command = bed.command();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "exec 3<\"$0\"; exec \"$@\""]).arg(&outside);
        shell.arg(command.get_program()).args(command.get_args()).args(words);
        shell.current_dir(bed.path().join("bundle"));
        shell.stdin(Stdio::null()).output().expect("execute").into()
    };
    bed.config["process"]["cwd"] = json!("/proc/self/fd/3");
    bed.args(&["pwd"]).write();
    let said = shell(&bed, &["run", "--preserve-fds", "1", &bed.id]);
    assert!(said.code != 0 && said.out.is_empty(), "{said:?}");
    bed.config["process"]["cwd"] = json!("/");
    bed.args(&["sleep", "60"]).start();
    let said = shell(
        &bed,
        &[
            "exec",
            "--preserve-fds",
            "1",
            "--cwd",
            "/proc/self/fd/3",
            &bed.id,
            "pwd",
        ],
    );
    let words = "current working directory is outside of container mount namespace root";
    assert!(said.code != 0 && said.err.contains(words), "{said:?}");
}

#[test]
fn cve_2024_21626_descriptors_that_are_not_there_are_not_made_of_the_runtimes_own() {
    let Some(mut bed) = bed() else { return };
    bed.script("ls /proc/self/fd").write();
    let said: Said = bed
        .command()
        .args(["run", "--preserve-fds", "4", &bed.id])
        .output()
        .expect("run")
        .into();
    assert!(
        said.code == 1 && said.err.contains("unable to stat preserved-fd 0 (of 4)"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

/// Puts into the root file system what a dynamically linked program needs, so that the runtime can run inside.
fn libraries(bed: &Bed) {
    let listed = Command::new("ldd").arg(program()).output();
    let text = listed.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    for path in text.split_whitespace().filter(|word| word.starts_with('/')) {
        let target = bed.rootfs().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("mkdir");
        std::fs::copy(path, target).expect("copy");
    }
}

/// The attack of the discoverers: the container has the runtime execute itself inside, by a link or as the interpreter
/// of a script; a neighbour opens that process's program file, waits until nobody executes it, and writes.
#[test]
fn cve_2019_5736_the_runtime_that_executes_itself_inside_cannot_be_overwritten() {
    let Some(mut bed) = bed() else { return };
    libraries(&bed);
    // A copy, so that a failing test destroys nothing.
    let copy = bed.path().join("runtime");
    bed::copy_program(program().as_ref(), &copy);
    let before = std::fs::read(&copy).expect("read");
    symlink("/proc/self/exe", bed.rootfs().join("link")).expect("link");
    std::fs::write(bed.rootfs().join("script"), "#!/proc/self/exe --log=/hold\n").expect("write");
    std::fs::set_permissions(bed.rootfs().join("script"), PermissionsExt::from_mode(0o755)).expect("chmod");
    // The log is a fifo: the runtime inside waits there until it is read.
    let made = Command::new("mkfifo")
        .arg(bed.rootfs().join("hold"))
        .status()
        .expect("mkfifo");
    assert!(made.success());
    bed.config["root"]["readonly"] = json!(false);
    bed.capabilities(&["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    bed.args(&["sleep", "60"]).start();
    let attack = "
        while :; do for p in /proc/[0-9]*; do
            if grep -q nonsens[e] $p/cmdline && exec 3< $p/exe; then break 2; fi
        done; done
        cat /hold > /said
        for i in 1 2 3 4 5 6 7 8 9 10; do
            (echo overwritten > /proc/self/fd/3) && exit
            sleep 0.1
        done";
    for inside in [&["/link", "--log", "/hold", "nonsense"][..], &["/script", "nonsense"]] {
        let mut victim = bed.command_of(&copy);
        victim.arg("exec").arg(&bed.id).args(inside).stdin(Stdio::null());
        victim.stdout(Stdio::null()).stderr(Stdio::null());
        let mut victim = victim.spawn().expect("spawn");
        let said = bed.exec(&["sh", "-c", attack]);
        victim.wait().expect("wait");
        let inside_said = std::fs::read_to_string(bed.rootfs().join("said")).expect("what it said");
        assert!(inside_said.contains("No help topic"), "{inside:?}: {inside_said:?}");
        assert!(said.err.contains("Read-only file system"), "{said:?}");
        assert!(before == std::fs::read(&copy).expect("read"), "{inside:?}: {said:?}");
    }
}

#[test]
fn cve_2019_5736_the_runtimes_file_cannot_be_written_through_proc() {
    let Some(mut bed) = bed() else { return };
    let copy = bed.path().join("runtime");
    bed::copy_program(program().as_ref(), &copy);
    let before = std::fs::read(&copy).expect("read");
    bed.args(&["true"]).write();
    let created = bed
        .command_of(&copy)
        .args(["create", &bed.id])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("create");
    assert!(created.success());
    let path = format!("/proc/{}/exe", bed.state("pid"));
    // Not even the host's root makes it writable.
    let kept = File::open(&path).expect("open");
    let writable = Change {
        clear: Attributes::READ_ONLY,
        ..Change::default()
    };
    assert!(mount_attributes::set(kept.as_fd(), false, writable).is_err());
    let name = format!("/proc/self/fd/{}", kept.as_raw_fd());
    assert!(rustix::mount::mount_remount(name.as_str(), MountFlags::BIND, "").is_err());
    let write = |path: &str| {
        File::options()
            .write(true)
            .truncate(true)
            .open(path)
            .map(|_| ())
            .map_err(|error| error.kind())
    };
    assert_eq!(write(&path), Err(std::io::ErrorKind::ReadOnlyFilesystem));
    // A descriptor kept until the program is no longer executed is of no use either.
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    assert_eq!(write(&name), Err(std::io::ErrorKind::ReadOnlyFilesystem));
    assert!(before == std::fs::read(&copy).expect("read"));
}

#[test]
fn cve_2016_9962_the_process_on_its_way_cannot_be_opened_by_its_neighbours() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).create();
    // The first process still is the runtime; the second has the same user and capabilities.
    for attack in [
        "ls /proc/1/fd/0/",
        "cat /proc/1/exe",
        "ls /proc/1/cwd/",
        "ls /proc/1/root/",
        "cat /proc/1/environ",
        "head -c 1 /proc/1/maps",
        "cat /proc/1/mem",
    ] {
        let said = bed.exec(&["sh", "-c", attack]);
        assert!(
            said.code != 0 && said.out.is_empty() && said.err.contains("Permission denied"),
            "{attack}: {said:?}"
        );
    }
    assert_eq!(bed.exec(&["cat", "/proc/1/comm"]).code, 0);
}

/// Files that look like the kernel's, where an image would lay them.
fn false_proc(below: &Path) -> [PathBuf; 3] {
    ["self/attr/exec", "self/attr/apparmor/exec", "sys/net/ipv4/ip_forward"].map(|name| {
        let path = below.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        std::fs::write(&path, "false").expect("write");
        path
    })
}

#[test]
fn cve_2025_52881_labels_and_settings_go_to_the_kernel_only() {
    let Some(mut bed) = bed() else { return };
    let files = false_proc(&bed.rootfs().join("proc"));
    let untouched = || {
        files
            .iter()
            .all(|file| std::fs::read(file).is_ok_and(|text| text == b"false"))
    };
    let list = bed.config["mounts"].as_array_mut().expect("a list");
    list.retain(|mount| mount["type"] != "proc");
    bed.config["process"]["apparmorProfile"] = json!("no-such-profile");
    let said = bed.args(&["true"]).run();
    assert!(
        said.code == 1 && said.err.contains("unable to apply apparmor profile"),
        "{said:?}"
    );
    assert!(untouched());
    bed.config["process"]["apparmorProfile"] = json!("");
    bed.config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
    bed.config["linux"]["maskedPaths"] = json!([]);
    bed.config["linux"]["readonlyPaths"] = json!([]);
    let said = bed.args(&["true"]).run();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(untouched());
    // Somebody who shares a mount covers a part of the right one in time.
    let mut other = self::bed().expect("a bed");
    let cover = "mount -t tmpfs none proc/sys/net && mkdir proc/sys/net/ipv4 && \
                 echo false > proc/sys/net/ipv4/ip_forward";
    other.config["hooks"] = json!({"createContainer": [{"path": "/bin/sh",
        "args": ["sh", "-c", format!("PATH=/bin:/usr/bin; cd {}; {cover}", other.rootfs().display())]}]});
    other.config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
    let said = other.args(&["cat", "/proc/sys/net/ipv4/ip_forward"]).run();
    assert_eq!((said.code, said.out.as_str()), (0, "false\n"), "{said:?}");
}

#[test]
fn cve_2019_16884_a_container_that_covered_its_proc_cannot_catch_the_label_of_exec() {
    let Some(mut bed) = bed() else { return };
    bed.capabilities(&["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]);
    bed.config["root"]["readonly"] = json!(false);
    bed.script(
        "mount -t tmpfs none /proc && mkdir -p /proc/self/attr/apparmor && echo false > /proc/self/attr/exec && \
         echo false > /proc/self/attr/apparmor/exec && mkdir /ready && sleep 60",
    )
    .start();
    bed::eventually("the false procfs", || bed.rootfs().join("ready").is_dir());
    let said: Said = bed
        .command()
        .args(["exec", "--apparmor", "no-such-profile", &bed.id, "true"])
        .output()
        .expect("exec")
        .into();
    assert!(
        said.code == 255 && said.err.contains("unable to apply apparmor profile"),
        "{said:?}"
    );
    let said = bed.exec(&["cat", "/proc/self/attr/exec", "/proc/self/attr/apparmor/exec"]);
    assert_eq!(said.out, "false\nfalse\n", "{said:?}");
}

#[test]
fn cve_2023_27561_proc_and_sys_are_mounted_on_ordinary_directories_only() {
    let Some(mut bed) = bed() else { return };
    std::fs::create_dir(bed.rootfs().join("other")).expect("mkdir");
    let list = bed.config["mounts"].as_array_mut().expect("a list");
    list.retain(|mount| mount["type"] != "cgroup");
    for name in ["proc", "sys"] {
        let place = bed.rootfs().join(name);
        for target in ["/other", "other", "../other", "/nowhere", "self"] {
            let _ = std::fs::remove_dir(&place).or_else(|_| std::fs::remove_file(&place));
            symlink(target, &place).expect("link");
            let said = bed.args(&["true"]).run();
            assert!(
                said.code == 1 && said.err.contains("must be mounted on ordinary directory"),
                "{name} {target}: {said:?}"
            );
            assert_eq!(bed.traces(), Vec::<String>::new());
        }
        std::fs::remove_file(&place).expect("remove");
    }
}

/// Swaps two names without a pause until it is dropped.
struct Racer {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Racer {
    fn swapping(one: PathBuf, other: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let swap = move || {
            let mut count = 0;
            while !seen.load(Ordering::Relaxed) {
                // Odd times, so that neither state is the more likely one.
                if renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_ok() {
                    count += 1;
                }
            }
            count
        };
        Self {
            stop,
            thread: Some(std::thread::spawn(swap)),
        }
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let count = self.thread.take().map(|thread| thread.join().expect("the racer"));
        assert!(
            count.is_some_and(|count| count > 100),
            "the racer hardly ran: {count:?}"
        );
    }
}

#[test]
fn cve_2021_30465_and_2024_45310_nothing_is_made_or_mounted_outside_in_a_race() {
    let Some(mut bed) = bed() else { return };
    let outside = bed.path().join("outside");
    std::fs::create_dir(&outside).expect("mkdir");
    let (directory, link) = (bed.rootfs().join("shared"), bed.rootfs().join("link"));
    std::fs::create_dir(&directory).expect("mkdir");
    symlink(&outside, &link).expect("link");
    let file = bed.path().join("file");
    std::fs::write(&file, "").expect("write");
    bed.config["root"]["readonly"] = json!(false);
    bed.config["process"]["cwd"] = json!("/shared/cwd/below");
    bed.config["mounts"].as_array_mut().expect("a list").extend([
        json!({"destination": "/shared/deep/target", "type": "tmpfs", "source": "tmpfs"}),
        json!({"destination": "/shared/copied", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}),
        json!({"destination": "/shared/file/target", "source": file, "options": ["bind"]}),
        json!({"destination": "/shared/directory", "source": "/usr", "options": ["rbind", "ro"]}),
    ]);
    bed.config["linux"]["devices"] = json!([{"path": "/shared/dev/node", "type": "c", "major": 1, "minor": 3}]);
    bed.config["linux"]["maskedPaths"] = json!(["/shared/deep", "/shared/file"]);
    bed.config["linux"]["readonlyPaths"] = json!(["/shared/directory"]);
    bed.script("grep -c outside /proc/self/mountinfo").write();
    let host = || std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let racer = Racer::swapping(directory.clone(), link);
    let mut whole = 0;
    for _ in 0..30 {
        let said = bed.verb(&["run"]);
        // Mounts go to where the link leads inside, if anywhere: a name that begins at the container's root.
        whole += u32::from(!said.out.is_empty());
        let made: Vec<_> = std::fs::read_dir(&outside).expect("read").collect();
        assert!(made.is_empty(), "{made:?} {said:?}");
        assert!(!host().contains(outside.to_str().expect("text")), "{said:?}");
    }
    drop(racer);
    assert!(whole > 0, "the container never came to its program");
}

#[test]
fn cve_2019_19921_proc_is_not_mounted_elsewhere_in_a_race() {
    let Some(mut bed) = bed() else { return };
    let (place, link) = (bed.rootfs().join("proc"), bed.rootfs().join("link"));
    std::fs::create_dir_all(bed.rootfs().join("volume/proc")).expect("mkdir");
    std::fs::create_dir(&place).expect("mkdir");
    symlink("volume/proc", &link).expect("link");
    bed.script("grep -c '/volume' /proc/self/mountinfo").write();
    let racer = Racer::swapping(place, link);
    let mut refused = 0;
    for _ in 0..30 {
        let said = bed.verb(&["run"]);
        // No line counted: it is at its place, was refused, or went away with its directory after it was mounted.
        assert!(["", "0\n"].contains(&said.out.as_str()), "{said:?}");
        refused += u32::from(said.err.contains("must be mounted on ordinary directory"));
        assert_eq!(bed.traces(), Vec::<String>::new());
    }
    drop(racer);
    assert!(refused > 0, "the race was never lost");
}

#[test]
fn cve_2025_31133_masks_hold_in_a_race() {
    let Some(mut bed) = bed() else { return };
    std::fs::create_dir(bed.rootfs().join("dev")).expect("mkdir");
    let (null, link) = (bed.rootfs().join("dev/null"), bed.rootfs().join("link"));
    let node = rustix::fs::mknodat(
        CWD,
        &null,
        rustix::fs::FileType::CharacterDevice,
        0o666.into(),
        rustix::fs::makedev(1, 3),
    );
    node.expect("mknod");
    symlink("/proc/sys/kernel/core_pattern", &link).expect("link");
    bed.config["mounts"].as_array_mut().expect("a list").retain(|mount| {
        !mount["destination"]
            .as_str()
            .is_some_and(|path| path.starts_with("/dev"))
    });
    bed.config["linux"]["maskedPaths"] = json!(["/proc/timer_list", "/proc/keys"]);
    bed.script("stat -c %t:%T /proc/timer_list /proc/keys").write();
    let racer = Racer::swapping(null, link);
    let mut masked = 0;
    for _ in 0..30 {
        let said = bed.verb(&["run"]);
        masked += u32::from(said.code == 0);
        assert!(said.code == 1 || said.out == "1:3\n1:3\n", "{said:?}");
    }
    drop(racer);
    assert!(masked > 0, "the container never came to its program");
}

#[test]
fn cve_2025_52565_a_console_that_leads_elsewhere_is_refused() {
    let Some(mut bed) = bed() else { return };
    // The image's own /dev with a link in it; only devpts is mounted.
    bed.config["mounts"]
        .as_array_mut()
        .expect("a list")
        .retain(|mount| mount["destination"] != "/dev");
    std::fs::create_dir_all(bed.rootfs().join("dev/pts")).expect("mkdir");
    symlink("/proc/sys/kernel/core_pattern", bed.rootfs().join("dev/console")).expect("link");
    bed.config["process"]["terminal"] = json!(true);
    bed.config["linux"]["maskedPaths"] = json!([]);
    bed.config["linux"]["readonlyPaths"] = json!([]);
    bed.args(&["true"]).write();
    let path = bed.path().join("console.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let said: Said = bed
        .command()
        .args(["create", "--console-socket", path.to_str().expect("text"), &bed.id])
        .stdin(Stdio::null())
        .output()
        .expect("create")
        .into();
    assert!(said.code == 1 && said.err.contains("/dev/console"), "{said:?}");
    // The terminal that waits in it was made by the container.
    drop(listener);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn cve_2022_0492_and_2023_25809_control_groups_cannot_be_written() {
    let Some(mut bed) = bed() else { return };
    bed.capabilities(&["CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER"]);
    bed.config["root"]["readonly"] = json!(false);
    bed.script(
        "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do for f in release_agent notify_on_release cgroup.procs tasks; do
            if [ -e $d/$f ]; then echo found; (echo 0 > $d/$f) && echo wrote $d/$f; fi
         done; mkdir $d/made && echo made $d/made; done
         mount -o remount,rw /sys/fs/cgroup && echo remounted",
    );
    for user_namespace in [false, true] {
        if user_namespace {
            let list = bed.config["linux"]["namespaces"].as_array_mut().expect("a list");
            list.push(json!({"type": "user"}));
            let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
            bed.config["linux"]["uidMappings"] = map.clone();
            bed.config["linux"]["gidMappings"] = map;
        }
        let said = bed.run();
        assert!(said.out.contains("found"), "{said:?}");
        for word in ["wrote", "made", "remounted"] {
            assert!(!said.out.contains(word), "{user_namespace} {said:?}");
        }
    }
}

#[test]
fn kernel_settings_are_read_only_and_stay_so() {
    let Some(mut bed) = bed() else { return };
    bed.capabilities(&["CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER"]);
    bed.config["root"]["readonly"] = json!(false);
    // What is written is what is there: a failing test changes nothing.
    let said = bed
        .script(
            "cat /proc/sys/kernel/core_pattern > /kept
             (cat /kept > /proc/sys/kernel/core_pattern) && echo wrote
             for f in /proc/sysrq-trigger /proc/irq/default_smp_affinity; do
                if [ -e $f ]; then (: >> $f) && echo opened $f; fi
             done
             for d in /proc/sys /proc /sys; do mount -o remount,rw $d && echo remounted $d; done",
        )
        .run();
    assert_eq!(said.out, "", "{said:?}");
    assert!(said.err.contains("Read-only file system"), "{said:?}");
}

#[test]
fn a_disk_of_the_host_cannot_be_opened_through_a_node_of_ones_own() {
    let Some(mut bed) = bed() else { return };
    bed.capabilities(&["CAP_MKNOD", "CAP_DAC_OVERRIDE"]);
    bed.config["root"]["readonly"] = json!(false);
    // Not on the host's file system, whose nodes may be dead by themselves.
    let list = bed.config["mounts"].as_array_mut().expect("a list");
    list.push(json!({"destination": "/nodes", "type": "tmpfs", "source": "tmpfs"}));
    // Loop devices, disks, virtual disks, and the memory of the machine.
    let said = bed
        .script(
            "cd /nodes; for n in 'b 7 0' 'b 8 0' 'b 254 0' 'c 1 1' 'c 1 11' 'c 10 229'; do
                mknod node $n && cat node > /dev/null && echo opened $n; rm node; done; mknod null c 1 3 && \
                cat null && echo null",
        )
        .run();
    assert_eq!(said.out, "null\n", "{said:?}");
    assert!(said.err.matches("Operation not permitted").count() >= 6, "{said:?}");
}

#[test]
fn groups_of_the_caller_are_not_the_containers() {
    let Some(mut bed) = bed() else { return };
    if Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: needs setpriv (util-linux)");
        return;
    }
    let run = |bed: &Bed, words: &[&str]| -> Said {
        let command = bed.command();
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--groups", "4242,4343"]).arg(command.get_program());
        setpriv.args(command.get_args()).args(words);
        setpriv.current_dir(bed.path().join("bundle")).stdin(Stdio::null());
        setpriv.output().expect("execute").into()
    };
    bed.args(&["id", "-G"]).write();
    assert_eq!(run(&bed, &["run", &bed.id]).out, "0\n");
    bed.config["process"]["user"] = json!({"uid": 0, "gid": 0, "additionalGids": [5]});
    bed.args(&["id", "-G"]).write();
    assert_eq!(run(&bed, &["run", &bed.id]).out, "0 5\n");
    let list = bed.config["linux"]["namespaces"].as_array_mut().expect("a list");
    list.push(json!({"type": "user"}));
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    bed.config["linux"]["uidMappings"] = map.clone();
    bed.config["linux"]["gidMappings"] = map;
    bed.args(&["id", "-G"]).write();
    assert_eq!(run(&bed, &["run", &bed.id]).out, "0 5\n");
}

#[test]
fn a_fifo_that_is_a_link_gets_no_byte() {
    let Some(mut bed) = bed() else { return };
    let victim = bed.path().join("victim");
    std::fs::write(&victim, "").expect("write");
    bed.args(&["true"]).create();
    let fifo = bed.path().join("state").join(&bed.id).join("exec.fifo");
    std::fs::remove_file(&fifo).expect("the fifo");
    symlink(&victim, &fifo).expect("link");
    let said = bed.verb(&["start"]);
    assert_ne!(said.code, 0, "{said:?}");
    assert_eq!(std::fs::read(&victim).expect("read"), b"");
}

#[test]
fn a_group_path_does_not_climb_out_of_the_hierarchy() {
    let Some(mut bed) = bed() else { return };
    let outside = PathBuf::from("/").join(&bed.id);
    bed.config["linux"]["cgroupsPath"] = json!(format!("../../../../../../../..{}", outside.display()));
    bed.args(&["true"]).write();
    let mut create = bed.command();
    create.args(["create", &bed.id]).stdin(Stdio::null());
    let status = create.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = outside.exists();
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0, "{status:?}");
    assert!(!found);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn a_list_of_users_that_is_a_fifo_stops_nothing() {
    let Some(mut bed) = bed() else { return };
    std::fs::create_dir(bed.rootfs().join("etc")).expect("mkdir");
    for name in ["passwd", "group"] {
        let made = Command::new("mkfifo").arg(bed.rootfs().join("etc").join(name)).status();
        assert!(made.expect("mkfifo").success());
    }
    let said = bed.script("echo $HOME").run();
    assert_eq!((said.code, said.out.as_str()), (0, "/\n"), "{said:?}");
}

#[test]
fn no_mount_of_a_container_reaches_the_host() {
    let Some(mut bed) = bed() else { return };
    let before = std::fs::read_to_string("/proc/self/mountinfo")
        .expect("mountinfo")
        .lines()
        .count();
    bed.capabilities(&["CAP_SYS_ADMIN"]);
    bed.config["linux"]["rootfsPropagation"] = json!("shared");
    let said = bed.script("mount -t tmpfs none /sys && echo mounted").run();
    assert_eq!(said.out, "mounted\n", "{said:?}");
    let after = std::fs::read_to_string("/proc/self/mountinfo")
        .expect("mountinfo")
        .lines()
        .count();
    assert!(after <= before + 2, "{before} {after}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}
