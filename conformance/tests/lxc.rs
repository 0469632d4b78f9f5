//! Where Docker came from: a container goes on under the tools of LXC. Row 111.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::process::Command;
use tierce_testkit::{Daemon, Run as _, missing_tool};

/// Takes the control groups of a container of LXC away, which leaves some of its own.
fn remove_groups(parent: &str) {
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        for group in [format!("{parent}/lxc.pivot"), parent.to_owned()] {
            let _ = fs::remove_dir(hierarchy.path().join(group));
        }
    }
}

/// What the container does: it tells how it looks from inside.
const PROGRAM: &str = "exec > /out/report 2>&1\n\
    echo \"$GREETING from $(hostname) in $(pwd) as $(id -u):$(id -g)\"\n\
    cat /mark\n\
    grep 'open files' /proc/self/limits | tr -s ' '\n\
    touch /out/new && echo written\n\
    touch /sys/new 2> /dev/null || echo sys is read only\n\
    ls /sys/class/net\n\
    grep CapBnd /proc/self/status\n";

#[test]
fn row_111_a_container_goes_on_under_lxc_start() {
    if let Some(reason) = missing_tool(&["lxc-start", "tar"]) {
        eprintln!("{reason}");
        return;
    }
    let (daemon, image) = Daemon::with_busybox();
    let place = tempfile::tempdir().unwrap();
    let (directory, shared) = (place.path().join("c1"), place.path().join("shared files"));
    fs::create_dir_all(directory.join("rootfs")).unwrap();
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("program"), PROGRAM).unwrap();
    let volume = format!("{}:/out", shared.display());
    let words = [
        "create",
        "--name",
        "c1",
        "--hostname",
        "box",
        "--network",
        "none",
        "-w",
        "/tmp",
        "-v",
        &volume,
    ];
    let limits = [
        "-e",
        "GREETING=good day",
        "-m",
        "64m",
        "--ulimit",
        "nofile=100:200",
        "--cap-drop",
        "ALL",
    ];
    let words = [
        &words[..],
        &limits,
        &["--cap-add", "DAC_OVERRIDE", &image, "sh", "/out/program"],
    ]
    .concat();
    daemon.docker(&words).ok();
    // What the container wrote goes along.
    fs::write(place.path().join("mark"), "marked\n").unwrap();
    let mark = place.path().join("mark");
    daemon.docker(&["cp", &mark.to_string_lossy(), "c1:/mark"]).ok();
    let file = directory.join("config");
    daemon
        .tierce(&["export", "--lxc-config", "-o", &file.to_string_lossy(), "c1"])
        .ok();
    let printed = daemon.tierce(&["container", "export", "--lxc-config", "c1"]).ok();
    let written = fs::read_to_string(&file).unwrap();
    let here = directory.to_string_lossy();
    assert_eq!(printed, written.replace(&*here, "/var/lib/lxc/c1").trim_end());
    let archive = place.path().join("root.tar");
    daemon.tierce(&["export", "-o", &archive.to_string_lossy(), "c1"]).ok();
    let mut unpack = Command::new("tar");
    unpack.args(["-x", "--numeric-owner", "-f"]).arg(&archive);
    unpack.arg("-C").arg(directory.join("rootfs")).run().ok();

    let group = format!("{}-lxc", daemon.cgroup_parent());
    let log = place.path().join("log");
    let mut start = Command::new("timeout");
    start
        .args([
            "60",
            "unshare",
            "--mount",
            "lxc-start",
            "--foreground",
            "-n",
            "c1",
            "-P",
        ])
        .arg(place.path());
    start
        .args(["-s", &format!("lxc.cgroup.dir={group}"), "-l", "INFO", "-o"])
        .arg(&log);
    let ended = start.arg("-f").arg(&file).run();
    remove_groups(&group);
    let log = fs::read_to_string(&log).unwrap_or_default();
    let report = fs::read_to_string(shared.join("report")).unwrap_or_else(|error| panic!("{error}: {ended:?}\n{log}"));
    assert_eq!(
        report,
        "good day from box in /tmp as 0:0\n\
         marked\n\
         Max open files 100 200 files \n\
         written\n\
         sys is read only\n\
         lo\n\
         CapBnd:\t0000000000000002\n"
    );
    assert!(!log.contains("ERROR"), "{log}");
}
