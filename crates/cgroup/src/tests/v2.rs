//! The v2 driver on the running kernel.

use super::devices::DOCKER;
use super::{Group, Shell, until};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

#[test]
fn row_122_directory_comes_and_goes() {
    let Some(group) = Group::v2() else { return };
    let path = group.paths().unified().unwrap().to_owned();
    group.create().unwrap();
    group.create().unwrap();
    std::fs::create_dir(path.join("inner")).unwrap();
    assert!(group.directory().unwrap().is_some());
    group.delete().unwrap();
    assert!(!path.exists());
    group.delete().unwrap();
}

#[test]
fn row_124_children_appear_and_the_group_is_killed_at_once() {
    let Some(group) = Group::v2() else { return };
    group.create().unwrap();
    let mut shell = Shell::new(&group, "sleep 100 & sleep 100 & wait").go();
    until("three processes", || group.pids().unwrap().len() == 3);
    assert_eq!(group.stats().unwrap().pids.current, 3);
    assert!(
        group
            .refuse_occupied()
            .unwrap_err()
            .to_string()
            .contains("3 process(es)")
    );
    group.kill_all().unwrap();
    assert_eq!(shell.0.wait().unwrap().signal(), Some(9));
    until("end of all", || group.pids().unwrap().is_empty());
    group.delete().unwrap();
}

#[test]
fn row_132_a_frozen_group_stands_still() {
    let Some(group) = Group::v2() else { return };
    group.create().unwrap();
    let _shell = Shell::new(&group, "while :; do :; done").go();
    until("processor time", || group.stats().unwrap().cpu.usage > 10_000_000);
    group.set_frozen(true).unwrap();
    assert!(group.frozen().unwrap());
    let before = group.stats().unwrap().cpu.usage;
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(group.stats().unwrap().cpu.usage, before);
    group.set_frozen(false).unwrap();
    until("more processor time", || group.stats().unwrap().cpu.usage > before);
}

#[test]
fn row_131_the_program_refuses_devices_and_is_replaced() {
    let Some(group) = Group::v2() else { return };
    group.create().unwrap();
    match group.set(&super::resources(DOCKER)) {
        Err(error) if matches!(error, crate::Error::Program { .. }) => {
            println!("skipped: no device programs here: {error}");
            return;
        }
        result => result.unwrap(),
    }
    let programs = || {
        let directory = rustix::fs::open(
            group.paths().unified().unwrap(),
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        tierce_sys::bpf::device_programs(directory.unwrap().as_fd())
            .unwrap()
            .len()
    };
    let opens = |device| Shell::new(&group, &format!(": < {device}")).go().exit_code() == Some(0);
    assert!(opens("/dev/null"));
    assert!(!opens("/dev/kmsg"));
    assert_eq!(programs(), 1);
    group.set_json(&DOCKER.replace(
        "]}",
        r#",{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#,
    ));
    assert!(opens("/dev/kmsg"));
    assert_eq!(programs(), 1);
    group.set_json(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#);
    assert!(opens("/dev/kmsg"));
    assert_eq!(programs(), 1);
}

/// Only where the v2 hierarchy has controllers (a pure v2 machine).
#[test]
fn row_121_limits_on_a_pure_v2_machine() {
    let Some(group) = Group::v2() else { return };
    group.create().unwrap();
    let controllers = group.file("", "cgroup.controllers");
    if !["cpu", "memory", "pids"].iter().all(|name| controllers.contains(name)) {
        println!("skipped: this v2 hierarchy has no controllers (hybrid machine)");
        let error = group.set(&super::resources(r#"{"pids":{"limit":3}}"#)).unwrap_err();
        assert!(matches!(error, crate::Error::NoController("pids")), "{error}");
        return;
    }
    group.set_json(
        r#"{"cpu":{"shares":1024,"quota":20000,"period":100000},"pids":{"limit":7},
            "memory":{"limit":8388608,"swap":8388608}}"#,
    );
    assert_eq!(group.file("", "cpu.weight"), "100");
    assert_eq!(group.file("", "cpu.max"), "20000 100000");
    assert_eq!(group.file("", "pids.max"), "7");
    assert_eq!(group.file("", "memory.max"), "8388608");
    let mut watch = group.watch_oom().unwrap();
    let mut hog = Shell::new(&group, "exec tail /dev/zero").go();
    assert_eq!(hog.0.wait().unwrap().signal(), Some(9));
    until("readiness", || super::is_readable(&watch));
    assert!(watch.rose().unwrap());
    assert!(!watch.rose().unwrap());
    assert_eq!(group.stats().unwrap().memory.oom_kills, 1);
    group.set_json(r#"{"cpu":{"quota":-1},"pids":{"limit":-1},"memory":{"limit":-1}}"#);
    assert_eq!(group.file("", "memory.max"), "max");
}
