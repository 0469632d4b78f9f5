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

/// The lines of /proc/self/status that tell of privileges.
fn privileges(said: &bed::Said) -> Vec<(&str, &str)> {
    said.out.lines().filter_map(|line| line.split_once(":\t")).collect()
}

/// In the order inheritable, permitted, effective, bounding, ambient.
fn assert_sets(said: &bed::Said, masks: [u64; 5]) {
    let found = privileges(said);
    for (name, mask) in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
        .into_iter()
        .zip(masks)
    {
        let value = format!("{mask:016x}");
        assert!(found.contains(&(name, &value)), "{name} is not {value}: {said:?}");
    }
}

const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;
const AUDIT_WRITE: u64 = 1 << 29;
const SYSLOG: u64 = 1 << 34;

#[test]
fn row_140_unknown_and_ambient_capabilities_warn_and_do_not_fail() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_UNKNOWN", "CAP_KILL"], "inheritable": ["CAP_KILL"], "permitted": ["CAP_KILL"],
        "effective": ["CAP_KILL"], "ambient": ["CAP_KILL", "CAP_CHOWN"],
    });
    let said = bed.args(&["cat", "/proc/self/status"]).run();
    assert_eq!(said.code, 0, "{said:?}");
    for words in [
        "can't raise ambient capability CAP_CHOWN: ",
        "ignoring unknown or unavailable capabilities: [CAP_UNKNOWN]",
    ] {
        assert!(said.err.contains(words), "{said:?}");
    }
    assert_sets(&said, [KILL; 5]);
}

#[test]
fn row_140_exec_adds_capabilities_and_raises_ambient_ones_only_of_inheritable() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"]["capabilities"] = json!({});
    bed.args(&["sleep", "60"]).start();
    let exec = |bed: &Bed, flags: &[&str]| -> bed::Said {
        let mut command = bed.command();
        command
            .arg("exec")
            .args(flags)
            .arg(&bed.id)
            .args(["cat", "/proc/self/status"]);
        command.output().expect("exec").into()
    };
    assert_sets(&exec(&bed, &[]), [0; 5]);
    let both = KILL | AUDIT_WRITE;
    // Nothing inheritable or ambient without the document's word (CVE-2022-29162).
    assert_sets(
        &exec(&bed, &["--cap", "CAP_KILL", "--cap", "CAP_AUDIT_WRITE"]),
        [0, both, both, both, 0],
    );
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);

    bed.config["process"]["capabilities"] = json!({
        "inheritable": ["CAP_CHOWN", "CAP_SYSLOG"], "permitted": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"],
        "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG"], "ambient": ["CAP_CHOWN"],
    });
    bed.start();
    let inheritable = CHOWN | SYSLOG;
    let all = KILL | inheritable;
    let plain = [inheritable, KILL | CHOWN, KILL | CHOWN, all, CHOWN];
    assert_sets(&exec(&bed, &[]), plain);
    assert_sets(
        &exec(&bed, &["--cap", "CAP_SYSLOG"]),
        [inheritable, all, all, all, inheritable],
    );
    // A document without capabilities means the container's.
    let document = bed.path().join("process.json");
    let process = json!({"args": ["cat", "/proc/self/status"], "cwd": "/", "user": {"uid": 0, "gid": 0},
        "env": ["PATH=/bin"], "noNewPrivileges": true});
    std::fs::write(&document, process.to_string()).expect("write");
    let said: bed::Said = bed
        .command()
        .args(["exec", "--process", document.to_str().expect("text"), &bed.id])
        .output()
        .expect("exec")
        .into();
    assert_sets(&said, plain);
}

/// Gives the container a user namespace, with ids that nobody else has.
fn in_user_namespace(bed: &mut Bed) {
    let list = bed.config["linux"]["namespaces"].as_array_mut().expect("a list");
    list.push(json!({"type": "user"}));
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    bed.config["linux"]["uidMappings"] = map.clone();
    bed.config["linux"]["gidMappings"] = map;
    // Its root may not make them in a directory of the host's root.
    for name in ["proc", "sys", "dev"] {
        std::fs::create_dir_all(bed.rootfs().join(name)).expect("mkdir");
    }
}

/// All capabilities of a user namespace are had there, those too that the runtime itself lacks on the host.
#[test]
fn row_140_in_a_user_namespace_every_capability_can_be_had() {
    let Some(mut bed) = bed() else { return };
    in_user_namespace(&mut bed);
    let names = ["CAP_SYS_RESOURCE", "CAP_SYS_MODULE", "CAP_KILL"];
    bed.capabilities(&names);
    let mask = 1 << 24 | 1 << 16 | KILL;
    let said = bed.args(&["cat", "/proc/self/status"]).run();
    assert_sets(&said, [0, mask, mask, mask, 0]);
    bed.args(&["sleep", "60"]).start();
    assert_sets(&bed.exec(&["cat", "/proc/self/status"]), [0, mask, mask, mask, 0]);
}

#[test]
fn row_140_a_user_other_than_root_keeps_only_ambient_ones() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    bed.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_KILL", "CAP_CHOWN"], "inheritable": ["CAP_KILL"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
        "effective": ["CAP_KILL", "CAP_CHOWN"], "ambient": ["CAP_KILL"],
    });
    let said = bed.args(&["cat", "/proc/self/status"]).run();
    assert_sets(&said, [KILL, KILL, KILL, KILL | CHOWN, KILL]);
}

