//! What a container cannot do: rows 113 to 120, 131, 136, 140.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::process::Command;
use tierce_testkit::{Daemon, Run as _};

fn inside(daemon: &Daemon, image: &str, flags: &[&str], script: &str) -> String {
    let output = daemon.docker(&[&["run", "--rm"], flags, &[image, "sh", "-c", script]].concat());
    output.stdout + &output.stderr
}

#[test]
fn row_113_the_host_name_is_the_containers_own() {
    let (daemon, image) = Daemon::with_busybox();
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(inside(&daemon, &image, &["--hostname", "other"], "hostname"), "other\n");
    assert_eq!(
        inside(
            &daemon,
            &image,
            &["--domainname", "example.org"],
            "cat /proc/sys/kernel/domainname"
        ),
        "example.org\n"
    );
    assert_eq!(inside(&daemon, &image, &["--uts=host"], "hostname"), own);
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), own);
}

#[test]
fn row_114_shared_memory_is_apart_unless_asked_for() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "a1",
            "--ipc",
            "shareable",
            &image,
            "sleep",
            "100",
        ])
        .ok();
    let link = "readlink /proc/self/ns/ipc";
    let a = daemon.docker(&["exec", "a1", "readlink", "/proc/self/ns/ipc"]).ok();
    assert_ne!(inside(&daemon, &image, &[], link).trim(), a);
    assert_eq!(inside(&daemon, &image, &["--ipc", "container:a1"], link).trim(), a);
    assert_eq!(
        inside(&daemon, &image, &["--ipc", "host"], link).trim(),
        std::fs::read_link("/proc/self/ns/ipc").unwrap().to_string_lossy()
    );
    daemon.docker(&["exec", "a1", "touch", "/dev/shm/shared"]).ok();
    assert_eq!(
        inside(&daemon, &image, &["--ipc", "container:a1"], "ls /dev/shm"),
        "shared\n"
    );
}

#[test]
fn row_115_a_container_sees_only_its_own_processes() {
    let (daemon, image) = Daemon::with_busybox();
    let seen = inside(&daemon, &image, &[], "ls /proc | grep -c '^[0-9]'");
    assert!(seen.trim().parse::<u32>().unwrap() <= 4, "{seen}");
    // Processes of the host end while they are listed.
    let host = inside(
        &daemon,
        &image,
        &["--pid=host"],
        "ls /proc 2>/dev/null | grep -c '^[0-9]'",
    );
    assert!(host.trim().parse::<u32>().unwrap() > 4, "{host}");
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "1000"])
        .ok();
    assert_eq!(daemon.docker(&["exec", "c1", "cat", "/proc/1/comm"]).ok(), "sleep");
    let pid = daemon.inspect("c1", "{{.State.Pid}}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    // The same process has a number in each level of the hierarchy; the innermost comes last.
    let numbers = status.lines().find(|line| line.starts_with("NSpid:")).unwrap();
    assert!(pid != "1" && numbers.ends_with("\t1"), "{numbers}");
}

#[test]
fn row_116_the_network_is_the_containers_own() {
    let (daemon, image) = Daemon::with_busybox();
    let links = inside(&daemon, &image, &[], "ls /sys/class/net");
    assert_eq!(links, "eth0\nlo\n");
    assert_eq!(
        inside(&daemon, &image, &["--network", "none"], "ls /sys/class/net"),
        "lo\n"
    );
}

#[test]
fn row_117_the_old_root_is_out_of_reach() {
    let (daemon, image) = Daemon::with_busybox();
    let mounts = inside(&daemon, &image, &[], "cat /proc/self/mountinfo");
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
    assert!(root.contains("overlay"), "{root}");
    assert!(!mounts.contains("shared:"), "{mounts}");
    assert_eq!(
        inside(
            &daemon,
            &image,
            &[],
            "ls -d /proc/1/root/../../../work /.pivot* /oldroot 2>/dev/null | wc -l"
        )
        .trim(),
        "0"
    );
    // Mounts made inside stay inside.
    let before = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    daemon.docker(&[
        "run",
        "--rm",
        "--privileged",
        &image,
        "mount",
        "-t",
        "tmpfs",
        "inner",
        "/mnt",
    ]);
    assert!(
        !std::fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains(" inner "),
        "{before}"
    );
}

