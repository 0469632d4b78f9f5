//! Each known way out of a container, tried.

mod bed;

use bed::{bed, program};
use serde_json::json;
use std::os::unix::fs::symlink;

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
fn cve_2025_31133_masks_are_the_real_null_device() {
    let Some(mut bed) = bed() else { return };
    // The image brings a link as /dev/null, and no /dev is mounted over it.
    std::fs::create_dir(bed.rootfs().join("dev")).expect("mkdir");
    symlink("/proc/sys/kernel/core_pattern", bed.rootfs().join("dev/null")).expect("link");
    bed.config["mounts"].as_array_mut().expect("a list").retain(|mount| {
        !mount["destination"]
            .as_str()
            .is_some_and(|path| path.starts_with("/dev"))
    });
    let said = bed.script("stat -L -c %t:%T /proc/kcore").run();
    // Either the false device is refused, or the mask is the host's device.
    assert!(said.err.contains("mknod /dev/null") || said.out == "1:3\n", "{said:?}");
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

#[test]
fn cve_2024_21626_the_working_directory_is_inside_and_no_descriptor_leaks() {
    let Some(mut bed) = bed() else { return };
    for number in 3..12 {
        bed.config["process"]["cwd"] = json!(format!("/proc/self/fd/{number}"));
        let said = bed.script("pwd; ls").run();
        assert!(said.code != 0, "{number}: {said:?}");
    }
    bed.config["process"]["cwd"] = json!("/");
    let said = bed.script("ls /proc/self/fd").run();
    // The fourth is the directory that ls itself reads.
    assert_eq!(said.out, "0\n1\n2\n3\n", "{said:?}");
    bed.args(&["sleep", "60"]).start();
    let said = bed.exec(&["ls", "/proc/self/fd"]);
    assert_eq!(said.out, "0\n1\n2\n3\n", "{said:?}");
    let said: bed::Said = bed
        .command()
        .args(["exec", "--cwd", "/proc/self/fd/7", &bed.id, "pwd"])
        .output()
        .expect("exec")
        .into();
    assert!(said.code != 0, "{said:?}");
}

#[test]
fn cve_2019_5736_the_runtimes_file_cannot_be_written_through_proc() {
    let Some(mut bed) = bed() else { return };
    // A copy, so that a failing test destroys nothing.
    let copy = bed.path().join("runtime");
    std::fs::copy(program(), &copy).expect("copy");
    let before = std::fs::read(&copy).expect("read");
    bed.args(&["true"]).write();
    let created = bed
        .command_of(&copy)
        .args(["create", &bed.id])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("create");
    assert!(created.success());
    let path = format!("/proc/{}/exe", bed.state("pid"));
    let truncate = std::fs::OpenOptions::new().write(true).truncate(true).open(&path);
    assert_eq!(
        truncate.map(|_| ()).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ReadOnlyFilesystem)
    );
    // A descriptor kept until the program is no longer executed is of no use either.
    let kept = std::fs::File::open(&path).expect("open");
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&kept));
    let write = std::fs::OpenOptions::new().write(true).open(again);
    assert_eq!(
        write.map(|_| ()).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ReadOnlyFilesystem)
    );
    assert!(before == std::fs::read(&copy).expect("read"));
}

#[test]
fn cve_2019_5736_an_entry_point_that_is_the_runtime_itself_gets_a_read_only_one() {
    let Some(mut bed) = bed() else { return };
    let said = bed.args(&["/proc/self/exe", "--version"]).run();
    // A statically linked runtime runs, harmlessly; a dynamically linked one lacks its libraries.
    assert!(
        said.out.starts_with("tierce-runtime version") || said.code != 0,
        "{said:?}"
    );
}

#[test]
fn the_process_on_its_way_cannot_be_opened_by_its_neighbours() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).create();
    let pid = bed.state("pid");
    let owner = std::fs::metadata(format!("/proc/{pid}/environ")).expect("a file");
    // An undumpable process's files belong to the host's root, whatever user it became.
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 0);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    assert!(status.contains("CapEff:"));
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
