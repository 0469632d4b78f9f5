//! Checkpoints of containers: written, listed, removed, and started from; as dockerd 28.5 answers. What is written and
//! restored needs CRIU, on the path or at `TIERCE_CRIU`.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tierce_testkit::{Daemon, ImageBuilder, Output, daemon_with_supervisor, wait_until};

/// What takes moments on an idle machine is waited for so long on a busy one.
const PATIENCE: Duration = Duration::from_mins(1);

/// Counts, a number every tenth of a second; the count is in the shell's memory only. It makes no processes: one that is
/// frozen between vfork(2) and execve(2) would keep CRIU from stopping its parent.
const COUNTER: &str = "mkfifo /p; exec 3<>/p; i=0; while :; do i=$((i+1)); echo $i; read -t 0.1 x <&3; done";

/// The directory of a CRIU that works on this kernel.
fn criu() -> Option<PathBuf> {
    let named = std::env::var_os("TIERCE_CRIU").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        let mut paths = std::env::split_paths(&paths).map(|path| path.join("criu"));
        paths.find(|path| path.is_file())
    });
    let Some(program) = found else {
        println!("skipped: needs criu");
        return None;
    };
    let works = Command::new(&program).arg("check").output();
    if works.is_ok_and(|output| output.status.success()) {
        return program.parent().map(PathBuf::from);
    }
    println!("skipped: {} does not work on this kernel", program.display());
    None
}

/// Starts a daemon anew, with experimental features and CRIU on its path.
fn experimental(daemon: &mut Daemon, criu: Option<PathBuf>) {
    daemon.stop();
    daemon.supervisor.stop();
    daemon.flags.push("--experimental".to_owned());
    if let Some(directory) = criu {
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
        daemon.environment = vec![("PATH".to_owned(), path)];
        daemon.supervisor.environment.clone_from(&daemon.environment);
    }
    daemon.launch();
}

/// A daemon with experimental features, and an image of it.
fn start(criu: Option<PathBuf>) -> (Daemon, String) {
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    experimental(&mut daemon, criu);
    (daemon, image)
}

fn run_counter(daemon: &Daemon, image: &str) {
    daemon
        .docker(&["run", "-d", "--name", "c1", image, "sh", "-c", COUNTER])
        .ok();
}

/// What it has counted to, told at least once.
fn count(daemon: &Daemon) -> u64 {
    let logs = daemon.docker(&["logs", "c1"]).ok();
    logs.lines().last().map_or(0, |line| line.parse().unwrap())
}

fn wait_for_count(daemon: &Daemon, more_than: u64) {
    wait_until("it counts on", PATIENCE, || count(daemon) > more_than);
}

/// Asserts that each number came once and in its order.
#[track_caller]
fn assert_whole(daemon: &Daemon) {
    let logs = daemon.docker(&["logs", "c1"]).ok();
    let numbers: Vec<u64> = logs.lines().map(|line| line.parse().unwrap()).collect();
    let last = numbers.last().copied().unwrap();
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
}

/// What a command said that failed.
#[track_caller]
fn refusal(output: Output) -> String {
    output.fails(1).trim_end().to_owned()
}

fn checkpoint(daemon: &Daemon, words: &[&str]) -> Output {
    daemon.tierce(&[&["checkpoint"], words].concat())
}

#[test]
fn checkpoints_are_refused_unless_experimental_features_are_on() {
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "100"])
        .ok();
    let only = "is only supported on a Docker daemon with experimental features enabled";
    for words in [&["create", "c1", "one"][..], &["ls", "c1"], &["rm", "c1", "one"]] {
        let refused = refusal(checkpoint(&daemon, words));
        assert_eq!(refused, format!("docker checkpoint {} {only}", words[0]));
        let stock = refusal(daemon.docker(&[&["checkpoint"], words].concat()));
        assert_eq!(stock, refused);
    }
    for flag in ["--checkpoint", "--checkpoint-dir"] {
        let refused = refusal(daemon.tierce(&["start", flag, "one", "c1"]));
        assert_eq!(refused, format!("{flag:?} {only}"));
    }
    let disabled = "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order \
                    to enable it.";
    for (method, path) in [
        ("GET", "/containers/none/checkpoints"),
        ("POST", "/containers/c1/checkpoints"),
        ("DELETE", "/containers/c1/checkpoints/one"),
    ] {
        let (status, text) = daemon.request(method, path, None);
        assert!(status == 501 && text.contains(disabled), "{status} {text}");
    }
    let (status, text) = daemon.request("POST", "/containers/c1/start?checkpoint=one", None);
    assert!(
        status == 400 && text.contains("checkpoint is only supported in experimental mode"),
        "{status} {text}"
    );
    assert_eq!(
        daemon.docker(&["version", "--format", "{{.Server.Experimental}}"]).ok(),
        "false"
    );
}

