//! The v1 driver on the running kernel.

use super::devices::{DOCKER, DOCKER_LIST};
use super::{Group, Shell, exist, is_readable, resources, until};
use crate::{Driver, Error, load, of_pid};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[test]
fn row_121_limit_priority_accounting_control() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    group.set_json(r#"{"pids":{"limit":7},"cpu":{"shares":512}}"#);
    assert_eq!(
        (group.file("pids", "pids.max"), group.file("cpu", "cpu.shares")),
        ("7".into(), "512".into())
    );
    let _shell = Shell::new(&group, "while :; do :; done").go();
    until("processor time", || group.stats().unwrap().cpu.usage > 10_000_000);
    group.set_frozen(true).unwrap();
    assert!(group.frozen().unwrap());
    group.set_frozen(false).unwrap();
    assert!(!group.frozen().unwrap());
}

#[test]
fn row_122_directories_come_and_go() {
    let Some(group) = Group::v1() else { return };
    let paths: Vec<PathBuf> = group.paths().iter().map(|(_, path)| path.to_owned()).collect();
    group.create().unwrap();
    assert!(exist(&paths).into_iter().all(|exists| exists));
    group.create().unwrap();
    // A group that the container made below its own goes with it.
    std::fs::create_dir(paths[0].join("inner")).unwrap();
    group.delete().unwrap();
    assert!(exist(&paths).into_iter().all(|exists| !exists));
    group.delete().unwrap();
}

#[test]
fn row_123_one_directory_a_subsystem() {
    let Some(group) = Group::v1() else { return };
    let inner = group
        .paths()
        .controller("pids")
        .unwrap()
        .strip_prefix("/sys/fs/cgroup/pids")
        .unwrap()
        .to_owned();
    for (controller, path) in group.paths().iter() {
        // On a hybrid machine the v2 group stands beside them.
        let mount = match controller {
            "" => "unified",
            name => name.trim_start_matches("name="),
        };
        // Controllers that are mounted together have links of their own names beside the mount point.
        assert_eq!(path, PathBuf::from("/sys/fs/cgroup").join(mount).join(&inner));
    }
    let again = load(
        serde_json::from_str(&serde_json::to_string(group.paths()).unwrap()).unwrap(),
        Driver::Cgroupfs,
    );
    assert_eq!(again.paths(), group.paths());
}

#[test]
fn row_124_forked_children_appear_in_tasks() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    let shell = Shell::new(&group, "sleep 100 & sleep 100 & wait").go();
    until("three processes", || group.pids().unwrap().len() == 3);
    let pids = group.pids().unwrap();
    assert!(pids.contains(&shell.0.id()));
    let tasks = group.file("memory", "tasks");
    assert!(pids.iter().all(|pid| tasks.lines().any(|line| line == pid.to_string())));
    let groups = of_pid(shell.0.id()).unwrap();
    for (controller, path) in group.paths().iter() {
        assert!(path.to_str().unwrap().ends_with(&groups[controller]), "{controller}");
    }
    group.kill_all().unwrap();
    until("end of all", || group.pids().unwrap().is_empty());
}

#[test]
fn row_125_quota_is_written_and_obeyed() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    group.set_json(r#"{"cpu":{"quota":20000,"period":100000}}"#);
    assert_eq!(group.file("cpu", "cpu.cfs_quota_us"), "20000");
    let _shell = Shell::new(&group, "while :; do :; done").go();
    until("throttling", || {
        group.stats().unwrap().cpu.throttling.throttled_periods > 0
    });
    let (start, used) = (Instant::now(), group.stats().unwrap().cpu.usage);
    std::thread::sleep(Duration::from_secs(2));
    let used = (group.stats().unwrap().cpu.usage - used) as f64 / start.elapsed().as_nanos() as f64;
    // A busy machine may give less, but never more: 5 % of the quota, and one period at each end.
    assert!(used < 0.2 * 1.05 + 0.02, "{used}");
}

