//! Checkpoint and restore with the real CRIU, where it works on this machine's kernel.

mod bed;

use bed::{Bed, Said, bed, eventually};
use serde_json::json;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// Counts, a number every tenth of a second; the count is in the shell's memory only. It makes no processes: one that is
/// frozen between vfork(2) and execve(2) would keep CRIU from stopping its parent.
const COUNTER: &str = "busybox mkfifo /p; exec 3<>/p; i=0; \
                       while :; do i=$((i+1)); echo $i > /n; read -t 0.1 x <&3; done";

/// Whether CRIU works here; `feature` is one of `criu check`.
fn criu_works(feature: Option<&str>) -> bool {
    let mut command = Command::new("criu");
    command.arg("check");
    if let Some(feature) = feature {
        command.args(["--feature", feature]);
    }
    let Ok(output) = command.output() else {
        println!("skipped: needs criu");
        return false;
    };
    if output.status.success() {
        return true;
    }
    let said = Said::from(output);
    let reason = said.err.lines().find(|line| line.contains("Error")).unwrap_or("?");
    println!(
        "skipped: criu does not work here: {} {reason}",
        feature.unwrap_or_default()
    );
    false
}

/// A bed with the `/tmp` that CRIU needs to restore a root that is read-only.
fn with_tmp() -> Option<Bed> {
    let bed = bed()?;
    std::fs::create_dir(bed.rootfs().join("tmp")).expect("mkdir");
    Some(bed)
}

/// A bed whose root can be written, with a program whose progress can be seen.
fn counting() -> Option<Bed> {
    let mut bed = bed()?;
    bed.config["root"]["readonly"] = json!(false);
    bed.script(COUNTER);
    Some(bed)
}

fn count(bed: &Bed) -> u32 {
    let mut count = None;
    eventually("a count", || {
        let text = std::fs::read_to_string(bed.rootfs().join("n"));
        count = text.ok().and_then(|text| text.trim().parse().ok());
        count.is_some()
    });
    count.expect("a count")
}

/// A verb in the background's way: its streams are the null device, since what a container inherits stays open.
fn quietly(bed: &Bed, words: &[&str]) -> Said {
    let errors = bed.path().join("errors");
    let status = bed
        .command()
        .args(words)
        .arg(&bed.id)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&errors).expect("a file"))
        .status()
        .expect("execute");
    Said {
        code: status.code().unwrap_or(-1),
        out: String::new(),
        err: bed::unquoted(&std::fs::read_to_string(errors).expect("errors")),
    }
}

/// Starts it with streams that may be checkpointed.
fn start(bed: &Bed) {
    bed.write();
    let mut command = bed.command();
    command.args(["run", "--detach", &bed.id]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().expect("run").success());
}

fn restore(bed: &Bed, words: &[&str]) {
    let mut command = bed.command();
    command.args(["restore", "--detach"]).args(words).arg(&bed.id);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().expect("restore");
    let log = || std::fs::read_to_string(bed.path().join("bundle/checkpoint/restore.log")).unwrap_or_default();
    assert!(status.success(), "{}", log());
}

