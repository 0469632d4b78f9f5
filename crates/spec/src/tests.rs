//! The sections together, compared with what dockerd wrote for the same records (`tests/fixtures/*.spec.json`).

use super::*;
use std::collections::BTreeSet;
use tierce_oci::runtime::{Device, User};

/// Reads what dockerd made and assembles the same container; the looked-up facts are taken from dockerd's result.
fn compare(config: &str, host_config: &str, spec: &str) {
    let record: serde_json::Value = serde_json::from_str(config).unwrap();
    let config: Config = serde_json::from_value(record["Config"].clone()).unwrap();
    let arguments: Vec<String> = serde_json::from_value(record["Args"].clone()).unwrap_or_default();
    let host_config: HostConfig = serde_json::from_str(host_config).unwrap();
    let theirs: Spec = serde_json::from_str(spec).unwrap();
    let linux = theirs.linux.clone().unwrap();
    let place = |kind: &str| {
        let found = linux
            .namespaces
            .iter()
            .find(|namespace| serde_json::to_value(namespace.kind).unwrap() == kind);
        match found {
            None => Place::Host,
            Some(namespace) => namespace.path.clone().map_or(Place::New, Place::Path),
        }
    };
    let host = HostFacts {
        unified_cgroups: false,
        recursive_read_only: true,
        apparmor_profile: None,
        // The lab's host has all but CAP_SYS_RESOURCE.
        capabilities: ((1 << 41) - 1) & !(1 << 24),
        kernel: (6, 18),
    };
    let user: User = theirs.process.as_ref().unwrap().user.clone();
    let init = theirs.process.as_ref().unwrap().args[0]
        .ends_with("docker-init")
        .then_some(Path::new("/usr/bin/docker-init"));
    let binds = theirs
        .mounts
        .iter()
        .filter(|mount| mount.kind.as_deref() == Some("bind") && !mount.destination.ends_with("docker-init"))
        .map(|mount| {
            let destination = mount.destination.to_string_lossy().into_owned();
            let has = |word: &str| mount.options.iter().any(|option| option == word);
            BindSource {
                source: mount.source.clone().unwrap(),
                own: destination.starts_with("/etc/") || destination == "/dev/shm",
                destination,
                read_only: has("rro") || has("ro"),
                propagation: if has("rprivate") {
                    "rprivate".into()
                } else {
                    String::new()
                },
                ..BindSource::default()
            }
        })
        .collect();
    let devices = linux
        .devices
        .iter()
        .map(|node: &Device| Grant {
            node: node.clone(),
            access: "rwm".to_owned(),
        })
        .collect();
    let shm = theirs
        .mounts
        .iter()
        .find(|mount| mount.destination == Path::new("/dev/shm"))
        .and_then(|mount| {
            (mount.kind.as_deref() == Some("bind"))
                .then(|| mount.source.clone())
                .flatten()
        });
    let root = theirs.root.as_ref().unwrap().path.clone();
    let inputs = Inputs {
        config: &config,
        program: record["Path"].as_str().unwrap(),
        arguments: &arguments,
        host: &host,
        root: &root,
        user,
        places: Places {
            network: place("network"),
            pid: place("pid"),
            ipc: place("ipc"),
        },
        shm,
        binds,
        devices,
        edits: cdi::Edits::default(),
        linked_environment: Vec::new(),
        init,
        cgroups_path: cgroups_path(record["ID"].as_str().unwrap(), &host_config, None, false),
        host_config: &host_config,
    };
    let ours = assemble(&inputs).unwrap();
    assert_alike(ours, theirs);
}

fn assert_alike(mut ours: Spec, mut theirs: Spec) {
    let (ours_linux, theirs_linux) = (ours.linux.as_mut().unwrap(), theirs.linux.as_mut().unwrap());
    // The filters are compared where they are made.
    assert_eq!(
        ours_linux.seccomp.take().is_some(),
        theirs_linux.seccomp.take().is_some(),
        "seccomp"
    );
    // dockerd writes the default device rules twice.
    let rules = |linux: &mut Linux| {
        let rules = std::mem::take(&mut linux.resources.as_mut().unwrap().devices);
        let mut seen = Vec::new();
        for rule in rules {
            if !seen.contains(&rule) {
                seen.push(rule);
            }
        }
        seen
    };
    let (ours_rules, theirs_rules) = (rules(ours_linux), rules(theirs_linux));
    assert_eq!(ours_rules, theirs_rules, "device rules");
    let sorted = |linux: &mut Linux| linux.namespaces.sort_by_key(|namespace| namespace.kind);
    sorted(ours_linux);
    sorted(theirs_linux);
    // Mounts at the same depth have no order in dockerd: it iterates over a map.
    let set = |spec: &mut Spec| -> BTreeSet<String> {
        std::mem::take(&mut spec.mounts)
            .iter()
            .map(|mount| serde_json::to_string(mount).unwrap())
            .collect()
    };
    let (ours_mounts, theirs_mounts) = (set(&mut ours), set(&mut theirs));
    assert_eq!(ours_mounts, theirs_mounts, "mounts");
    // The version of the specification is that of the runtime that comes with each.
    assert_eq!(ours.oci_version, tierce_oci::runtime::VERSION);
    theirs.oci_version.clone_from(&ours.oci_version);
    assert_eq!(
        serde_json::to_value(&ours).unwrap(),
        serde_json::to_value(&theirs).unwrap(),
        "everything else"
    );
}

macro_rules! fixture {
    ($name:literal) => {
        compare(
            include_str!(concat!("../../engine/tests/fixtures/", $name, ".config.v2.json")),
            include_str!(concat!("../../engine/tests/fixtures/", $name, ".hostconfig.json")),
            include_str!(concat!("../../engine/tests/fixtures/", $name, ".spec.json")),
        );
    };
}

#[test]
fn a_plain_container_gets_dockers_document() {
    fixture!("plain");
}

#[test]
fn row_071_limits_mounts_and_ports() {
    fixture!("full");
}

#[test]
fn row_078_a_terminal_a_user_and_an_init() {
    fixture!("tty");
}

#[test]
fn a_privileged_container_gets_everything() {
    fixture!("priv");
}

#[test]
fn host_namespaces_and_a_read_only_root() {
    fixture!("ro");
}

#[test]
fn row_131_devices_and_their_rules() {
    fixture!("dev");
}

#[test]
fn row_084_namespaces_of_other_containers() {
    fixture!("cont2");
}

#[test]
fn a_shareable_ipc_namespace() {
    fixture!("share");
}

#[test]
fn row_123_the_control_group_is_dockers() {
    let mut host_config = HostConfig::default();
    assert_eq!(cgroups_path("abc", &host_config, None, false), "/docker/abc");
    assert_eq!(cgroups_path("abc", &host_config, None, true), "system.slice:docker:abc");
    host_config.resources.cgroup_parent = "/my".into();
    assert_eq!(cgroups_path("abc", &host_config, Some("/daemon"), false), "/my/abc");
}