#[test]
fn row_125_period_and_quota_move_in_either_direction() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    for (quota, period) in [(50_000, 100_000), (2_000, 4_000), (400_000, 200_000), (-1, 50_000)] {
        group.set_json(&format!(r#"{{"cpu":{{"quota":{quota},"period":{period}}}}}"#));
        assert_eq!(group.file("cpu", "cpu.cfs_quota_us"), quota.to_string());
        assert_eq!(group.file("cpu", "cpu.cfs_period_us"), period.to_string());
    }
}

#[test]
fn row_128_cpuset_is_inherited_and_set() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    let root = std::fs::read_to_string("/sys/fs/cgroup/cpuset/cpuset.cpus").unwrap();
    assert_eq!(group.file("cpuset", "cpuset.cpus"), root.trim());
    group.set_json(r#"{"cpu":{"cpus":"0","mems":"0"}}"#);
    assert_eq!(group.file("cpuset", "cpuset.cpus"), "0");
    let error = group.set(&resources(r#"{"cpu":{"cpus":"0-9999"}}"#)).unwrap_err();
    assert!(error.to_string().contains("cpuset.cpus"), "{error}");
}

#[test]
fn row_129_over_the_limit_a_task_is_killed_and_the_watch_tells() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    group.set_json(r#"{"memory":{"limit":8388608,"swap":8388608}}"#);
    let mut watch = group.watch_oom().unwrap();
    assert!(!watch.rose().unwrap());
    let mut hog = Shell::new(&group, "exec tail /dev/zero").go();
    assert_eq!(hog.0.wait().unwrap().signal(), Some(9));
    until("readiness", || is_readable(&watch));
    assert!(watch.rose().unwrap());
    assert!(!watch.rose().unwrap());
    let memory = group.stats().unwrap().memory;
    assert_eq!((memory.usage.limit, memory.oom_kills), (8_388_608, 1));
    group.delete().unwrap();
    assert!(!watch.rose().unwrap());
}

#[test]
fn row_129_without_the_killer_the_task_sleeps_until_there_is_memory() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    group.set_json(r#"{"memory":{"limit":8388608,"swap":8388608,"disableOOMKiller":true}}"#);
    let mut watch = group.watch_oom().unwrap();
    let start = || Shell::new(&group, "exec head -c 30000000 /dev/zero | tail -c 29000000 | wc -c").go();
    let mut hog = start();
    until("the task asleep", || {
        // A task sleeps for memory that it touches; inside a system call the kernel refuses it, and the task may end.
        if hog.0.try_wait().unwrap().is_some() {
            hog = start();
        }
        group.file("memory", "memory.oom_control").contains("under_oom 1")
    });
    assert!(hog.0.try_wait().unwrap().is_none());
    group.set_json(r#"{"memory":{"limit":268435456,"swap":268435456}}"#);
    assert_eq!(hog.exit_code(), Some(0));
    assert!(!watch.rose().unwrap(), "nothing was killed");
}

#[test]
fn memory_and_swap_limits_move_in_either_direction() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    let mut limits = vec![(64 << 20, 128 << 20), (256 << 20, 512 << 20), (32 << 20, 32 << 20)];
    limits.push((1 << 30, 1 << 30));
    for (limit, swap) in limits {
        group.set_json(&format!(
            r#"{{"memory":{{"limit":{limit},"swap":{swap},"reservation":4194304}}}}"#
        ));
        assert_eq!(group.file("memory", "memory.limit_in_bytes"), limit.to_string());
        assert_eq!(group.file("memory", "memory.memsw.limit_in_bytes"), swap.to_string());
    }
    group.set_json(r#"{"memory":{"limit":-1}}"#);
    assert!(group.stats().unwrap().memory.swap.limit > 1 << 60);
    let error = group.set(&resources(r#"{"memory":{"swappiness":101}}"#)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid memory swappiness value: 101 (valid range is 0-100)"
    );
}

#[test]
fn a_limit_below_the_use_is_told_with_numbers() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    let _hog = Shell::new(
        &group,
        "head -c 20000000 /dev/zero | tail -c 20000000 | (sleep 100; cat)",
    )
    .go();
    until("use", || group.stats().unwrap().memory.stats["rss"] > 15_000_000);
    group.set_frozen(true).unwrap();
    let refused = group.set(&resources(r#"{"memory":{"limit":1048576,"swap":1048576}}"#));
    // A task that v1 froze does not die before it is thawed.
    group.set_frozen(false).unwrap();
    let text = refused.unwrap_err().to_string();
    assert!(
        text.starts_with("unable to set memory limit to 1048576 (current usage: "),
        "{text}"
    );
}

#[test]
fn row_131_devices_that_are_not_allowed_give_eperm() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    group.set_json(DOCKER);
    let sorted = |list: &str| {
        let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&group.file("devices", "devices.list")), sorted(DOCKER_LIST));
    let opens = |group: &Group, device| Shell::new(group, &format!(": < {device}")).go().exit_code() == Some(0);
    assert!(opens(&group, "/dev/null"));
    assert!(!opens(&group, "/dev/kmsg"));
    let with_kmsg = DOCKER.replace(
        "]}",
        r#",{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#,
    );
    group.set_json(&with_kmsg);
    assert!(opens(&group, "/dev/kmsg"));
}

#[test]
fn row_132_a_frozen_group_stands_still_and_can_be_killed() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    let mut shell = Shell::new(&group, "while :; do :; done").go();
    group.set_frozen(true).unwrap();
    let before = group.stats().unwrap().cpu.usage;
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(group.stats().unwrap().cpu.usage, before);
    group.kill_all().unwrap();
    assert_eq!(shell.0.wait().unwrap().signal(), Some(9));
    group.delete().unwrap();
}

#[test]
fn an_occupied_or_frozen_group_is_refused_with_runcs_words() {
    let Some(group) = Group::v1() else { return };
    group.refuse_occupied().unwrap();
    // A group that somebody made for the freezer alone is found frozen, too.
    let freezer = group.paths().controller("freezer").unwrap().to_owned();
    std::fs::create_dir_all(&freezer).unwrap();
    group.set_frozen(true).unwrap();
    let text = group.refuse_occupied().unwrap_err().to_string();
    assert_eq!(text, "container's cgroup unexpectedly frozen");
    group.set_frozen(false).unwrap();
    group.create().unwrap();
    group.refuse_occupied().unwrap();
    let shell = Shell::new(&group, "");
    let text = group.refuse_occupied().unwrap_err().to_string();
    assert_eq!(text, "container's cgroup is not empty: 1 process(es) found");
    drop(shell);
    group.set_frozen(true).unwrap();
    assert_eq!(
        group.refuse_occupied().unwrap_err().to_string(),
        "container's cgroup unexpectedly frozen"
    );
}

#[test]
fn row_122_a_process_that_is_in_the_hybrid_group_alone_goes_with_it() {
    let Some(group) = Group::v1() else { return };
    let Some(beside) = group.paths().beside().map(Path::to_owned) else {
        println!("skipped: this is no hybrid machine");
        return;
    };
    assert!(group.create_beside().is_some());
    let mut process = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    std::fs::write(beside.join("cgroup.procs"), process.id().to_string()).unwrap();
    group.kill_all().unwrap_or_default();
    assert_eq!(process.wait().unwrap().signal(), Some(9));
    group.delete().unwrap();
    assert!(!beside.exists());
}

#[test]
fn a_limit_without_its_controller_is_refused_by_name() {
    let Some(group) = Group::v1() else { return };
    group.create().unwrap();
    if group.paths().controller("hugetlb").is_some() {
        println!("skipped: this machine has the hugetlb controller");
        return;
    }
    let error = group
        .set(&resources(r#"{"hugepageLimits":[{"pageSize":"2MB","limit":1}]}"#))
        .unwrap_err();
    assert!(matches!(error, Error::NoController("hugetlb")));
}