#[test]
fn a_container_goes_on_where_it_was_twice() {
    let Some(bed) = counting().filter(|_| criu_works(None)) else {
        return;
    };
    start(&bed);
    for _ in 0..2 {
        let pid = bed.state("pid");
        eventually("some counts", || count(&bed) > 3);
        let said = quietly(&bed, &["checkpoint"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(bed.verb(&["state"]).err.contains("container does not exist"));
        assert_eq!(bed.traces(), Vec::<String>::new());
        let before = count(&bed);
        let file = bed.path().join("pid").display().to_string();
        restore(&bed, &["--pid-file", &file]);
        assert_eq!(bed.state("status"), "running");
        assert_ne!(bed.state("pid"), pid);
        assert_eq!(
            std::fs::read_to_string(file).expect("pid"),
            bed.state("pid").to_string()
        );
        eventually("more counts", || count(&bed) > before);
        assert!(count(&bed) < before + 200, "it counts on from {before}");
        let said = bed.exec(&["cat", "/proc/1/comm"]);
        assert_eq!((said.code, said.out.as_str()), (0, "sh\n"), "{said:?}");
        // The loopback interface is up as after create.
        let said = bed.exec(&["grep", "-c", "lo", "/proc/net/if_inet6"]);
        assert!(said.code == 0 || said.out.trim() == "0", "{said:?}");
    }
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn one_that_is_left_running_goes_on() {
    let Some(bed) = counting().filter(|_| criu_works(None)) else {
        return;
    };
    start(&bed);
    let said = quietly(&bed, &["checkpoint", "--leave-running", "--image-path", "kept"]);
    assert_eq!(said.code, 0, "{said:?}");
    let before = count(&bed);
    eventually("more counts", || count(&bed) > before);
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    restore(&bed, &["--image-path", "kept"]);
    eventually("more counts", || count(&bed) > before);
}

#[test]
fn memory_is_dumped_before_where_the_kernel_tracks_it() {
    let Some(bed) = counting().filter(|_| criu_works(None) && criu_works(Some("mem_dirty_track"))) else {
        return;
    };
    start(&bed);
    let said = quietly(&bed, &["checkpoint", "--pre-dump", "--image-path", "before"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(bed.state("status"), "running");
    let said = quietly(&bed, &["checkpoint", "--parent-path", "../before"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(bed.path().join("bundle/checkpoint/parent").exists());
    restore(&bed, &[]);
}

#[test]
fn a_terminal_comes_over_the_console_socket_again() {
    let Some(mut bed) = with_tmp().filter(|_| criu_works(None)) else {
        return;
    };
    bed.config["process"]["terminal"] = json!(true);
    bed.script("while read line; do echo got $line; done");
    bed.write();
    let socket = bed.path().join("console");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("bind");
    let terminal = |words: &[&str]| {
        let said = quietly(
            &bed,
            &[words, &["--console-socket", &socket.display().to_string()]].concat(),
        );
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
        let (stream, _) = listener.accept().expect("accept");
        let mut buffer = [0; 4096];
        let fd = std::os::fd::AsFd::as_fd(&stream);
        let (_, mut files) = tierce_sys::passing::receive(fd, &mut buffer).expect("receive");
        std::fs::File::from(files.pop().expect("a terminal"))
    };
    let speaks = |master: &mut std::fs::File, word: &str| {
        writeln!(master, "{word}").expect("write");
        let (mut said, wanted) = (String::new(), format!("got {word}"));
        while !said.contains(&wanted) {
            let mut buffer = [0; 256];
            let length = master.read(&mut buffer).expect("read");
            said.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    let mut master = terminal(&["run", "--detach"]);
    speaks(&mut master, "one");
    let said = quietly(&bed, &["checkpoint"]);
    assert_eq!(said.code, 0, "{said:?}");
    drop(master);
    let mut master = terminal(&["restore", "--detach"]);
    speaks(&mut master, "two");
}

#[test]
fn pipes_are_replaced_by_those_of_the_restore_and_the_exit_code_comes_back() {
    let Some(mut bed) = with_tmp().filter(|_| criu_works(None)) else {
        return;
    };
    bed.script("read one; echo got $one; exit 7").write();
    let start = |words: &[&str]| {
        let (output, write) = std::io::pipe().expect("a pipe");
        let mut command = bed.command();
        command.args(words).arg(&bed.id);
        command
            .stdin(Stdio::piped())
            .stdout(OwnedFd::from(write))
            .stderr(Stdio::piped());
        (command.spawn().expect("spawn"), output)
    };
    let (mut first, _kept) = start(&["run"]);
    eventually("the container", || bed.verb(&["state"]).out.contains("running"));
    let said = quietly(&bed, &["checkpoint"]);
    assert_eq!(said.code, 0, "{said:?}");
    first.wait().expect("run ends with it");
    let (mut second, mut output) = start(&["restore"]);
    second
        .stdin
        .take()
        .expect("its input")
        .write_all(b"word\n")
        .expect("write");
    let said = Said::from(second.wait_with_output().expect("an end"));
    assert_eq!(said.code, 7, "{said:?}");
    let mut text = String::new();
    output.read_to_string(&mut text).expect("read");
    assert_eq!(text, "got word\n");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn bind_mounts_come_back_behind_links_and_inside_of_each_other() {
    let Some(mut bed) = counting().filter(|_| criu_works(None)) else {
        return;
    };
    let (one, two) = (bed.path().join("one"), bed.path().join("two"));
    for directory in [&one, &two] {
        std::fs::create_dir(directory).expect("mkdir");
    }
    std::fs::write(two.join("file"), "inside").expect("write");
    std::fs::create_dir_all(bed.rootfs().join("real/conf")).expect("mkdir");
    std::os::unix::fs::symlink("/real/conf", bed.rootfs().join("conf")).expect("link");
    let bind = |source: &Path, destination: &str| json!({"type": "bind", "source": source, "destination": destination, "options": ["bind"]});
    let mounts = bed.config["mounts"].as_array_mut().expect("mounts");
    mounts.extend([bind(&one, "/conf"), bind(&one, "/test"), bind(&two, "/test/for/nested")]);
    start(&bed);
    let said = quietly(&bed, &["checkpoint"]);
    assert_eq!(said.code, 0, "{said:?}");
    // The places that were made in the source are made again.
    std::fs::remove_dir_all(one.join("for")).expect("remove");
    restore(&bed, &[]);
    assert_eq!(bed.exec(&["cat", "/test/for/nested/file"]).out, "inside");
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn open_connections_and_locks_survive_when_asked_for() {
    let Some(mut bed) = counting().filter(|_| criu_works(None)) else {
        return;
    };
    for applet in ["nc", "flock"] {
        std::os::unix::fs::symlink("busybox", bed.rootfs().join("bin").join(applet)).expect("link");
    }
    let talk = "busybox mkfifo /p; exec 3<>/p; (while :; do echo word; read -t 0.1 x <&3; done | nc -l -p 7777) & \
                read -t 0.5 x <&3; exec 9>/lock; flock 9; \
                nc 127.0.0.1 7777 <&3 | while read word; do i=$((i+1)); echo $i > /n; done";
    bed.script(talk);
    start(&bed);
    eventually("some words", || count(&bed) > 2);
    let said = quietly(&bed, &["checkpoint"]);
    assert!(
        said.code == 1 && said.err.contains("criu failed: type DUMP"),
        "{said:?}"
    );
    assert!(said.err.contains("Quoting"), "its log is told: {said:?}");
    assert_eq!(bed.state("status"), "running", "a refused checkpoint changes nothing");
    let flags = ["--tcp-established", "--file-locks"];
    let said = quietly(&bed, &[&["checkpoint"], &flags[..]].concat());
    if said.code != 0 && said.err.contains("iptables") {
        println!("skipped: criu has no packet filter to lock the network with");
        return;
    }
    assert_eq!(said.code, 0, "{said:?}");
    let before = count(&bed);
    restore(&bed, &flags);
    // What was lost while the network was locked is sent again after ever longer pauses.
    for _ in 0..400 {
        if count(&bed) > before {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("no more words came");
}

#[test]
fn a_joined_network_is_joined_again() {
    let Some(mut bed) = counting().filter(|_| criu_works(None)) else {
        return;
    };
    let mut holder = Command::new("unshare")
        .args(["-n", "sleep", "100"])
        .spawn()
        .expect("unshare");
    let path = format!("/proc/{}/ns/net", holder.id());
    let own = std::fs::read_link("/proc/self/ns/net").expect("a link");
    eventually("a namespace", || {
        std::fs::read_link(&path).is_ok_and(|link| link != own)
    });
    let namespaces = bed.config["linux"]["namespaces"].as_array_mut().expect("namespaces");
    let network = namespaces
        .iter_mut()
        .find(|namespace| namespace["type"] == "network")
        .expect("one");
    network["path"] = json!(path);
    start(&bed);
    let said = quietly(&bed, &["checkpoint"]);
    assert_eq!(said.code, 0, "{said:?}");
    restore(&bed, &[]);
    let inside = std::fs::read_link(format!("/proc/{}/ns/net", bed.state("pid"))).expect("a link");
    assert_eq!(inside, std::fs::read_link(&path).expect("a link"));
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    holder.kill().and_then(|()| holder.wait()).expect("its end");
}

#[test]
fn hooks_run_at_a_restore_and_a_failing_one_undoes_it() {
    let Some(mut bed) = counting().filter(|_| criu_works(None)) else {
        return;
    };
    let log = bed.path().join("hooks").display().to_string();
    let hook = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    bed.config["hooks"] = json!({"createRuntime": hook(&format!("grep -o '\"status\":\"[a-z]*\"' >> {log}"))});
    start(&bed);
    assert_eq!(quietly(&bed, &["checkpoint"]).code, 0);
    restore(&bed, &[]);
    assert_eq!(
        std::fs::read_to_string(&log).expect("the log"),
        "\"status\":\"creating\"\n\"status\":\"creating\"\n"
    );
    assert_eq!(quietly(&bed, &["checkpoint"]).code, 0);
    bed.config["hooks"] = json!({"createRuntime": hook("exit 3")});
    bed.write();
    let said = quietly(&bed, &["restore", "--detach"]);
    assert!(
        said.code == 1 && said.err.contains("error running createRuntime hook #0: exit status 3"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn damaged_images_leave_nothing_behind() {
    let Some(bed) = counting().filter(|_| criu_works(None)) else {
        return;
    };
    start(&bed);
    assert_eq!(quietly(&bed, &["checkpoint"]).code, 0);
    std::fs::write(bed.path().join("bundle/checkpoint/pstree.img"), "nonsense").expect("write");
    let said = quietly(&bed, &["restore", "--detach"]);
    assert!(
        said.code == 1 && said.err.contains("criu failed: type RESTORE"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn what_can_never_be_checkpointed_is_refused_without_criu() {
    let Some(mut bed) = bed() else { return };
    let said = bed.verb(&["checkpoint"]);
    assert!(
        said.code == 1 && said.err.contains("container does not exist"),
        "{said:?}"
    );
    bed.args(&["sleep", "100"]).create();
    let said = bed.verb(&["checkpoint"]);
    assert!(
        said.code == 1 && said.err.contains("Container cannot be checkpointed in created state"),
        "{said:?}"
    );
    assert_eq!(bed.verb(&["start"]).code, 0);
    for (words, text) in [
        (&["--parent-path", "/absolute"][..], "--parent-path must be relative"),
        (
            &["--parent-path", "missing"],
            "invalid --parent-path: stat checkpoint/missing: no such file or directory",
        ),
        (
            &["--page-server", "nowhere"],
            "Use --page-server ADDRESS:PORT to specify page server",
        ),
        (
            &["--status-fd", "77"],
            "invalid --status-fd argument 77: bad file descriptor",
        ),
        (&["--status-fd", "0"], "invalid --status-fd argument 0: not writable"),
        (&["--manage-cgroups-mode", "some"], "invalid manage-cgroups-mode value"),
        (&["--empty-ns", "pid"], "is not supported"),
    ] {
        let said = quietly(&bed, &[&["checkpoint"], words].concat());
        assert!(said.code == 1 && said.err.contains(text), "{words:?}: {said:?}");
    }
    assert_eq!(bed.state("status"), "running");
}

#[test]
fn a_restore_without_images_leaves_nothing_behind() {
    let Some(bed) = counting().filter(|_| criu_works(None)) else {
        return;
    };
    bed.write();
    let said = quietly(&bed, &["restore", "--detach", "--image-path", "missing"]);
    assert!(
        said.code == 1 && said.err.contains("open missing: no such file or directory"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}
