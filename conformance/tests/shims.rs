//! Containers that another shim of containerd's protocol keeps, here a copy of ours under a name that nothing knows; with
//! `TIERCE_OTHER_SHIM` any other. Row 109.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tierce_testkit::{Daemon, ImageBuilder, binary, wait_until};

/// What takes moments on an idle machine is waited for so long on a busy one.
const PATIENCE: Duration = Duration::from_mins(1);

/// A shim in a directory of its own.
fn other_shim(directory: &Path) -> PathBuf {
    let named = std::env::var_os("TIERCE_OTHER_SHIM").map(PathBuf::from);
    let program = directory.join("containerd-shim-other-v2");
    fs::copy(named.unwrap_or_else(|| binary("containerd-shim-tierce-v2")), &program).unwrap();
    program
}

/// A daemon that finds it by its name, and an image.
fn start(directory: &Path) -> (Daemon, String) {
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    daemon.stop();
    daemon.supervisor.stop();
    other_shim(directory);
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    daemon.environment = vec![("PATH".to_owned(), path)];
    daemon.supervisor.environment.clone_from(&daemon.environment);
    daemon.launch();
    (daemon, image)
}

const OTHER: [&str; 2] = ["--runtime", "io.containerd.other.v2"];

#[test]
fn row_109_a_container_of_another_shim_is_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, image) = start(directory.path());
    let run = |words: &[&str]| daemon.docker(&[&["run", "--rm"], &OTHER[..], words].concat());
    // Streams and exit codes.
    let said = run(&[&image, "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(
        (said.stdout.as_str(), said.stderr.as_str(), said.code),
        ("out\n", "err\n", 7)
    );
    let missing = run(&[&image, "/nope"]);
    assert!(
        missing.code == 127 && missing.stderr.contains("no such file"),
        "{missing:?}"
    );
    let mut cat = daemon
        .docker_command()
        .args([&["run", "--rm", "-i"], &OTHER[..], &[&image, "cat"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let much = "0123456789abcdef".repeat(200_000);
    let mut input = cat.stdin.take().unwrap();
    let text = much.clone();
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = cat.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(
        output.stdout == much.as_bytes(),
        "{} bytes came back",
        output.stdout.len()
    );
    // A life: log, exec, signals, pause, limits, its own namespaces.
    let script = "trap 'echo stopped; exit 3' TERM; echo begun; while :; do sleep 0.1; done";
    let long = [
        &["run", "-d", "--name", "c1", "--network", "none"],
        &OTHER[..],
        &[&image, "sh", "-c", script],
    ];
    daemon.docker(&long.concat()).ok();
    wait_until("it has begun", PATIENCE, || {
        daemon.docker(&["logs", "c1"]).ok() == "begun"
    });
    let pid = daemon.inspect("c1", "{{.State.Pid}}");
    let own = fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    assert_ne!(own, fs::read_link("/proc/self/ns/pid").unwrap());
    let exec = daemon.docker(&["exec", "c1", "sh", "-c", "echo inside; exit 5"]);
    assert_eq!((exec.stdout.as_str(), exec.code), ("inside\n", 5));
    daemon.docker(&["pause", "c1"]).ok();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "paused");
    daemon.docker(&["unpause", "c1"]).ok();
    daemon.docker(&["stop", "c1"]).ok();
    assert_eq!(
        daemon.inspect("c1", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 3"
    );
    assert_eq!(daemon.docker(&["logs", "c1"]).ok(), "begun\nstopped");
    // It starts again, and is removed by force.
    daemon.docker(&["start", "c1"]).ok();
    daemon.docker(&["rm", "-f", "c1"]).ok();
    daemon.wait_until_nothing_is_left();
    wait_until("the shims have ended", PATIENCE, || !is_running(directory.path()));
}

/// Whether a program of that directory runs.
fn is_running(directory: &Path) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut programs = processes.filter_map(|process| fs::read_link(process.path().join("exe")).ok());
    programs.any(|program| program.starts_with(directory))
}

#[test]
fn row_109_a_terminal_is_handed_on_with_its_size() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, image) = start(directory.path());
    let script = "test -t 0 && echo terminal; until [ \"$(stty size)\" = '33 101' ]; do sleep 0.1; done; echo sized";
    let run = [
        &["run", "-dt", "--name", "c1"],
        &OTHER[..],
        &[&image, "sh", "-c", script],
    ];
    daemon.docker(&run.concat()).ok();
    wait_until("it has a terminal", PATIENCE, || {
        daemon.docker(&["logs", "c1"]).ok().contains("terminal")
    });
    let (status, answer) = daemon.request("POST", "/containers/c1/resize?h=33&w=101", None);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "0");
    assert!(daemon.docker(&["logs", "c1"]).ok().contains("sized"));
}

