//! Texts of the kernel and of specifications.

use crate::hierarchy::{Hierarchies, parse_membership};
use crate::path::GroupPath;
use crate::{Driver, Error, Mode, open};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Component, Path};

#[test]
fn mounts_are_found_co_mounted_and_hybrid() {
    let found = Hierarchies::parse(
        "23 1 0:21 / /sys rw - sysfs sysfs rw\n\
         31 23 0:28 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n\
         32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 master:2 - cgroup cgroup rw,cpu,cpuacct\n\
         33 31 0:30 / /sys/fs/cgroup/with\\040space rw - cgroup cgroup rw,memory\n\
         34 31 0:31 / /elsewhere rw - cgroup cgroup rw,memory\n\
         35 31 0:32 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
         36 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n\
         garbage - \n\n",
    );
    let v1: Vec<(&str, &str)> = found
        .v1
        .iter()
        .map(|(name, path)| (*name, path.to_str().unwrap()))
        .collect();
    assert_eq!(
        v1,
        [
            ("memory", "/sys/fs/cgroup/with space"),
            ("cpu", "/sys/fs/cgroup/cpu,cpuacct"),
            ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct"),
            ("name=systemd", "/sys/fs/cgroup/systemd"),
        ]
    );
    assert_eq!(found.v2.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
    assert_eq!(found.mode(), Mode::Hybrid);
    assert_eq!(
        Hierarchies::parse("1 2 0:3 / /m rw - cgroup2 c rw").mode(),
        Mode::Unified
    );
    assert_eq!(
        Hierarchies::parse("1 2 0:3 / /m rw - cgroup c rw,pids").mode(),
        Mode::Legacy
    );
}

#[test]
fn membership_is_read_by_controller() {
    let groups = parse_membership("3:cpu,cpuacct:/docker/a\n1:name=systemd:/x:y\n0::/\n").unwrap();
    let get = |name: &str| groups[name].as_str();
    assert_eq!(
        [get("cpu"), get("cpuacct"), get("name=systemd"), get("")],
        ["/docker/a", "/docker/a", "/x:y", "/"]
    );
    assert!(parse_membership("nonsense").is_err());
    let own = crate::of_pid(std::process::id()).unwrap();
    assert!(own.values().all(|path| path.starts_with('/')) && !own.is_empty());
}

#[test]
fn usual_places_spare_the_table_of_mounts() {
    let membership = "3:cpu,cpuacct:/x\n2:memory:/\n5:debug:/\n1:name=systemd:/\n0::/\n";
    let found = Hierarchies::at_usual_places(membership, |_, _| true).unwrap();
    let place = |name: &str| Path::new("/sys/fs/cgroup").join(name);
    let wanted = [
        ("memory", "memory"),
        ("cpu", "cpu,cpuacct"),
        ("cpuacct", "cpu,cpuacct"),
        ("name=systemd", "systemd"),
    ];
    assert_eq!(found.v1, wanted.map(|(name, directory)| (name, place(directory))));
    assert_eq!(found.v2, Some(place("unified")));
    // One that is elsewhere, or nowhere, has to be looked for.
    assert_eq!(
        Hierarchies::at_usual_places(membership, |path, _| !path.ends_with("memory")),
        None
    );
    assert_eq!(Hierarchies::at_usual_places("0::/\n", |_, _| true), None);
    // Both ways lead to the same places on this machine.
    let table = Hierarchies::parse(&std::fs::read_to_string("/proc/self/mountinfo").unwrap());
    if let Ok(found) = Hierarchies::find()
        && found.mode() != Mode::Unified
    {
        assert_eq!(found, table);
    }
}

#[test]
fn paths_stay_below_the_root() {
    let within = |text: &str, own| GroupPath::parse(text).map(|path| path.within(Path::new("/m"), own));
    assert_eq!(within("/docker/abc", Some("/own")).unwrap(), Path::new("/m/docker/abc"));
    assert_eq!(within("abc", Some("/own")).unwrap(), Path::new("/m/own/abc"));
    assert_eq!(within("/../../x/./y/../z", None).unwrap(), Path::new("/m/x/z"));
    for bad in ["", "/", "..", "/a/..", "a\0b"] {
        assert!(matches!(within(bad, None), Err(Error::Path(_))), "{bad:?}");
    }
    if !Path::new("/run/systemd/system").exists() {
        let systemd = open("system.slice:docker:abc", Driver::Systemd, &BTreeMap::new())
            .err()
            .unwrap();
        assert!(
            systemd.to_string().starts_with("systemd not running on this host"),
            "{systemd}"
        );
    }
}

proptest! {
    #[test]
    fn no_path_leaves_the_root(text in "[a./\\\\: ]{0,12}") {
        if let Ok(path) = GroupPath::parse(&text) {
            prop_assert!(path.inner.components().all(|part| matches!(part, Component::Normal(_))));
            prop_assert!(path.inner.components().next().is_some());
        }
    }

    #[test]
    fn parsers_never_panic(text in "\\PC{0,200}") {
        Hierarchies::parse(&text);
        let _ = parse_membership(&text);
        crate::stats::parse_rdma(&text);
        crate::devices::State::from_list(&text);
    }
}

#[test]
fn row_133_perf_event_is_a_hierarchy_like_the_others() {
    // What counts events for a group needs a group: one is made wherever the machine has the hierarchy.
    let found = Hierarchies::parse(
        "40 31 0:40 / /sys/fs/cgroup/perf_event rw - cgroup cgroup rw,perf_event\n\
         41 31 0:41 / /sys/fs/cgroup/net_cls,net_prio rw - cgroup cgroup rw,net_cls,net_prio\n",
    );
    let places: BTreeMap<&str, &Path> = found.places().collect();
    assert_eq!(places["perf_event"], Path::new("/sys/fs/cgroup/perf_event"));
    assert_eq!(places["net_cls"], places["net_prio"]);
}
