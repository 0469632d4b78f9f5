//! System call filters, notifications, capabilities and labels, on real containers.

mod bed;

use bed::{Bed, bed};
use rustix::event::{PollFd, PollFlags, Timespec};
use serde_json::{Value, json};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Waits until something can be read, and says whether it can.
fn readable(file: impl AsFd) -> bool {
    let mut files = [PollFd::new(&file, PollFlags::IN)];
    rustix::event::poll(&mut files, Some(&PATIENCE)) == Ok(1) && files[0].revents().contains(PollFlags::IN)
}

/// Answers notifications, as far as a test needs it.
struct Agent {
    path: PathBuf,
    socket: UnixListener,
}

impl Agent {
    fn of(bed: &Bed) -> Self {
        let path = bed.path().join("agent.sock");
        let socket = UnixListener::bind(&path).expect("a socket");
        Self { path, socket }
    }

    /// The next container's document and descriptor.
    fn accept(&self) -> (Value, OwnedFd) {
        assert!(readable(&self.socket), "no container came");
        let (stream, _): (UnixStream, _) = self.socket.accept().expect("a connection");
        let mut text = [0; 8192];
        let (length, mut files) = tierce_sys::passing::receive(stream.as_fd(), &mut text).expect("a message");
        assert_eq!(files.len(), 1);
        (serde_json::from_slice(&text[..length]).expect("JSON"), files.remove(0))
    }
}

fn notify(bed: &mut Bed, agent: &Agent, calls: &[&str], no_new_privileges: bool) {
    bed.config["process"]["noNewPrivileges"] = json!(no_new_privileges);
    bed.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": agent.path,
        "listenerMetadata": "for the agent",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{"names": calls, "action": "SCMP_ACT_NOTIFY"}],
    });
}

/// Starts a verb whose output is read later.
fn spawn(bed: &Bed, words: &[&str]) -> Child {
    let mut command: Command = bed.command();
    command.args(words).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("spawn")
}

/// A notification is there; the agent goes away, and the call ends as if the kernel had no such call.
fn leave(notifications: OwnedFd) {
    assert!(readable(&notifications), "no call was notified");
    drop(notifications);
}

#[test]
fn row_136_notifications_reach_the_agent_on_run_and_exec() {
    let Some(mut bed) = bed() else { return };
    // With `sendmsg` notified the descriptor must travel by its number.
    for calls in [&["mkdir"][..], &["mkdir", "sendmsg", "recvmsg", "poll"]] {
        for no_new_privileges in [false, true] {
            let agent = Agent::of(&bed);
            notify(&mut bed, &agent, calls, no_new_privileges);
            bed.script("mkdir /made; sleep 60").write();
            bed.create_quietly();
            let (document, notifications) = agent.accept();
            assert_eq!(document["fds"], json!(["seccompFd"]), "{document}");
            assert_eq!(document["metadata"], "for the agent");
            assert_eq!(document["state"]["id"], bed.id.as_str());
            assert_eq!(document["state"]["status"], "creating");
            assert_eq!(document["pid"], bed.state("pid"));
            assert_eq!(document["pid"], document["state"]["pid"]);
            let said = bed.verb(&["start"]);
            assert_eq!(said.code, 0, "{said:?}");
            leave(notifications);

            let child = spawn(&bed, &["exec", &bed.id, "mkdir", "/other"]);
            let (document, notifications) = agent.accept();
            assert_eq!(document["state"]["status"], "running", "{document}");
            assert_eq!(document["state"]["pid"], bed.state("pid"));
            assert_ne!(document["pid"], document["state"]["pid"]);
            leave(notifications);
            let said: bed::Said = child.wait_with_output().expect("exec").into();
            assert!(
                said.code == 1 && said.err.contains("Function not implemented"),
                "{calls:?} {no_new_privileges} {said:?}"
            );
            assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
            std::fs::remove_file(&agent.path).expect("remove");
        }
    }
}

#[test]
fn row_136_without_an_agent_nothing_is_made() {
    let Some(mut bed) = bed() else { return };
    let agent = Agent::of(&bed);
    notify(&mut bed, &agent, &["mkdir"], false);
    drop(agent.socket);
    bed.args(&["true"]);
    for path in [
        agent.path.to_str().expect("text"),
        "/nowhere/at/all",
        "@nobody-listens-here",
    ] {
        bed.config["linux"]["seccomp"]["listenerPath"] = json!(path);
        let said = bed.run();
        assert!(
            said.code == 1 && said.err.contains("failed to connect with seccomp agent"),
            "{said:?}"
        );
        assert_eq!(bed.traces(), Vec::<String>::new());
    }
}

