//! Files into and out of containers with the stock client (`docker cp`): rows 81, 85 and 161, and hostile containers.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;
use tierce_testkit::{Daemon, Run as _};

/// Containers of every kind of state, with a volume at `/data` and a host path at `/host`.
fn containers(daemon: &Daemon, image: &str, host: &str) -> Vec<&'static str> {
    let host = format!("{host}:/host");
    let flags = ["-v", "vol:/data", "-v", &host, image, "sleep", "1000"];
    daemon
        .docker(&[&["create", "--name", "created"], &flags[..]].concat())
        .ok();
    daemon
        .docker(&[&["run", "-d", "--name", "running"], &flags[..]].concat())
        .ok();
    daemon
        .docker(&[&["run", "-d", "--name", "stopped"], &flags[..]].concat())
        .ok();
    daemon.docker(&["stop", "-t", "0", "stopped"]).ok();
    daemon
        .docker(&[&["run", "-d", "--name", "paused"], &flags[..]].concat())
        .ok();
    daemon.docker(&["pause", "paused"]).ok();
    vec!["created", "running", "stopped", "paused"]
}

#[test]
fn row_085_files_are_copied_in_and_out_whatever_the_container_does() {
    let (daemon, image) = Daemon::with_busybox();
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    fs::create_dir_all(path("tree/sub")).unwrap();
    fs::create_dir(path("host")).unwrap();
    fs::write(path("tree/sub/file"), "content").unwrap();
    symlink("sub/file", path("tree/link")).unwrap();
    for container in containers(&daemon, &image, &path("host")) {
        // Into the layer, into a volume, into a directory of the host.
        for (number, directory) in ["/tmp", "/data", "/host"].iter().enumerate() {
            let inside = format!("{container}:{directory}/{container}");
            daemon.docker(&["cp", &path("tree"), &inside]).ok();
            let back = path(&format!("back-{container}-{number}"));
            daemon.docker(&["cp", &inside, &back]).ok();
            assert_eq!(
                fs::read_to_string(format!("{back}/sub/file")).unwrap(),
                "content",
                "{inside}"
            );
            assert_eq!(
                fs::read_link(format!("{back}/link")).unwrap().to_str(),
                Some("sub/file")
            );
        }
        assert!(fs::exists(path(&format!("host/{container}/sub/file"))).unwrap());
        let single = path(&format!("single-{container}"));
        daemon
            .docker(&["cp", "-L", &format!("{container}:/tmp/{container}/link"), &single])
            .ok();
        assert_eq!(fs::read_to_string(single).unwrap(), "content");
        let missing = daemon.docker(&["cp", &format!("{container}:/nope"), "/tmp"]);
        assert!(
            missing
                .stderr
                .contains(&format!("Could not find the file /nope in container {container}")),
            "{}",
            missing.stderr
        );
    }
    // What was copied into one's volume is in the others'.
    daemon
        .docker(&["exec", "running", "cat", "/data/created/sub/file"])
        .ok();
    // The container's own /proc and /dev are no files of it.
    daemon.docker(&["cp", "running:/", &path("whole")]).ok();
    assert_eq!(fs::read_dir(path("whole/proc")).unwrap().count(), 0);
    assert!(fs::exists(path("whole/data/created/sub/file")).unwrap());
}

#[test]
fn row_085_owners_and_streams_of_copies() {
    let (daemon, image) = Daemon::with_busybox();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    let file = file.display().to_string();
    daemon
        .docker(&[
            "create",
            "--name",
            "mine",
            "--user",
            "1234:5678",
            "-w",
            "/work/here",
            &image,
            "true",
        ])
        .ok();
    // The working directory is there before the first start.
    daemon.docker(&["cp", "mine:/work/here", &format!("{file}-here")]).ok();
    daemon.docker(&["cp", &file, "mine:/work/here/"]).ok();
    daemon.docker(&["cp", "-a", &file, "mine:/tmp/mine"]).ok();
    let copied = place.path().join("copied").display().to_string();
    // An archive on the standard streams.
    let pipe = format!(
        "docker -H unix://{socket} cp mine:/tmp/mine - | tar -xO > {copied}",
        socket = daemon.socket().display()
    );
    Command::new("sh").args(["-c", &pipe]).run().ok();
    assert_eq!(fs::read_to_string(&copied).unwrap(), "x");
    let pipe = format!(
        "tar -cC {} file | docker -H unix://{} cp - mine:/tmp",
        place.path().display(),
        daemon.socket().display()
    );
    Command::new("sh").args(["-c", &pipe]).run().ok();
    let refused = daemon.docker(&["cp", &file, "mine:/etc/passwd/x"]);
    assert_ne!(refused.code, 0);
    let refused = daemon.docker(&["cp", &place.path().display().to_string(), "mine:/etc/passwd"]);
    assert!(refused.stderr.contains("cannot copy directory"), "{}", refused.stderr);
    daemon
        .docker(&["cp", "mine:/tmp", &place.path().join("out").display().to_string()])
        .ok();
    let mine = place.path().join("out/mine").metadata().unwrap();
    assert_eq!(mine.uid(), rustix_uid());
}

/// Whose files a client unpacks: its own.
fn rustix_uid() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

#[test]
fn row_081_what_the_container_cannot_write_nobody_writes_for_it() {
    let (daemon, image) = Daemon::with_busybox();
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().display().to_string();
    let flags = [
        "--read-only",
        "-v",
        "vol:/data",
        "-v",
        "fixed:/fixed:ro",
        &image,
        "sleep",
        "1000",
    ];
    daemon
        .docker(&[&["run", "-d", "--name", "running"], &flags[..]].concat())
        .ok();
    daemon
        .docker(&[&["create", "--name", "created"], &flags[..]].concat())
        .ok();
    for container in ["running", "created"] {
        let to = |directory: &str| daemon.docker(&["cp", &file, &format!("{container}:{directory}/x")]);
        to("/data").ok();
        assert!(to("/tmp").stderr.contains("container rootfs is marked read-only"));
        assert!(to("/fixed").stderr.contains("mounted volume is marked read-only"));
        assert!(
            to("/data/../tmp")
                .stderr
                .contains("container rootfs is marked read-only")
        );
    }
}

#[test]
fn copies_never_leave_a_container_that_swaps_links_under_them() {
    let (daemon, image) = Daemon::with_busybox();
    let place = tempfile::tempdir().unwrap();
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "the host's").unwrap();
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    // A directory and a link to the host's directory take turns under one name.
    let script = format!(
        "mkdir -p {outside} /real; echo mine > /real/secret; cp /real/secret {outside}/secret
         while :; do ln -sfn {outside} /turn; rm -f /turn; mkdir /turn; echo mine > /turn/secret; rm -rf /turn; done",
        outside = outside.display()
    );
    daemon
        .docker(&["run", "-d", "--name", "hostile", &image, "sh", "-c", &script])
        .ok();
    for round in 0..100 {
        let _ = daemon.docker(&["cp", &file.display().to_string(), &format!("hostile:/turn/f{round}")]);
        // It may be gone in the middle of the copy.
        let copied = daemon.docker(&["cp", "hostile:/turn/secret", "-"]);
        assert!(!copied.stdout.contains("the host's"), "{}", copied.stdout);
    }
    let names: Vec<_> = fs::read_dir(&outside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "the host's");
}
