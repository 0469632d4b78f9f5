//! Whole explanations, one of each kind.

use std::time::Duration;

use super::*;
use crate::kernel_log::KernelNews;
use crate::program::{Examined, Kind};

fn evidence(state: State, exit_code: i32) -> Evidence {
    Evidence {
        name: "web".into(),
        state,
        exit_code,
        program: Program {
            name: "/app".into(),
            search_path: "/bin".into(),
            host_architecture: "amd64".into(),
            image_architecture: "arm64".into(),
            ..Program::default()
        },
        ..Evidence::default()
    }
}

/// What, evidence and advice in one text.
fn text(evidence: &Evidence) -> String {
    let explanation = explain(evidence);
    let mut text = explanation.summary;
    for finding in explanation.findings {
        for line in [vec![finding.what], finding.evidence, finding.advice].concat() {
            text.push('\n');
            text.push_str(&line);
        }
    }
    text
}

fn failed(error: &str, kind: Kind, executable: bool, interpreter_found: Option<bool>) -> String {
    let mut evidence = evidence(State::Created, 127);
    evidence.error = error.into();
    evidence.program.examined = Some(Examined {
        path: "/app".into(),
        kind,
        executable,
        interpreter_found,
    });
    text(&evidence)
}

#[test]
fn ask_058_a_failed_start_names_what_is_wrong_with_the_program() {
    let elf = |architecture: &str, interpreter: Option<&str>| Kind::Elf {
        architecture: architecture.into(),
        interpreter: interpreter.map(str::to_owned),
    };
    let exec = "exec /app: exec format error";
    assert!(failed(exec, elf("arm64", None), true, None).contains("is for arm64, and this host is amd64"));
    let missing = failed(
        "exec /app: no such file or directory",
        elf("amd64", Some("/lib/ld-musl-x86_64.so.1")),
        true,
        Some(false),
    );
    assert!(
        missing.contains("is there, but not /lib/ld-musl-x86_64.so.1") && missing.contains("Alpine"),
        "{missing}"
    );
    let script = |carriage_return| Kind::Script {
        interpreter: "/bin/bash".into(),
        carriage_return,
    };
    let bash = failed("exec /app: no such file or directory", script(false), true, Some(false));
    assert!(bash.contains("not /bin/bash, which it needs"), "{bash}");
    assert!(failed("exec /app: no such file or directory", script(true), true, Some(true)).contains("carriage return"));
    assert!(failed("exec: \"/app\": permission denied", elf("amd64", None), false, None).contains("chmod +x"));
    // What the kernel says after the start is an end with a line in the log.
    let mut ended = evidence(State::Exited, 255);
    ended.log = vec!["exec /app: exec format error".into()];
    ended.program.examined = Some(Examined {
        path: "/app".into(),
        kind: elf("arm64", None),
        executable: true,
        interpreter_found: None,
    });
    let told = text(&ended);
    assert!(
        told.contains("is for arm64") && told.contains("error: exec /app") && !told.contains("host went down"),
        "{told}"
    );
    assert!(failed(exec, Kind::Other, true, None).contains("#!/bin/sh"));
    assert!(failed(exec, Kind::Empty, true, None).contains("empty file"));
    assert!(failed("exec: \"/app\": is a directory", Kind::Directory, true, None).contains("is a directory"));
    let path = failed(
        "exec: \"app\": executable file not found in $PATH",
        Kind::Missing,
        false,
        None,
    );
    assert!(
        path.contains("in no directory of its PATH") && path.contains("PATH is /bin"),
        "{path}"
    );
}

#[test]
fn a_failed_start_names_ports_mounts_and_users() {
    let with = |error: &str| Evidence {
        error: error.into(),
        ..evidence(State::Created, 128)
    };
    let port = text(&with(
        "Bind for 0.0.0.0:80 failed: port is already allocated (held by process 7 nginx)",
    ));
    assert!(
        port.starts_with("web could not be started: a port that it publishes is taken by process 7 nginx"),
        "{port}"
    );
    let mut mount = with("invalid mount config");
    mount.missing_mounts = vec![("/srv/typo".into(), "/data".into())];
    assert!(text(&mount).contains("/srv/typo, which is to be mounted at /data, is not there"));
    let user = text(&with("unable to find user bob: no matching entries in passwd file"));
    assert!(user.contains("its user bob is not in"), "{user}");
    let other = text(&with("something new"));
    assert!(
        other.contains("the start failed") && other.contains("error: something new"),
        "{other}"
    );
}

