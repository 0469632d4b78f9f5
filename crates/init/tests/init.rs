//! The built program at work. Outside a container it is a subreaper, which gets orphans as the first process of a pid
//! namespace does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

fn init(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierce-init"));
    command.arg("--").args(arguments);
    command
}

fn code(arguments: &[&str]) -> Option<i32> {
    init(arguments).stderr(Stdio::null()).status().unwrap().code()
}

/// Starts a shell script; returns with its first line of output.
fn start(script: &str) -> (Child, String) {
    let mut command = init(&["sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.as_mut().unwrap());
    output.read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn end(mut child: Child) -> ExitStatus {
    drop(child.stdin.take());
    child.wait().unwrap()
}

fn within_seconds(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A field of `/proc/PID/status`.
fn status(pid: &str, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim_start_matches(':').trim().to_owned())
}

#[test]
fn it_ends_as_its_program_ended() {
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["sh", "-c", "kill -9 $$"]), Some(137));
    assert_eq!(code(&["sh", "-c", "kill -TERM $$"]), Some(143));
    assert_eq!(code(&["/no/such/program"]), Some(127));
    assert_eq!(code(&["no-such-program"]), Some(127));
    assert_eq!(code(&["/etc/passwd"]), Some(126));
    assert_eq!(code(&[]), Some(1));
}

#[test]
fn a_script_without_interpreter_is_run_by_the_shell() {
    let folder = std::env::temp_dir().join(format!("tierce-init-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let script = folder.join("script");
    // Copied, so that no other test's child holds it open for writing when it is executed.
    let text = "exit $1";
    let made = Command::new("sh")
        .args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""])
        .arg(&script)
        .arg(text)
        .status()
        .unwrap();
    assert!(made.success());
    let result = code(&[script.to_str().unwrap(), "9"]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(result, Some(9));
}

#[test]
fn signals_reach_the_program() {
    let script = "trap 'exit 42' TERM; trap 'exit 43' HUP; echo ready; while :; do sleep 0.02; done";
    for (number, expected) in [(Signal::TERM, 42), (Signal::HUP, 43), (Signal::INT, 130)] {
        let (child, line) = start(script);
        assert_eq!(line, "ready");
        signal(child.id(), number);
        assert_eq!(end(child).code(), Some(expected), "{number:?}");
    }
}

#[test]
fn the_program_starts_with_no_signal_blocked_or_ignored() {
    let mut child = init(&["cat", "/proc/self/status"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(end(child).success());
    for field in ["SigBlk", "SigIgn"] {
        let line = text.lines().find(|line| line.starts_with(field)).unwrap();
        let set = u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap();
        // The C library keeps 32 and 33 for itself and lets nobody set them, so what the test inherited stays.
        assert_eq!(set & !(0b11 << 31), 0, "{line}");
    }
}

#[test]
fn the_program_leads_a_group_of_its_own() {
    let (child, line) = start("echo $$ $(cut -d' ' -f5 /proc/$$/stat); cat");
    let (pid, group) = line.split_once(' ').unwrap();
    assert_eq!(pid, group);
    assert!(end(child).success());
}

#[test]
fn orphans_come_to_it_and_leave_no_zombies() {
    let (child, orphan) = start("(sleep 1000 >/dev/null & echo $!); exec cat");
    let parent = child.id().to_string();
    within_seconds("the orphan's adoption", || {
        status(&orphan, "PPid").as_deref() == Some(parent.as_str())
    });
    signal(orphan.parse().unwrap(), Signal::KILL);
    within_seconds("the orphan's end", || status(&orphan, "State").is_none());
    // The program was not disturbed.
    assert!(end(child).success());
}

/// Docker's seccomp profile answers clone3(2) with ENOSYS; this program runs under it.
#[test]
fn it_starts_its_program_where_clone3_is_hidden() {
    let traced = Command::new("strace")
        .args([
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=clone3",
            "-e",
            "inject=clone3:error=ENOSYS",
        ])
        .arg(env!("CARGO_BIN_EXE_tierce-init"))
        .args(["sh", "-c", "exit 7"])
        .status();
    match traced {
        Ok(status) => assert_eq!(status.code(), Some(7)),
        Err(error) => println!("skipped: strace: {error}"),
    }
}