#[test]
fn row_138_row_139_labels_that_cannot_be_applied_are_errors_that_name_the_module() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]);
    if !std::path::Path::new("/sys/kernel/security/apparmor").exists() {
        bed.config["process"]["apparmorProfile"] = json!("docker-default");
        let said = bed.run();
        let words = "unable to apply apparmor profile: apparmor failed to apply profile: ";
        assert!(said.code == 1 && said.err.contains(words), "{said:?}");
        assert_eq!(bed.traces(), Vec::<String>::new());
        bed.config["process"]["apparmorProfile"] = json!("");
        bed.args(&["sleep", "60"]).start();
        let said: bed::Said = bed
            .command()
            .args(["exec", "--apparmor", "x", &bed.id, "true"])
            .output()
            .expect("exec")
            .into();
        assert!(said.code == 255 && said.err.contains(words), "{said:?}");
        assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    }
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        bed.config["process"]["selinuxLabel"] = json!("system_u:system_r:container_t:s0:c4,c5");
        let said = bed.args(&["true"]).run();
        let words = "selinux label is specified in config, but selinux is disabled or not supported";
        assert!(said.code == 1 && said.err.contains(words), "{said:?}");
    }
}

#[test]
fn the_session_keyring_is_the_containers_and_can_be_searched() {
    let Some(mut bed) = bed() else { return };
    if !std::path::Path::new("/proc/keys").exists() {
        println!("skipped: no keyrings here");
        return;
    }
    let ring = |bed: &Bed, text: &str| -> Option<String> {
        let name = format!("_ses.{}", bed.id);
        let line = text.lines().find(|line| line.contains(&name))?;
        line.split_whitespace().nth(4).map(str::to_owned)
    };
    bed.config["linux"]["maskedPaths"] = json!([]);
    bed.args(&["cat", "/proc/keys"]).write();
    let said: bed::Said = bed
        .command()
        .args(["run", "--no-new-keyring", &bed.id])
        .output()
        .expect("run")
        .into();
    assert_eq!((said.code, ring(&bed, &said.out)), (0, None), "{said:?}");
    let said = bed.run();
    // Possessor: everything; user: view, read and search; nobody else.
    assert_eq!(ring(&bed, &said.out).as_deref(), Some("3f1b0000"), "{said:?}");
    in_user_namespace(&mut bed);
    let said = bed.run();
    // The container's own users are others to the host's root, whose keyring it is.
    assert_eq!(ring(&bed, &said.out).as_deref(), Some("3f130008"), "{said:?}");
}

#[test]
fn masks_need_a_mount_namespace_of_ones_own() {
    let Some(mut bed) = bed() else { return };
    let list = bed.config["linux"]["namespaces"].as_array_mut().expect("a list");
    list.retain(|namespace| namespace["type"] != "mount");
    bed.config["mounts"] = json!([]);
    let said = bed.args(&["true"]).run();
    let words = "unable to restrict sys entries without a private MNT namespace";
    assert!(said.code == 1 && said.err.contains(words), "{said:?}");
}

/// An AppArmor profile in the kernel, which forgets it again.
struct Profile {
    name: String,
    text: String,
}

impl Profile {
    /// Everything is allowed but reading one file. `None`: there is no AppArmor here.
    fn load(bed: &Bed) -> Option<Self> {
        let switch = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled");
        if !switch.is_ok_and(|text| text.starts_with('Y')) {
            println!("skipped: AppArmor is off here");
            return None;
        }
        let name = bed.id.clone();
        let text = format!(
            "profile {name} flags=(attach_disconnected,mediate_deleted) {{\n  file,\n  capability,\n  network,\n  \
             mount,\n  umount,\n  signal,\n  ptrace,\n  deny /secret r,\n}}\n"
        );
        let profile = Self { name, text };
        if profile.parser("-Kr") {
            return Some(profile);
        }
        println!("skipped: needs apparmor_parser (package apparmor)");
        None
    }

    fn parser(&self, flags: &str) -> bool {
        let mut command = Command::new("apparmor_parser");
        command.arg(flags).stdin(Stdio::piped());
        let Ok(mut child) = command.spawn() else { return false };
        let mut input = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut input, self.text.as_bytes()).expect("write");
        drop(input);
        child.wait().expect("wait").success()
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        self.parser("-R");
    }
}

#[test]
fn row_139_a_profile_confines_the_first_process_and_further_ones() {
    let Some(mut bed) = bed() else { return };
    let Some(profile) = Profile::load(&bed) else { return };
    std::fs::write(bed.rootfs().join("secret"), "secret\n").expect("write");
    let script = "cat /proc/self/attr/current /secret";
    let confined = format!("{} (enforce)\n", profile.name);
    bed.config["process"]["apparmorProfile"] = json!(profile.name);
    let said = bed.script(script).run();
    assert!(
        said.out == confined && said.err.contains("Permission denied"),
        "{said:?}"
    );

    bed.args(&["sleep", "60"]).start();
    let exec = |flags: &[&str]| -> bed::Said {
        let mut command = bed.command();
        command.arg("exec").args(flags).arg(&bed.id).args(["sh", "-c", script]);
        command.output().expect("exec").into()
    };
    let said = exec(&[]);
    assert!(
        said.out == confined && said.err.contains("Permission denied"),
        "{said:?}"
    );
    assert_eq!(exec(&["--apparmor", "unconfined"]).out, "unconfined\nsecret\n");
    let words = "unable to apply apparmor profile: apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: \
                 no such file or directory";
    let said = exec(&["--apparmor", "no-such-profile"]);
    assert!(said.code == 255 && said.err.contains(words), "{said:?}");
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);

    bed.config["process"]["apparmorProfile"] = json!("no-such-profile");
    let said = bed.args(&["true"]).run();
    assert!(said.code == 1 && said.err.contains(words), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
    in_user_namespace(&mut bed);
    bed.config["process"]["apparmorProfile"] = json!(profile.name);
    assert_eq!(bed.script("cat /proc/self/attr/current").run().out, confined);
}
