//! The verbs as engines use them, with the words that engines match on.

mod bed;

use bed::{bed, eventually};
use serde_json::{Value, json};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

#[test]
fn a_program_that_is_missing_fails_create_in_gos_words() {
    let Some(mut bed) = bed() else { return };
    std::fs::write(bed.rootfs().join("plain"), "").expect("write");
    let cases = [
        ("foo", "exec: \"foo\": executable file not found in $PATH"),
        ("/foo", "exec: \"/foo\": stat /foo: no such file or directory"),
        ("/plain", "exec: \"/plain\": permission denied"),
        ("/bin", "exec: \"/bin\": is a directory"),
    ];
    for (program, words) in cases {
        bed.args(&[program]).write();
        let said = bed.verb(&["create"]);
        assert!(said.code == 1 && said.err.contains(words), "{said:?}");
        assert!(said.err.contains("unable to start container process"), "{said:?}");
        assert_eq!(bed.traces(), Vec::<String>::new());
    }
}

#[test]
fn a_program_that_is_none_fails_run() {
    let Some(mut bed) = bed() else { return };
    let path = bed.rootfs().join("garbage");
    std::fs::write(&path, "\u{1}\u{2}\u{3}").expect("write");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let said = bed.args(&["/garbage"]).run();
    assert!(said.code == 1 && said.err.contains("exec format error"), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn unknown_containers_and_taken_ids() {
    let Some(mut bed) = bed() else { return };
    for verb in ["state", "start", "kill", "delete", "pause", "resume", "ps", "exec"] {
        let said = if verb == "exec" {
            bed.exec(&["true"])
        } else {
            bed.verb(&[verb])
        };
        assert!(
            said.code != 0 && said.err.contains("container does not exist"),
            "{verb}: {said:?}"
        );
    }
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    bed.args(&["sleep", "60"]).create();
    let said = bed.verb(&["create"]);
    assert!(said.err.contains("container with given ID already exists"), "{said:?}");
    assert_eq!(bed.state("status"), "created");
}

#[test]
fn kill_of_a_stopped_container_says_so() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).start();
    eventually("the end", || bed.state("status") == "stopped");
    let said = bed.verb(&["kill"]);
    assert!(said.code == 1 && said.err.contains("container not running"), "{said:?}");
    assert_eq!(bed.state("pid"), 0);
    assert_eq!(
        bed.command()
            .args(["kill", "--all", &bed.id, "9"])
            .status()
            .expect("kill")
            .code(),
        Some(0)
    );
}

#[test]
fn exec_joins_everything_and_returns_the_exit_code() {
    let Some(mut bed) = bed() else { return };
    bed.config["hostname"] = json!("inner");
    bed.args(&["sleep", "60"]).start();
    let said = bed.exec(&["sh", "-c", "hostname; echo $PPID; ls -d /proc/[0-9]* | wc -l; exit 7"]);
    assert_eq!((said.code, said.out.lines().next()), (7, Some("inner")), "{said:?}");
    let document = bed.path().join("process.json");
    std::fs::write(&document, json!({"args": ["sh", "-c", "echo $A; pwd; id -u"], "env": ["A=b", "PATH=/bin"], "cwd": "/bin", "user": {"uid": 5, "gid": 5}}).to_string()).expect("write");
    let said: bed::Said = bed
        .command()
        .args(["exec", "--process"])
        .arg(&document)
        .arg(&bed.id)
        .output()
        .expect("exec")
        .into();
    assert_eq!((said.code, said.out.as_str()), (0, "b\n/bin\n5\n"), "{said:?}");
    let said = bed.exec(&["nothing"]);
    let words = "exec failed: unable to start container process: exec: \"nothing\": executable file not found in $PATH";
    assert!(said.code == 255 && said.err.contains(words), "{said:?}");
    let said = bed.exec(&["cat", "/proc/self/cgroup"]);
    assert!(
        said.out
            .lines()
            .filter(|line| line.contains(":pids:"))
            .all(|line| line.ends_with(":/")),
        "{said:?}"
    );
}

#[test]
fn ps_list_and_events() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).start();
    let pids: Vec<i64> = serde_json::from_str(&bed.verb(&["ps", "--format", "json"]).out).expect("JSON");
    assert_eq!(pids, [bed.state("pid").as_i64().expect("a pid")]);
    let list: bed::Said = bed
        .command()
        .args(["list", "--format", "json"])
        .output()
        .expect("list")
        .into();
    let list: Value = serde_json::from_str(&list.out).expect("JSON");
    assert_eq!(
        (list[0]["id"].as_str(), list[0]["status"].as_str()),
        (Some(bed.id.as_str()), Some("running"))
    );
    let stats: Value = serde_json::from_str(&bed.verb(&["events", "--stats"]).out).expect("JSON");
    assert_eq!(
        (stats["type"].as_str(), stats["data"]["pids"]["current"].as_u64()),
        (Some("stats"), Some(1))
    );
}