#[test]
fn row_120_processes_in_one_namespace_notice_each_other() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "-d", "--name", "a1", &image, "sleep", "4242"])
        .ok();
    assert!(inside(&daemon, &image, &["--pid", "container:a1"], "ps").contains("sleep 4242"));
    assert!(!inside(&daemon, &image, &[], "ps").contains("sleep 4242"));
}

#[test]
fn row_131_devices_are_closed_unless_opened() {
    let (daemon, image) = Daemon::with_busybox();
    let make = "mknod /full c 1 7 && cat /full | head -c1 | wc -c";
    assert_eq!(inside(&daemon, &image, &[], make), "1\n");
    let text = inside(&daemon, &image, &[], "mknod /fuse c 10 229 && cat /fuse");
    assert!(text.contains("Operation not permitted"), "{text}");
    let rule = inside(
        &daemon,
        &image,
        &["--device-cgroup-rule", "c 1:11 rwm"],
        "mknod /kmsg c 1 11 && test -r /kmsg && echo made",
    );
    assert_eq!(rule, "made\n");
    let text = inside(&daemon, &image, &[], "mknod /sda b 8 0; head -c1 /sda; cat /dev/mem");
    assert!(
        text.contains("Operation not permitted") && text.contains("No such file"),
        "{text}"
    );
    assert!(inside(&daemon, &image, &["--device", "/dev/full:/dev/other"], "ls /dev/other").contains("/dev/other"));
}

#[test]
fn row_136_the_default_profile_blocks_dangerous_calls() {
    let (daemon, image) = Daemon::with_busybox();
    assert!(inside(&daemon, &image, &[], "grep Seccomp: /proc/self/status").contains('2'));
    let text = inside(
        &daemon,
        &image,
        &[],
        "unshare -m true; unshare -U true; mount -t tmpfs t /mnt",
    );
    assert_eq!(
        text.matches("Operation not permitted").count() + text.matches("permission denied").count(),
        3,
        "{text}"
    );
    assert!(
        inside(
            &daemon,
            &image,
            &["--security-opt", "seccomp=unconfined"],
            "grep Seccomp: /proc/self/status"
        )
        .contains('0')
    );
    let profile = tempfile::NamedTempFile::new().unwrap();
    let rules =
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}"#;
    std::fs::write(profile.path(), rules).unwrap();
    let option = format!("seccomp={}", profile.path().display());
    assert!(inside(&daemon, &image, &["--security-opt", &option], "mkdir /x").contains("Operation not permitted"));
}