#[test]
fn lack_of_memory_is_told_with_numbers() {
    let mut killed = evidence(State::Exited, 137);
    killed.memory = Memory {
        limit: Some(64 << 20),
        peak: Some(64 << 20),
        oom_killed: true,
    };
    killed.kernel = vec![KernelNews::OutOfMemory {
        process: "stress".into(),
        pid: "9".into(),
        whole_host: false,
        line: "oom-kill:…".into(),
    }];
    let told = text(&killed);
    assert!(told.contains("lack of memory: its limit is 64 MiB"), "{told}");
    assert!(
        told.contains("the most it used was 64 MiB") && told.contains("killed stress, process 9"),
        "{told}"
    );
    assert!(told.contains("docker update --memory 134217728"), "{told}");
    killed.memory.limit = None;
    assert!(text(&killed).contains("the whole host was short of memory"));
}

#[test]
fn signals_have_their_sender_where_that_is_known() {
    let sent = |signal: i32, at: &str| Sent { signal, at: at.into() };
    let mut stopped = evidence(State::Exited, 137);
    stopped.stop_timeout = 10;
    stopped.sent = vec![sent(15, "12:00:00"), sent(9, "12:00:10")];
    let told = text(&stopped);
    assert!(
        told.contains("did not end within 10 seconds after it was asked to stop"),
        "{told}"
    );
    assert!(
        told.contains("SIGTERM was sent at 12:00:00, SIGKILL at 12:00:10") && told.contains("--init"),
        "{told}"
    );
    stopped.sent = vec![sent(9, "12:00:10")];
    assert!(text(&stopped).contains("SIGKILL, which the daemon was asked to send"));
    stopped.sent.clear();
    assert!(text(&stopped).contains("the daemon did not send it"));
    assert!(text(&evidence(State::Exited, 139)).contains("SIGSEGV"));
    assert!(text(&evidence(State::Exited, 159)).contains("seccomp"));
}

#[test]
fn exit_codes_have_a_meaning_and_the_log_is_quoted() {
    let mut code = evidence(State::Exited, 127);
    code.ran = Some(Duration::from_millis(20));
    code.log = (0..9).map(|number| format!("line {number}")).collect();
    let told = text(&code);
    assert!(
        told.contains("a shell in it did not find a program") && told.contains("less than a second"),
        "{told}"
    );
    assert!(told.contains("log: line 8") && !told.contains("log: line 3"), "{told}");
    assert!(text(&evidence(State::Exited, 0)).contains("succeeded"));
    assert!(text(&evidence(State::Exited, 3)).contains("exit code 3"));
    assert!(text(&evidence(State::Exited, 255)).contains("host went down"));
}

#[test]
fn restarts_and_health_are_told() {
    let mut restarting = evidence(State::Restarting, 1);
    restarting.restart.policy = "always".into();
    restarting.restart.count = 4;
    let told = text(&restarting);
    assert!(
        told.contains("is going to be started again") && told.contains("4 times until now"),
        "{told}"
    );
    let mut unhealthy = evidence(State::Running, 0);
    unhealthy.health = Some(Health {
        status: "unhealthy".into(),
        failing_streak: 3,
        command: "curl -f localhost".into(),
        log: vec![Probe {
            end: "12:00".into(),
            exit_code: 127,
            output: "sh: curl: not found\n".into(),
        }],
    });
    let told = text(&unhealthy);
    assert!(
        told.starts_with("web runs, but is unhealthy: its health probe fails with exit code 127"),
        "{told}"
    );
    assert!(
        told.contains("sh: curl: not found") && told.contains("install it"),
        "{told}"
    );
    let healthy = text(&evidence(State::Running, 0));
    assert_eq!(healthy, "web runs. Nothing is wrong that could be told from here.");
    let mut exhausted = evidence(State::Exited, 1);
    exhausted.restart.policy = "on-failure:3".into();
    assert!(text(&exhausted).contains("used up its attempts"));
    assert!(text(&evidence(State::Created, 0)).contains("never started"));
}

#[test]
fn bytes_are_readable() {
    assert_eq!(
        [bytes(512), bytes(6 << 20), bytes(1_610_612_736)],
        ["512 B", "6 MiB", "1.5 GiB"]
    );
}