#[test]
fn refusals_are_dockers() {
    let (daemon, image) = start(None);
    assert_eq!(
        daemon.docker(&["version", "--format", "{{.Server.Experimental}}"]).ok(),
        "true"
    );
    assert_eq!(
        daemon.docker(&["info", "--format", "{{.ExperimentalBuild}}"]).ok(),
        "true"
    );
    daemon.docker(&["create", "--name", "made", &image, "true"]).ok();
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "100"])
        .ok();
    let made = daemon.inspect("made", "{{.Id}}");
    let says = |words: &[&str], expected: &str| {
        assert_eq!(
            refusal(checkpoint(&daemon, words)),
            format!("Error response from daemon: {expected}")
        );
    };
    says(&["create", "none", "one"], "No such container: none");
    says(&["ls", "none"], "No such container: none");
    says(&["create", "made", "one"], &format!("container {made} is not running"));
    says(
        &["create", "c1", "o"],
        "Invalid checkpoint ID (o), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    );
    says(&["rm", "c1", "one"], "checkpoint one does not exist for container c1");
    says(
        &["ls", "--checkpoint-dir", "/nowhere", "c1"],
        "checkpoint  does not exist for container c1",
    );
    assert_eq!(checkpoint(&daemon, &["ls", "c1"]).ok(), "CHECKPOINT NAME");
    let start = |words: &[&str]| refusal(daemon.tierce(&[&["start"], words].concat()));
    assert_eq!(
        start(&["--checkpoint", "one", "made"]),
        "Error response from daemon: checkpoint one does not exist for container /made"
    );
    assert_eq!(
        daemon.inspect("made", "{{.State.Status}} {{.State.ExitCode}}"),
        "created 128"
    );
    assert_eq!(
        start(&["--checkpoint", "one", "--checkpoint-dir", "/tmp", "made"]),
        "Error response from daemon: custom checkpointdir is not supported"
    );
    assert_eq!(
        start(&["--checkpoint", "one", "made", "c1"]),
        "you cannot restore multiple containers at once"
    );
    // A name that is none does not lead out of the directory.
    let (status, _) = daemon.request("DELETE", "/containers/c1/checkpoints/%2e%2e", None);
    assert_eq!(status, 500);
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "running");
}

#[test]
fn a_container_goes_on_from_its_checkpoint() {
    let Some(criu) = criu() else { return };
    let (daemon, image) = start(Some(criu));
    goes_on(&daemon, &image);
}

#[test]
fn a_container_of_a_supervisor_apart_goes_on_from_its_checkpoint() {
    let Some(criu) = criu() else { return };
    let (mut daemon, image) = daemon_with_supervisor();
    experimental(&mut daemon, Some(criu));
    goes_on(&daemon, &image);
}

fn goes_on(daemon: &Daemon, image: &str) {
    run_counter(daemon, image);
    wait_for_count(daemon, 3);
    // It runs on.
    assert_eq!(
        checkpoint(daemon, &["create", "--leave-running", "c1", "one"]).ok(),
        "one"
    );
    let again = refusal(checkpoint(daemon, &["create", "c1", "one"]));
    assert_eq!(
        again,
        "Error response from daemon: cannot checkpoint container c1: checkpoint with name one already exists for \
         container c1"
    );
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "running");
    wait_for_count(daemon, count(daemon));
    // It ends with its checkpoint.
    checkpoint(daemon, &["create", "c1", "two"]).ok();
    wait_until("it has ended", PATIENCE, || {
        daemon.inspect("c1", "{{.State.Status}} {{.State.ExitCode}}") == "exited 137"
    });
    let ended_at = count(daemon);
    assert_eq!(checkpoint(daemon, &["ls", "c1"]).ok(), "CHECKPOINT NAME\none\ntwo");
    let id = daemon.inspect("c1", "{{.Id}}");
    let images = daemon.data_root().join("containers").join(id).join("checkpoints/two");
    for file in ["inventory.img", "descriptors.json", "pages-1.img"] {
        assert!(images.join(file).is_file(), "{file}");
    }
    assert!(!images.join("dump.log").exists());
    // It goes on where it was, with streams, names and signals.
    daemon.tierce(&["start", "--checkpoint", "two", "c1"]).ok();
    assert_eq!(
        daemon.inspect("c1", "{{.State.Status}} {{.State.ExitCode}}"),
        "running 0"
    );
    wait_for_count(daemon, ended_at + 3);
    assert_whole(daemon);
    assert_eq!(daemon.docker(&["exec", "c1", "cat", "/etc/hostname"]).ok().len(), 12);
    // The stock client does it too, and knows what was told.
    daemon.docker(&["checkpoint", "rm", "c1", "one"]).ok();
    daemon.docker(&["kill", "c1"]).ok();
    wait_until("it has ended", PATIENCE, || {
        daemon.inspect("c1", "{{.State.Status}} {{.State.ExitCode}}") == "exited 137"
    });
    daemon.docker(&["start", "--checkpoint", "two", "c1"]).ok();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "running");
    let told = [
        "events",
        "--since",
        "5m",
        "--until",
        "0s",
        "--filter",
        "event=checkpoint",
    ];
    assert_eq!(daemon.docker(&told).ok().lines().count(), 2);
    daemon.docker(&["stop", "-t", "0", "c1"]).ok();
    daemon.docker(&["rm", "c1"]).ok();
    daemon.wait_until_nothing_is_left();
}

#[test]
fn a_failure_leaves_the_container_as_it_was_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    // It is found, and ends at once.
    std::os::unix::fs::symlink("/bin/false", directory.path().join("criu")).unwrap();
    let (daemon, image) = start(Some(directory.path().to_owned()));
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "100"])
        .ok();
    let refused = refusal(checkpoint(&daemon, &["create", "c1", "one"]));
    let words = "Error response from daemon: Cannot checkpoint container c1: CRIU version check failed: ";
    assert!(refused.starts_with(words), "{refused}");
    // A program that is missing is no container that is missing.
    std::fs::remove_file(directory.path().join("criu")).unwrap();
    std::os::unix::fs::symlink("/nothing", directory.path().join("criu")).unwrap();
    let request = Some(r#"{"checkpointID":"one"}"#);
    let (status, text) = daemon.request("POST", "/containers/c1/checkpoints", request);
    assert_eq!(status, 500, "{text}");
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "running");
    assert_eq!(checkpoint(&daemon, &["ls", "c1"]).ok(), "CHECKPOINT NAME");
}
