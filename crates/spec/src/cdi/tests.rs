//! Documents read and applied.

use super::*;
use tierce_oci::runtime::{Linux, Mount, Process, Spec, User};

const NVIDIA: &str = r#"
cdiVersion: "0.6.0"
kind: nvidia.com/gpu
devices:
  - name: "0"
    containerEdits:
      deviceNodes:
        - path: /dev/nvidia0
          hostPath: /dev/null
          permissions: rw
  - name: "10"
    containerEdits: {env: [TEN=1]}
  - name: "2"
    containerEdits: {env: [TWO=1]}
  - name: all
    containerEdits: {env: [ALL=1]}
containerEdits:
  env: [NVIDIA_VISIBLE_DEVICES=void, PATH=/gpu]
  hooks:
    - hookName: createContainer
      path: /usr/bin/nvidia-cdi-hook
      args: [nvidia-cdi-hook, update-ldcache]
  mounts:
    - hostPath: /run/nvidia
      containerPath: /run/nvidia
      options: [ro, nosuid, bind]
  additionalGids: [0, 44]
"#;

const OTHER: &str = r#"{"cdiVersion": "0.5.0", "kind": "vendor.com/class",
    "devices": [{"name": "foo", "containerEdits": {"deviceNodes": [
        {"path": "/dev/foo", "type": "c", "major": 42, "minor": 1, "fileMode": 432, "uid": 7}]}}]}"#;

fn registry(files: &[(&str, &str)]) -> Registry {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Registry::read(&["a", "b"].map(|name| place.path().join(name)))
}

fn request(driver: &str, count: i64, ids: &[&str]) -> DeviceRequest {
    DeviceRequest {
        driver: driver.to_owned(),
        count,
        device_ids: Some(ids.iter().map(|id| (*id).to_owned()).collect()),
        capabilities: (driver != "cdi").then(|| vec![vec!["gpu".to_owned()]]),
        options: None,
    }
}

fn edited(registry: &Registry, request: DeviceRequest) -> Spec {
    let mut spec = Spec {
        process: Some(Process {
            env: vec!["PATH=/bin".into()],
            user: User {
                uid: 1000,
                ..User::default()
            },
            ..Process::default()
        }),
        mounts: vec![Mount {
            destination: "/run/nvidia".into(),
            ..Mount::default()
        }],
        linux: Some(Linux::default()),
        ..Spec::default()
    };
    registry.edits(&[request]).unwrap().apply(&mut spec).unwrap();
    spec
}

#[test]
fn row_131_a_device_by_its_vendors_name_changes_the_document() {
    let registry = registry(&[("a/nvidia.yaml", NVIDIA), ("b/other.json", OTHER), ("a/notes.txt", "x")]);
    assert!(registry.problems().is_empty(), "{:?}", registry.problems());
    let spec = edited(
        &registry,
        request("cdi", 0, &["nvidia.com/gpu=0", "vendor.com/class=foo"]),
    );
    let linux = spec.linux.unwrap();
    let devices: Vec<_> = linux
        .devices
        .iter()
        .map(|device| (device.path.to_str().unwrap(), device.major, device.minor, device.uid))
        .collect();
    assert_eq!(
        devices,
        [("/dev/nvidia0", 1, 3, Some(1000)), ("/dev/foo", 42, 1, Some(7))]
    );
    let rules = linux.resources.unwrap().devices;
    assert_eq!((rules[0].access.as_str(), rules[1].access.as_str()), ("rw", "rwm"));
    let process = spec.process.unwrap();
    assert_eq!(process.env, ["PATH=/gpu", "NVIDIA_VISIBLE_DEVICES=void"]);
    assert_eq!(process.user.additional_gids, [44]);
    assert_eq!((spec.mounts.len(), spec.mounts[0].options.len()), (1, 3));
    assert_eq!(spec.hooks.unwrap().create_container[0].args[1], "update-ldcache");
}

#[test]
fn row_131_gpus_are_found_by_number_name_and_all() {
    let registry = registry(&[("a/nvidia.yml", NVIDIA)]);
    let environment = |request| edited(&registry, request).process.unwrap().env;
    assert!(environment(request("", -1, &[])).contains(&"ALL=1".to_owned()));
    // The second by number, not by letters.
    let two = environment(request("", 2, &[]));
    assert!(
        two.contains(&"TWO=1".to_owned()) && !two.contains(&"TEN=1".to_owned()),
        "{two:?}"
    );
    assert!(environment(request("nvidia", 0, &["10"])).contains(&"TEN=1".to_owned()));
    let refused = |request| registry.edits(&[request]).unwrap_err().to_string();
    assert_eq!(
        refused(request("", 4, &[])),
        "CDI device injection failed: 4 devices of nvidia.com/gpu were asked for, and there are 3"
    );
    assert_eq!(
        refused(request("", 1, &["0"])),
        "cannot set both Count and DeviceIDs on device request"
    );
    assert_eq!(
        refused(request("amd", -1, &[])),
        "could not select device driver \"amd\" with capabilities: [[gpu]]"
    );
}

#[test]
fn what_nobody_describes_is_named() {
    let empty = registry(&[]);
    let refused = |request| empty.edits(&[request]).unwrap_err().to_string();
    assert_eq!(
        refused(request("", -1, &[])),
        "could not select device driver \"\" with capabilities: [[gpu]]"
    );
    assert_eq!(
        refused(request("cdi", 0, &["vendor1.com/device=foo", "a/b=c"])),
        "CDI device injection failed: unresolvable CDI devices vendor1.com/device=foo, a/b=c"
    );
    assert_eq!(
        refused(request("cdi", 1, &["a/b=c"])),
        "unexpected count in CDI device request"
    );
}

#[test]
fn later_directories_are_stronger_and_doubles_mean_nothing() {
    let stronger = OTHER.replace("42", "43");
    let found = registry(&[("a/x.json", OTHER), ("b/y.json", &stronger)]);
    assert_eq!(
        edited(&found, request("cdi", 0, &["vendor.com/class=foo"]))
            .linux
            .unwrap()
            .devices[0]
            .major,
        43
    );
    let doubled = registry(&[("a/x.json", OTHER), ("a/y.json", &stronger)]);
    assert_eq!(doubled.names().count(), 0);
    assert!(
        doubled.problems()[0].contains("conflicting device"),
        "{:?}",
        doubled.problems()
    );
}

#[test]
fn documents_that_make_no_sense_are_told_of_and_left_out() {
    for text in [
        "",
        "[1]",
        r#"{"cdiVersion":"1","kind":"x","devices":[{"name":"a"}]}"#,
        r#"{"cdiVersion":"1","kind":"a/b","devices":[]}"#,
        r#"{"cdiVersion":"1","kind":"a/b","devices":[{"name":"-"}]}"#,
        r#"{"cdiVersion":"1","kind":"a/b","devices":[{"name":"a","containerEdits":{"mounts":[{"containerPath":"x"}]}}]}"#,
    ] {
        let found = registry(&[("a/x.json", text), ("a/y.yaml", text)]);
        assert_eq!(found.names().count(), 0, "{text}");
        assert_eq!(found.problems().len(), 2, "{text}");
    }
}
