//! `tierce why`: reasons from evidence.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::time::Duration;
use tierce_testkit::{Daemon, Entry, ImageBuilder, wait_until};

fn why(daemon: &Daemon, name: &str) -> String {
    daemon.tierce(&["why", name]).ok()
}

#[test]
fn ask_058_a_start_that_failed_is_explained_by_what_the_program_is() {
    let (mut daemon, image) = Daemon::with_busybox();
    // A program header table with a loader that is not there, and a machine that is not this one.
    let mut elf = vec![0_u8; 64 + 56];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[16] = 2;
    elf[18..20].copy_from_slice(&258_u16.to_le_bytes());
    let files = ImageBuilder::busybox().layer(&[
        Entry::File("script", b"#!/bin/nope\necho\n".to_vec(), 0o755),
        Entry::File("crlf", b"#!/bin/sh\r\necho\r\n".to_vec(), 0o755),
        Entry::File("plain", b"echo\n".to_vec(), 0o644),
        Entry::File("foreign", elf, 0o755),
    ]);
    let files = daemon.add_image(&files, "files");
    for (name, program, reason) in [
        ("on-a", "nope", "in no directory of its PATH"),
        ("on-b", "/nope", "is not in the container"),
        ("on-c", "/script", "but not /bin/nope, which it needs"),
        ("on-d", "/crlf", "ends with a carriage return"),
        ("on-e", "/plain", "may not be executed"),
        ("on-f", "/foreign", "is for loong64, and this host is"),
        ("on-g", "/etc", "is a directory"),
    ] {
        let run = daemon.docker(&["run", "--name", name, &files, program]);
        assert_ne!(run.code, 0, "{program}");
        let told = why(&daemon, name);
        assert!(told.contains(reason) && told.contains("error: "), "{program}: {told}");
    }
    // A port that somebody has, and a directory that is not there any more.
    daemon
        .docker(&["run", "-d", "--name", "first", "-p", "8080:80", &image, "sleep", "1000"])
        .ok();
    daemon.docker(&["run", "-d", "--name", "second", "-p", "8080:80", &image, "true"]);
    let told = why(&daemon, "second");
    assert!(told.contains("a port that it publishes is taken"), "{told}");
    let directory = tempfile::tempdir().unwrap();
    let mount = format!("type=bind,source={},target=/data", directory.path().display());
    daemon
        .docker(&["create", "--name", "mount", "--mount", &mount, &image, "true"])
        .ok();
    assert!(why(&daemon, "mount").contains("never started"));
    directory.close().unwrap();
    daemon.docker(&["start", "mount"]);
    assert!(why(&daemon, "mount").contains("which is to be mounted at /data, is not there"));
}

#[test]
fn ask_058_an_end_is_explained_by_code_signal_memory_and_log() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["run", "--name", "code", &image, "sh", "-c", "frobnicate"]);
    let told = why(&daemon, "code");
    assert!(
        told.contains("exit code 127") && told.contains("log: sh: frobnicate: not found"),
        "{told}"
    );
    daemon
        .docker(&["run", "-d", "--name", "deaf", &image, "sleep", "1000"])
        .ok();
    daemon.docker(&["stop", "-t", "1", "deaf"]).ok();
    let told = why(&daemon, "deaf");
    assert!(
        told.contains("after it was asked to stop, and was killed") && told.contains("--init"),
        "{told}"
    );
    daemon
        .docker(&["run", "-d", "--name", "outside", &image, "sleep", "1000"])
        .ok();
    let pid: i32 = daemon.inspect("outside", "{{.State.Pid}}").parse().unwrap();
    std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .unwrap();
    daemon.docker(&["wait", "outside"]).ok();
    let told = why(&daemon, "outside");
    assert!(told.contains("the daemon did not send it"), "{told}");
    let hog = "x=x; while true; do x=$x$x; done";
    daemon.docker(&[
        "run",
        "--name",
        "hog",
        "-m",
        "20m",
        "--memory-swap",
        "20m",
        &image,
        "sh",
        "-c",
        hog,
    ]);
    if daemon.inspect("hog", "{{.State.OOMKilled}}") == "true" {
        let told = why(&daemon, "hog");
        assert!(told.contains("lack of memory: its limit is 20 MiB"), "{told}");
        assert!(
            told.contains("the most it used was") && told.contains("docker update --memory 41943040"),
            "{told}"
        );
    } else {
        println!("skipped: memory is not accounted for containers here");
    }
    let json = daemon.tierce(&["why", "--format", "json", "code"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json["Name"].as_str(), json["Status"].as_str()),
        (Some("code"), Some("exited"))
    );
    assert!(!json["Findings"][0]["Advice"].as_array().unwrap().is_empty());
    assert_eq!(daemon.request("GET", "/tierce/containers/nope/why", None).0, 404);
}

#[test]
fn ask_058_restarts_and_failing_probes_are_explained() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "loop",
            "--restart",
            "always",
            &image,
            "sh",
            "-c",
            "exit 7",
        ])
        .ok();
    // It waits longer than it runs, but at any moment it may do either.
    wait_until("it is seen restarting", Duration::from_mins(1), || {
        let told = why(&daemon, "loop");
        told.contains("its restart policy always starts it again") && told.contains("exit code 7")
    });
    let health = [
        "--health-cmd",
        "frobnicate",
        "--health-interval",
        "100ms",
        "--health-retries",
        "1",
    ];
    daemon
        .docker(
            &[
                &["run", "-d", "--name", "sick"],
                &health[..],
                &[&image, "sleep", "1000"],
            ]
            .concat(),
        )
        .ok();
    wait_until("it is unhealthy", Duration::from_mins(1), || {
        daemon.inspect("sick", "{{.State.Health.Status}}") == "unhealthy"
    });
    let told = why(&daemon, "sick");
    assert!(
        told.contains("runs, but is unhealthy") && told.contains("frobnicate: not found"),
        "{told}"
    );
    daemon
        .docker(&["run", "-d", "--name", "fine", &image, "sleep", "1000"])
        .ok();
    assert!(why(&daemon, "fine").contains("Nothing is wrong"));
}