#[test]
fn row_109_the_daemon_may_die_and_finds_the_container_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut daemon, image) = start(directory.path());
    let script = "echo begun; until [ -e /go ]; do sleep 0.1; done; echo ended; exit 4";
    let run = [
        &["run", "-d", "--name", "c1"],
        &OTHER[..],
        &[&image, "sh", "-c", script],
    ];
    daemon.docker(&run.concat()).ok();
    daemon.crash();
    daemon.launch();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "running");
    daemon.docker(&["exec", "c1", "touch", "/go"]).ok();
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "4");
    assert_eq!(daemon.docker(&["logs", "c1"]).ok(), "begun\nended");
}

#[test]
fn row_109_a_shim_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("daemon.json");
    fs::write(
        &file,
        r#"{"runtimes": {"vm": {"runtimeType": "/nowhere/containerd-shim-vm-v2"}}}"#,
    )
    .unwrap();
    let mut daemon = Daemon::start_with(&["--config-file", &file.display().to_string()]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    let refused = daemon.docker(&["run", "--rm", "--runtime", "vm", &image, "true"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("cannot execute /nowhere/containerd-shim-vm-v2"),
        "{refused:?}"
    );
}

#[test]
fn row_109_what_another_shim_keeps_ends_whoever_does_not_read_and_leaves_nothing_of_what_failed() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, image) = start(directory.path());
    let run = |name: &str, words: &[&str]| {
        let named = ["run", "-d", "--name", name];
        daemon.docker(&[&named, &OTHER[..], words].concat()).ok()
    };
    // A client that reads nothing holds the process up, and nobody who ends it.
    run("flood", &[&image, "sh", "-c", "sleep 1; exec yes"]);
    let mut client = UnixStream::connect(daemon.socket()).unwrap();
    let request = "POST /v1.51/containers/flood/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: \
                   Upgrade\r\nUpgrade: tcp\r\n\r\n";
    client.write_all(request.as_bytes()).unwrap();
    let written = || fs::metadata(daemon.inspect("flood", "{{.LogPath}}")).map_or(0, |log| log.len());
    wait_until("it is held up", PATIENCE, || {
        let before = written();
        std::thread::sleep(Duration::from_millis(500));
        before > 0 && written() == before
    });
    daemon.docker(&["kill", "flood"]).ok();
    assert_eq!(daemon.docker(&["wait", "flood"]).ok(), "137");
    drop(client);
    // What could not be started leaves no streams behind.
    let id = run("still", &[&image, "sleep", "1000"]);
    for _ in 0..3 {
        assert_eq!(daemon.docker(&["exec", "still", "/nope"]).code, 127);
    }
    let streams = || {
        let kept = daemon.exec_root().join("runtime/stand-in").join(&id);
        let entries = fs::read_dir(kept).unwrap().flatten();
        entries
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"streams-e"))
            .count()
    };
    wait_until("nothing is left of them", PATIENCE, || streams() == 0);
    // Probes that take too long are ended.
    let probes = [
        "--health-cmd",
        "exec sleep 4321",
        "--health-interval",
        "1s",
        "--health-timeout",
        "1s",
    ];
    run(
        "ill",
        &[&probes[..], &["--health-retries", "2", &image, "sleep", "1000"]].concat(),
    );
    wait_until("several took too long", PATIENCE, || {
        daemon.inspect("ill", "{{.State.Health.Status}}") == "unhealthy"
    });
    let top = daemon.docker(&["top", "ill"]).ok();
    assert!(top.matches("sleep 4321").count() <= 1, "{top}");
    daemon.docker(&["rm", "-f", "flood", "still", "ill"]).ok();
    daemon.wait_until_nothing_is_left();
    wait_until("the shims have ended", PATIENCE, || !is_running(directory.path()));
}
