//! Real containerd drives our shim; skipped where there is none.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use support::{House, SHIM, can_run};

const NAMESPACE: &str = "tierce-test";

fn ctr(words: &[&str]) -> Output {
    Command::new("ctr")
        .args(["-n", NAMESPACE])
        .args(words)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Ends and removes a container whatever became of it.
struct Cleanup(String);

impl Drop for Cleanup {
    fn drop(&mut self) {
        ctr(&["task", "kill", "-s", "9", &self.0]);
        ctr(&["task", "rm", "-f", &self.0]);
        ctr(&["container", "rm", &self.0]);
    }
}

fn can_use_containerd() -> bool {
    if !can_run() {
        return false;
    }
    let answers = Path::new("/run/containerd/containerd.sock").exists()
        && Command::new("ctr")
            .arg("version")
            .output()
            .is_ok_and(|output| output.status.success());
    if !answers {
        println!("skipped: no containerd is running here");
    }
    answers
}

#[test]
fn row_100_containerd_runs_a_container_with_our_shim() {
    if !can_use_containerd() {
        return;
    }
    let house = House::new();
    let rootfs = house.rootfs.to_str().unwrap();
    let id = format!("ts{}a", std::process::id());
    let _cleanup = Cleanup(id.clone());
    let script = "echo out; echo err >&2; exit 3";
    let run = ctr(&[
        "run",
        "--rm",
        "--rootfs",
        "--runtime",
        SHIM,
        rootfs,
        &id,
        "/bin/sh",
        "-c",
        script,
    ]);
    assert_eq!(String::from_utf8_lossy(&run.stdout), "out\n", "{}", text(&run));
    assert!(String::from_utf8_lossy(&run.stderr).contains("err\n"));
    assert_eq!(run.status.code(), Some(3));
}

#[test]
fn row_100_containerd_execs_measures_kills_and_forgets() {
    if !can_use_containerd() {
        return;
    }
    let house = House::new();
    let rootfs = house.rootfs.to_str().unwrap();
    let id = format!("ts{}b", std::process::id());
    let _cleanup = Cleanup(id.clone());
    let run = ctr(&[
        "run",
        "-d",
        "--rootfs",
        "--runtime",
        SHIM,
        rootfs,
        &id,
        "/bin/sleep",
        "100",
    ]);
    assert!(run.status.success(), "{}", text(&run));
    let exec = ctr(&[
        "task",
        "exec",
        "--exec-id",
        "e",
        &id,
        "/bin/sh",
        "-c",
        "echo in; exit 4",
    ]);
    assert_eq!(
        (exec.stdout.as_slice(), exec.status.code()),
        (&b"in\n"[..], Some(4)),
        "{}",
        text(&exec)
    );
    for words in [
        ["task", "metrics"],
        ["task", "ps"],
        ["task", "pause"],
        ["task", "resume"],
    ] {
        let output = ctr(&[words[0], words[1], &id]);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
    }
    assert!(ctr(&["task", "kill", "-s", "SIGKILL", &id]).status.success());
    let begin = Instant::now();
    while !text(&ctr(&["task", "ls"])).contains("STOPPED") && begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let removed = ctr(&["task", "rm", &id]);
    assert!(text(&removed).contains("exit code 137"), "{}", text(&removed));
    assert!(!text(&ctr(&["task", "ls"])).contains(&id));
}

#[test]
fn row_100_containerd_gives_a_container_input() {
    if !can_use_containerd() {
        return;
    }
    let house = House::new();
    let id = format!("ts{}c", std::process::id());
    let _cleanup = Cleanup(id.clone());
    let line = format!(
        // `ctr` closes the input only if it ends after the task was created.
        "(printf 'one\\ntwo\\n'; sleep 1) | ctr -n {NAMESPACE} run --rm --rootfs --runtime {SHIM} {} {id} /bin/wc -l",
        house.rootfs.display()
    );
    let run = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&run.stdout).trim(), "2", "{}", text(&run));
}