#[test]
fn update_changes_limits() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).start();
    let said = bed.verb(&["update", "--pids-limit", "77"]);
    assert_eq!(said.code, 0, "{said:?}");
    let file = ["/sys/fs/cgroup/pids/", "/sys/fs/cgroup/"].map(|root| format!("{root}{}/pids.max", bed.id));
    let value = file.iter().find_map(|path| std::fs::read_to_string(path).ok());
    assert_eq!(value.as_deref(), Some("77\n"));
}

#[test]
fn the_terminal_comes_over_the_console_socket() {
    let Some(mut bed) = bed() else { return };
    let socket = bed.path().join("console");
    let listener = UnixListener::bind(&socket).expect("a socket");
    bed.config["process"]["terminal"] = json!(true);
    bed.config["process"]["consoleSize"] = json!({"height": 11, "width": 22});
    bed.script("tty; stat -c %t /dev/console; echo done; sleep 1").write();
    let said = bed.verb(&["create", "--console-socket", &socket.display().to_string()]);
    assert_eq!(said.code, 0, "{said:?}");
    let (stream, _) = listener.accept().expect("a connection");
    let mut name = [0; 64];
    let (_, mut files) = tierce_sys::passing::receive(stream.as_fd(), &mut name).expect("a message");
    let master = files.pop().expect("the master side");
    let size = rustix::termios::tcgetwinsize(&master).expect("a size");
    assert_eq!((size.ws_row, size.ws_col), (11, 22));
    assert_eq!(bed.verb(&["start"]).code, 0);
    let mut text = String::new();
    // The end of a terminal is an error of its master side.
    let _ = std::fs::File::from(master).read_to_string(&mut text);
    assert_eq!(text, "/dev/pts/0\r\n88\r\ndone\r\n");
}

#[test]
fn a_terminal_in_the_foreground_is_joined_to_ours() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"]["terminal"] = json!(true);
    bed.script("tty; exit 3").write();
    let output = bed
        .command()
        .args(["run", &bed.id])
        .stdin(std::process::Stdio::null())
        .output();
    let said = bed::Said::from(output.expect("run"));
    assert_eq!((said.code, said.out.as_str()), (3, "/dev/pts/0\n"), "{said:?}");
    let said = bed.verb(&["run", "--detach"]);
    assert!(said.code == 1 && said.err.contains("cannot allocate tty"), "{said:?}");
}

#[test]
fn the_log_is_what_podman_and_containerd_read() {
    let Some(mut bed) = bed() else { return };
    let log = bed.path().join("log.json");
    bed.args(&["missing"]).write();
    let status = bed
        .command()
        .arg("--log")
        .arg(&log)
        .args(["--log-format=json", "create", "--bundle", ".", &bed.id])
        .output()
        .expect("create");
    assert!(!status.status.success());
    let line: Value = serde_json::from_str(std::fs::read_to_string(&log).expect("a log").trim()).expect("JSON");
    assert_eq!(line["level"], "error");
    assert!(
        line["msg"]
            .as_str()
            .is_some_and(|text| text.contains("executable file not found in $PATH")),
        "{line}"
    );
}

/// A change that makes a good document a bad one.
type Change = Box<dyn Fn(&mut Value)>;

#[test]
fn bad_bundles_are_refused_by_name_and_leave_nothing() {
    let Some(mut bed) = bed() else { return };
    let good = bed.args(&["true"]).config.clone();
    let mut cases: Vec<(&str, Change)> = Vec::new();
    cases.push((
        "args must not be empty",
        Box::new(|config| config["process"]["args"] = json!([])),
    ));
    cases.push((
        "must be an absolute path",
        Box::new(|config| config["process"]["cwd"] = json!("tmp")),
    ));
    cases.push((
        "invalid rootfs",
        Box::new(|config| config["root"]["path"] = json!("nowhere")),
    ));
    cases.push((
        "duplicate",
        Box::new(|config| config["linux"]["namespaces"] = json!([{"type": "pid"}, {"type": "pid"}])),
    ));
    cases.push((
        "no such file or directory",
        Box::new(|config| config["linux"]["namespaces"][0]["path"] = json!("/none")),
    ));
    cases.push((
        "error mounting \"/none\" to rootfs at \"/x\"",
        Box::new(|config| {
            config["mounts"] = json!([{"destination": "/x", "source": "/none", "options": ["bind"]}]);
        }),
    ));
    cases.push((
        "error mounting \"tmpfs\" to rootfs at \"/x\"",
        Box::new(|config| {
            config["mounts"] =
                json!([{"destination": "/x", "type": "tmpfs", "source": "tmpfs", "options": ["size=nonsense"]}]);
        }),
    ));
    cases.push(("parse config.json", Box::new(|config| *config = json!([]))));
    for (words, change) in cases {
        bed.config = good.clone();
        change(&mut bed.config);
        let said = bed.run();
        assert!(said.code == 1 && said.err.contains(words), "{words}: {said:?}");
        assert_eq!(bed.traces(), Vec::<String>::new(), "{words}");
    }
}
