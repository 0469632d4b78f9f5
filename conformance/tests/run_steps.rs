//! Row 70: the steps of a `run` show in the events in order, and each is undone when a later one fails.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::path::Path;
use tierce_testkit::{Daemon, ImageBuilder, binary};

/// Subject and action of every event about this container so far, and of what was done for it.
fn events(daemon: &Daemon) -> Vec<String> {
    let told = daemon.events(Daemon::docker, &["--format", "{{.Type}} {{.Action}}"]);
    told.lines().map(str::to_owned).collect()
}

#[test]
fn row_070_the_events_of_a_run_come_in_order() {
    let mut daemon = Daemon::start();
    let name = daemon.registry().push(&ImageBuilder::busybox(), "fresh");
    daemon.docker(&["run", "--rm", "-v", "/data", &name, "true"]).ok();
    let told = events(&daemon);
    let order = [
        "image pull",
        "volume create",
        "container create",
        "container attach",
        "volume mount",
        "network connect",
        "container start",
        "network disconnect",
        "container die",
        "container destroy",
    ];
    let mut places = Vec::new();
    for wanted in order {
        let place = told.iter().position(|event| event == wanted);
        places.push(place.unwrap_or_else(|| panic!("no {wanted} in {told:?}")));
    }
    let mut sorted = places.clone();
    sorted.sort_unstable();
    // A volume is mounted and a network joined in the same step, in either order.
    sorted.swap(4, 5);
    assert!(places.is_sorted() || places == sorted, "{told:?}");
}

/// What a container has on disk and in the kernel.
fn left(daemon: &Daemon) -> Vec<String> {
    let mut left = Vec::new();
    for directory in ["containers", "image/overlay2/layerdb/mounts", "volumes"] {
        let entries = std::fs::read_dir(daemon.data_root().join(directory))
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
        left.extend(names.map(|path| path.display().to_string()));
    }
    left.extend(
        daemon
            .host()
            .links()
            .into_iter()
            .filter(|link| link.starts_with("veth")),
    );
    left
}

#[test]
fn row_070_what_fails_before_the_container_is_there_leaves_nothing() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["create", "--name", "taken", &image]).ok();
    let before = left(&daemon);
    for (fault, code, text) in [
        (&["no/such:image"][..], 125, "Unable to find image"),
        (&["--name", "taken", &image], 125, "is already in use"),
        (&["--memory", "1", &image], 125, "Minimum memory limit"),
        (
            &["--mount", "type=bind,src=/nonexistent,dst=/x", &image],
            125,
            "does not exist",
        ),
        (
            &["-v", "/data", "--mount", "type=bind,src=/nonexistent,dst=/x", &image],
            125,
            "does not exist",
        ),
        (
            &["--runtime", "nonexistent", &image],
            125,
            "unknown or invalid runtime name",
        ),
        (&["--storage-opt", "nonsense=1", &image], 125, ""),
    ] {
        let arguments = [&["run"], fault].concat();
        let told = daemon.docker(&arguments).fails(code);
        assert!(told.contains(text), "{fault:?}: {told}");
        assert_eq!(left(&daemon), before, "{fault:?}");
    }
    daemon.docker(&["rm", "taken"]).ok();
}

#[test]
fn row_070_what_fails_at_the_start_is_undone_and_can_be_tried_again() {
    // A shim that can be taken away.
    let directory = tempfile::tempdir().unwrap();
    let shim = directory.path().join("shim");
    std::fs::copy(binary("containerd-shim-tierce-v2"), &shim).unwrap();
    let mut daemon = Daemon::start_with(&["--shim", shim.to_str().unwrap()]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    daemon
        .docker(&[
            "run", "-d", "--name", "holder", "-p", "8080:80", &image, "sleep", "1000",
        ])
        .ok();
    let before = daemon.traces();
    let links = daemon.host().links();
    let undone = |daemon: &Daemon, name: &str, fault: &str| {
        assert_eq!(
            daemon.inspect(name, "{{.State.Running}} {{.State.Pid}}"),
            "false 0",
            "{fault}"
        );
        assert_eq!(daemon.inspect(name, "{{.NetworkSettings.SandboxID}}"), "", "{fault}");
        tierce_testkit::wait_until("the start is undone", std::time::Duration::from_secs(30), || {
            daemon.traces() == before && daemon.host().links() == links
        });
    };
    // The network: its port is taken, after it was joined.
    let told = daemon
        .docker(&["run", "-d", "--name", "port", "-p", "8080:80", &image, "sleep", "1000"])
        .fails(125);
    assert!(
        told.contains("port is already allocated") || told.contains("address already in use"),
        "{told}"
    );
    undone(&daemon, "port", "network");
    // The program: it is not there.
    daemon
        .docker(&["run", "-d", "--name", "program", "-p", "8081:80", &image, "/no/such"])
        .fails(127);
    undone(&daemon, "program", "program");
    // The mounts: a file cannot be mounted on a directory.
    let mount = "/etc/hostname:/etc";
    daemon
        .docker(&[
            "run", "-d", "--name", "mount", "-p", "8081:80", "-v", mount, &image, "true",
        ])
        .fails(125);
    undone(&daemon, "mount", "mounts");
    // The shim: it is not there.
    let away = directory.path().join("away");
    std::fs::rename(&shim, &away).unwrap();
    daemon
        .docker(&["create", "--name", "shim", "-p", "8081:80", &image, "sleep", "1000"])
        .ok();
    assert_ne!(daemon.docker(&["start", "shim"]).code, 0);
    undone(&daemon, "shim", "shim");
    std::fs::rename(&away, &shim).unwrap();
    daemon.docker(&["start", "shim"]).ok();
    // The log: a directory is in its place.
    let id = daemon
        .docker(&["create", "--name", "log", &image, "sleep", "1000"])
        .ok();
    let log = daemon.data_root().join(format!("containers/{id}/{id}-json.log"));
    std::fs::create_dir(&log).unwrap();
    daemon.docker(&["stop", "-t", "0", "shim"]).ok();
    assert_ne!(daemon.docker(&["start", "log"]).code, 0);
    undone(&daemon, "log", "log");
    std::fs::remove_dir(&log).unwrap();
    daemon.docker(&["start", "log"]).ok();
    daemon.docker(&["rm", "-f", "holder"]).ok();
    daemon.docker(&["start", "port"]).ok();
    assert!(Path::new(&format!("/proc/{}", daemon.inspect("port", "{{.State.Pid}}"))).exists());
}
