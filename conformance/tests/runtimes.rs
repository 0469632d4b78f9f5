//! The runtime is a program that can be exchanged: rows 101, 105.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tierce_testkit::{Daemon, ImageBuilder, binary};

#[test]
fn row_101_row_105_the_shim_calls_create_and_later_start_of_the_runtime_that_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (wrapper, calls) = (directory.path().join("runtime"), directory.path().join("calls"));
    let runtime = binary("tierce-runtime");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}\nexec {} \"$@\"\n",
        calls.display(),
        runtime.display()
    );
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let mut daemon = Daemon::start_with(&["--add-runtime", &format!("logged={}", wrapper.display())]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    let id = daemon
        .docker(&["run", "-d", "--runtime", "logged", &image, "sleep", "100"])
        .ok();
    assert_eq!(daemon.docker(&["exec", &id, "echo", "inside"]).ok(), "inside");
    daemon.docker(&["rm", "-f", &id]).ok();
    let text = fs::read_to_string(&calls).unwrap();
    let verbs = ["create", "start", "exec", "delete"];
    let at = verbs.map(|verb| text.lines().position(|line| line.split(' ').any(|word| word == verb)));
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{at:?} in:\n{text}");
    assert!(text.lines().all(|line| line.contains(&id)), "{text}");
    assert!(
        text.contains(&*daemon.exec_root().join("runtime").to_string_lossy()),
        "its root is ours:\n{text}"
    );
    // Ours is called in the shim's own process unless it is named.
    daemon.docker(&["run", "--rm", &image, "true"]).ok();
    assert_eq!(fs::read_to_string(&calls).unwrap(), text);
    let refused = daemon
        .docker(&["run", "--rm", "--runtime", "nope", &image, "true"])
        .fails(125);
    assert!(refused.contains("nope"), "{refused}");
}