#[test]
fn row_140_the_capabilities_are_dockers_fourteen() {
    let (daemon, image) = Daemon::with_busybox();
    let sets = |flags: &[&str]| {
        let text = inside(&daemon, &image, flags, "grep '^Cap' /proc/self/status");
        text.lines()
            .map(|line| line.split_whitespace().last().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap
    let default = "00000000a80425fb";
    assert_eq!(
        sets(&[]),
        ["0000000000000000", default, default, default, "0000000000000000"]
    );
    assert_eq!(sets(&["--cap-drop", "ALL"])[2], "0000000000000000");
    assert_eq!(
        sets(&["--cap-drop", "ALL", "--cap-add", "NET_ADMIN"])[2],
        "0000000000001000"
    );
    assert_eq!(sets(&["--cap-add", "CAP_SYS_TIME"])[2], "00000000aa0425fb");
    assert_eq!(
        sets(&["--user", "1000"])[1..3],
        ["0000000000000000", "0000000000000000"]
    );
    daemon
        .docker(&["run", "--rm", "--cap-add", "FROB", &image, "true"])
        .fails(125);
}

#[test]
fn kernel_files_are_masked_and_read_only() {
    let (daemon, image) = Daemon::with_busybox();
    assert_eq!(
        inside(
            &daemon,
            &image,
            &[],
            // Not every kernel has them.
            "cat /proc/kcore 2>/dev/null | wc -c; ls /proc/acpi 2>/dev/null | wc -l"
        ),
        "0\n0\n"
    );
    for path in [
        "/proc/sys/kernel/panic",
        "/proc/sysrq-trigger",
        "/sys/kernel/uevent_helper",
    ] {
        let text = inside(
            &daemon,
            &image,
            &[],
            &format!("test -e {path} || echo Read-only; echo 1 > {path}"),
        );
        assert!(text.contains("Read-only"), "{path}: {text}");
    }
    let text = inside(
        &daemon,
        &image,
        &["--privileged"],
        "grep -c . /proc/keys; cat /proc/self/status | grep NoNewPrivs",
    );
    assert!(text.contains("NoNewPrivs:\t0"), "{text}");
    assert!(
        inside(
            &daemon,
            &image,
            &["--security-opt", "no-new-privileges"],
            "grep NoNewPrivs /proc/self/status"
        )
        .contains('1')
    );
}

#[test]
fn a_user_of_the_image_is_looked_up_in_the_image() {
    let (daemon, image) = Daemon::with_busybox();
    assert_eq!(
        inside(&daemon, &image, &["-u", "user"], "id -un; id -G"),
        "user\n1000 2000\n"
    );
    assert_eq!(
        inside(&daemon, &image, &["-u", "1234:5678"], "id -u; id -g"),
        "1234\n5678\n"
    );
    let text = daemon
        .docker(&["run", "--rm", "-u", "nobody-here", &image, "true"])
        .fails(125);
    assert!(
        text.contains("unable to find user nobody-here: no matching entries in passwd file"),
        "{text}"
    );
}

/// A directory that is a shared mount of its own.
struct Shared(tempfile::TempDir);

impl Shared {
    fn new() -> Self {
        let shared = Self(tempfile::tempdir().unwrap());
        mount(&["--bind", &shared.path(""), &shared.path("")]);
        mount(&["--make-shared", &shared.path("")]);
        shared
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        Command::new("umount")
            .args(["--recursive", "--lazy", &self.path("")])
            .run();
    }
}

fn mount(arguments: &[&str]) {
    Command::new("mount").args(arguments).run().ok();
}

#[test]
fn row_117_mounts_travel_as_far_as_was_asked_for() {
    let shared = Shared::new();
    for name in ["before", "host", "inner"] {
        std::fs::create_dir(shared.path(name)).unwrap();
    }
    mount(&["-t", "tmpfs", "of-before", &shared.path("before")]);
    let (daemon, image) = Daemon::with_busybox();
    for mode in ["rprivate", "rslave", "rshared"] {
        let option = format!("type=bind,src={},dst=/mnt,bind-propagation={mode}", shared.path(""));
        daemon
            .docker(&[
                "run",
                "-d",
                "--privileged",
                "--name",
                mode,
                "--mount",
                &option,
                &image,
                "sleep",
                "1000",
            ])
            .ok();
    }
    mount(&["-t", "tmpfs", "of-the-host", &shared.path("host")]);
    let sees = |container: &str, what: &str| {
        let mounts = daemon.docker(&["exec", container, "cat", "/proc/self/mounts"]).ok();
        mounts.contains(what)
    };
    assert_eq!(
        ["rprivate", "rslave", "rshared"].map(|mode| sees(mode, "of-the-host")),
        [false, true, true]
    );
    let host_sees = |what: &str| std::fs::read_to_string("/proc/self/mounts").unwrap().contains(what);
    // A container that leaves the host's tree behind must not take the host's mounts with it.
    assert!(host_sees("of-before") && sees("rshared", "of-before"));
    for (mode, travels) in [("rprivate", false), ("rslave", false), ("rshared", true)] {
        daemon
            .docker(&["exec", mode, "mount", "-t", "tmpfs", "of-the-container", "/mnt/inner"])
            .ok();
        assert_eq!(host_sees("of-the-container"), travels, "{mode}");
    }
}

#[test]
fn row_117_a_private_mount_cannot_be_shared_with_a_container() {
    let (daemon, image) = Daemon::with_busybox();
    let private = Shared::new();
    mount(&["--make-private", &private.path("")]);
    let option = format!("type=bind,src={},dst=/mnt,bind-propagation=rshared", private.path(""));
    let error = daemon
        .docker(&["run", "--rm", "--mount", &option, &image, "true"])
        .fails(125);
    assert!(error.contains("but it is not a shared mount"), "{error}");
}

#[test]
fn row_136_keys_of_the_host_are_out_of_reach() {
    let (daemon, image) = Daemon::with_busybox();
    let text = inside(&daemon, &image, &[], "cat /proc/keys; chroot / true && echo rooted");
    assert!(text.ends_with("rooted\n"), "{text}");
    assert!(!text.contains("keyring"), "{text}");
}