#[test]
fn row_136_the_listener_stays_with_the_agent() {
    let Some(mut bed) = bed() else { return };
    let agent = Agent::of(&bed);
    bed.config["root"]["readonly"] = json!(false);
    for no_new_privileges in [false, true] {
        notify(&mut bed, &agent, &["mkdir", "sendmsg"], no_new_privileges);
        bed.config["hooks"] = json!({"startContainer": [
            {"path": "/bin/sh", "args": ["sh", "-c", "ls /proc/self/fd > /seen"]},
        ]});
        bed.script("cat /seen; ls /proc/self/fd").write();
        let child = spawn(&bed, &["run", &bed.id]);
        let _held = agent.accept();
        let said: bed::Said = child.wait_with_output().expect("run").into();
        // The fourth is the directory that ls itself reads.
        assert_eq!(said.out, "0\n1\n2\n3\n0\n1\n2\n3\n", "{said:?}");
    }
}

#[test]
fn row_136_hooks_in_the_container_are_confined_too() {
    let Some(mut bed) = bed() else { return };
    bed.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"}],
    });
    bed.config["hooks"] = json!({"startContainer": [{"path": "/bin/mkdir", "args": ["mkdir", "/made"]}]});
    for no_new_privileges in [false, true] {
        bed.config["process"]["noNewPrivileges"] = json!(no_new_privileges);
        let said = bed.args(&["true"]).run();
        assert!(
            said.code != 0 && said.err.contains("error running startContainer hook"),
            "{said:?}"
        );
        assert!(!bed.rootfs().join("made").exists());
    }
}

/// What stands between a filter and `execve`, and what a static program needs: a profile that allows only this works.
#[test]
fn row_136_a_filter_need_allow_little_for_the_start() {
    let Some(mut bed) = bed() else { return };
    let start = ["write", "read", "execve"];
    let privileged = [
        "prctl",
        "setgroups",
        "setresgid",
        "setresuid",
        "capset",
        "chdir",
        "getcwd",
        "newfstatat",
        "statx",
        "faccessat2",
        "openat",
        "fstat",
        "close",
        "mmap",
        "munmap",
        "brk",
    ];
    let busybox = [
        "brk",
        "arch_prctl",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "prlimit64",
        "readlinkat",
        "readlink",
        "getrandom",
        "mprotect",
        "mmap",
        "munmap",
        "uname",
        "getuid",
        "getgid",
        "setuid",
        "setgid",
        "exit",
        "exit_group",
        "prctl",
    ];
    for no_new_privileges in [false, true] {
        let mut names: Vec<&str> = start.iter().chain(&busybox).copied().collect();
        if !no_new_privileges {
            names.extend(privileged);
        }
        names.sort_unstable();
        names.dedup();
        bed.config["process"]["noNewPrivileges"] = json!(no_new_privileges);
        bed.config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_KILL_PROCESS",
            "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
        });
        let said = bed.args(&["true"]).run();
        assert_eq!(said.code, 0, "{no_new_privileges} {said:?}");
        bed.start();
        bed::eventually("the end", || bed.state("status") == "stopped");
        assert_eq!(bed.verb(&["delete"]).code, 0);
    }
}

#[test]
fn row_136_actions_and_error_numbers_are_obeyed() {
    let Some(mut bed) = bed() else { return };
    bed.config["root"]["readonly"] = json!(false);
    let mut with = |rule: Value| {
        bed.config["process"]["noNewPrivileges"] = json!(false);
        bed.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]});
        bed.script("mkdir /made; echo $?").run()
    };
    let names = json!(["mkdir", "mkdirat"]);
    let said = with(json!({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": 100}));
    assert!(said.err.contains("Network is down"), "{said:?}");
    let said = with(json!({"names": names, "action": "SCMP_ACT_ERRNO"}));
    assert!(said.err.contains("Operation not permitted"), "{said:?}");
    for action in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_TRAP",
    ] {
        let said = with(json!({"names": names, "action": action}));
        // 128 + SIGSYS
        assert_eq!(said.out, "159\n", "{action} {said:?}");
    }
    // Nobody traces: the call is as if it did not exist.
    let said = with(json!({"names": names, "action": "SCMP_ACT_TRACE"}));
    assert!(said.err.contains("Function not implemented"), "{said:?}");
    let said = with(json!({"names": names, "action": "SCMP_ACT_LOG"}));
    assert_eq!(said.out, "0\n", "{said:?}");
}

#[test]
fn row_137_a_strict_filter_kills_whatever_is_executed() {
    let Some(mut bed) = bed() else { return };
    let names = ["read", "write", "exit", "rt_sigreturn", "sigreturn", "execve"];
    bed.config["process"]["noNewPrivileges"] = json!(true);
    bed.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_KILL_PROCESS",
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    });
    // It comes as far as execve, and no further than the program's first call.
    bed.args(&["true"]).start();
    bed::eventually("the end", || bed.state("status") == "stopped");
    let said = bed.verb(&["delete"]);
    assert_eq!(said.code, 0, "{said:?}");
    let said = bed.run();
    assert_eq!(said.code, 128 + 31, "{said:?}");
}
