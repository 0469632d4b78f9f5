//! The command line as runc's callers know it: words, exit codes, log lines, and what is kept under `--root`.

mod bed;

use bed::{Bed, Said, bed, eventually};
use serde_json::{Value, json};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;

fn say(bed: &Bed, words: &[&str]) -> Said {
    bed.command().args(words).output().expect("execute").into()
}

#[test]
fn help_is_no_error_and_wrong_words_get_it_too() {
    let Some(bed) = bed() else { return };
    for (words, code) in [
        (&["--help"][..], 0),
        (&["state", "-h"], 0),
        (&["create", "--bundle", "x", "--help"], 0),
        (&["help", "kill"], 0),
        (&["state"], 1),
        (&["kill", "a", "9", "b"], 1),
        (&["list", "a"], 1),
        (&["delete", "--sideways", "a"], 1),
        (&["exec"], 1),
    ] {
        let said = say(&bed, words);
        assert_eq!(said.code, code, "{words:?}: {said:?}");
        assert!(said.out.contains("NAME:\n   tierce-runtime"), "{words:?}: {said:?}");
        assert_eq!(
            said.out.starts_with("Incorrect Usage"),
            code == 1,
            "{words:?}: {said:?}"
        );
    }
    let said = say(&bed, &["state"]);
    assert!(
        said.err.contains("\"state\" requires exactly 1 argument(s)"),
        "{said:?}"
    );
    let said = say(&bed, &["kill"]);
    assert!(
        said.err.contains("\"kill\" requires a minimum of 1 argument(s)"),
        "{said:?}"
    );
    let said = say(&bed, &["dance", "-h"]);
    assert!(
        said.code == 3 && said.err.contains("No help topic for 'dance'"),
        "{said:?}"
    );
}

#[test]
fn the_program_answers_to_the_name_whose_place_it_takes() {
    let Some(bed) = bed() else { return };
    let link = bed.path().join("runc");
    std::os::unix::fs::symlink(bed::program(), &link).expect("link");
    let first_line = |program: &std::path::Path| {
        let said: Said = bed
            .command_of(program)
            .arg("--version")
            .output()
            .expect("execute")
            .into();
        let names: Vec<String> = said
            .out
            .lines()
            .map(|line| line.split(' ').next().unwrap_or_default().into())
            .collect();
        assert_eq!(names[1..], ["commit:", "spec:"], "{said:?}");
        names[0].clone()
    };
    assert_eq!(first_line(&link), "runc");
    assert_eq!(first_line(bed::program().as_ref()), "tierce-runtime");
}

#[test]
fn errors_are_lines_of_the_log_in_its_format() {
    let Some(bed) = bed() else { return };
    let log = bed.path().join("log");
    let log = log.to_str().expect("UTF-8");
    let said = say(&bed, &["state", "nobody"]);
    assert!(
        said.err.starts_with("time=\"") && said.err.ends_with("level=error msg=\"container does not exist\"\n"),
        "{said:?}"
    );
    let said = say(&bed, &["--log", log, "--log-format", "json", "state", "nobody"]);
    assert_eq!(said.err, "container does not exist\n");
    let line: Value = serde_json::from_str(&std::fs::read_to_string(log).expect("the log")).expect("JSON");
    assert_eq!(
        (&line["level"], &line["msg"]),
        (&json!("error"), &json!("container does not exist"))
    );
    let said = say(&bed, &["--log", "/nowhere/log", "state", "nobody"]);
    assert!(
        said.code == 1 && said.err.contains("open /nowhere/log: no such file"),
        "{said:?}"
    );
    let said = say(&bed, &["--log-format", "verse", "state", "nobody"]);
    assert!(
        said.code == 1 && said.err.contains("invalid log-format: verse"),
        "{said:?}"
    );
}

#[test]
fn debug_tells_what_is_done_and_only_then() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).write();
    let said = say(&bed, &["--debug", "run", &bed.id]);
    assert!(
        said.err.contains("level=debug msg=\"child process in init()"),
        "{said:?}"
    );
    assert_eq!(say(&bed, &["run", &bed.id]).err, "");
}

#[test]
fn the_root_directory_is_no_place_for_states() {
    for root in ["/", "/tmp/..", "../../../../../../../../../.."] {
        let said: Said = std::process::Command::new(bed::program())
            .args(["--root", root, "list"])
            .output()
            .expect("execute")
            .into();
        assert!(
            said.code == 1 && said.err.contains("should not be set to /"),
            "{root}: {said:?}"
        );
    }
}

#[test]
fn states_are_kept_as_runc_keeps_them() {
    let Some(mut bed) = bed() else { return };
    bed.config["annotations"] = json!({"a": "b"});
    bed.args(&["sleep", "60"]).create();
    let home = bed.path().join("state").join(&bed.id);
    assert!(home.join("exec.fifo").exists());
    let read = || -> Value {
        serde_json::from_slice(&std::fs::read(home.join("state.json")).expect("state.json")).expect("JSON")
    };
    let kept = read();
    assert_eq!(kept["id"], bed.id.as_str());
    assert_eq!(kept["init_process_pid"], bed.state("pid"));
    assert_eq!(kept["config"]["rootfs"], bed.rootfs().display().to_string());
    let labels = kept["config"]["labels"].as_array().expect("labels");
    assert!(labels.contains(&json!("a=b")), "{kept}");
    assert!(
        labels.contains(&json!(format!("bundle={}", bed.path().join("bundle").display()))),
        "{kept}"
    );
    let group = kept["cgroup_paths"]
        .as_object()
        .expect("groups")
        .values()
        .next()
        .expect("a group");
    assert!(std::path::Path::new(group.as_str().expect("a path")).is_dir(), "{kept}");
    let network = kept["namespace_paths"]["NEWNET"].as_str().expect("a path");
    assert!(std::fs::read_link(network).is_ok(), "{network}");
    assert_eq!(bed.verb(&["start"]).code, 0);
    assert!(!home.join("exec.fifo").exists());
}

#[test]
fn row_106_what_waits_for_its_start_ends_on_a_signal() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).create();
    assert_eq!(bed.state("status"), "created");
    assert_eq!(bed.verb(&["kill"]).code, 0);
    eventually("the end", || bed.state("status") == "stopped");
    let said = bed.verb(&["start"]);
    assert!(
        said.err.contains("cannot start a container that has stopped"),
        "{said:?}"
    );
}

#[test]
fn a_document_without_a_process_makes_a_container_that_ends_when_it_starts() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"] = Value::Null;
    bed.write();
    let said = bed.verb(&["run"]);
    assert!(
        said.code == 1 && said.err.contains("process property must not be empty"),
        "{said:?}"
    );
    bed.create();
    assert_eq!(bed.verb(&["start"]).code, 0);
    eventually("the end", || bed.state("status") == "stopped");
}

#[test]
fn a_kill_takes_all_of_a_container_in_the_hosts_pid_namespace() {
    let Some(mut bed) = bed() else { return };
    let namespaces = bed.config["linux"]["namespaces"].as_array_mut().expect("a list");
    namespaces.retain(|one| one["type"] != "pid");
    bed.script("sleep 60 & sleep 60 & wait").start();
    let pids = || serde_json::from_str::<Vec<i32>>(&bed.verb(&["ps", "--format", "json"]).out).expect("JSON");
    eventually("three processes", || pids().len() == 3);
    assert_eq!(bed.verb(&["kill"]).code, 0, "the first one's own signal");
    eventually("the first one's end", || pids().len() == 2);
    let said: Said = bed
        .command()
        .args(["kill", &bed.id, "KILL"])
        .output()
        .expect("kill")
        .into();
    assert_eq!(said.code, 0, "{said:?}");
    eventually("the end of all", || pids().is_empty());
}

#[test]
fn the_pidfd_socket_gets_the_process() {
    let Some(mut bed) = bed() else { return };
    let path = bed.path().join("socket");
    let listener = UnixListener::bind(&path).expect("listen");
    bed.args(&["sleep", "60"]).write();
    let created = bed
        .command()
        .args(["create", "--pidfd-socket"])
        .arg(&path)
        .arg(&bed.id)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("create");
    assert!(created.success());
    let (socket, _) = listener.accept().expect("a connection");
    let (_, files) = tierce_sys::passing::receive(socket.as_fd(), &mut [0; 64]).expect("a message");
    tierce_sys::signals::send(files[0].as_fd(), 9).expect("kill");
    eventually("the end", || bed.state("status") == "stopped");
}

#[test]
fn exec_runs_in_groups_below_the_containers_own() {
    let Some(mut bed) = bed() else { return };
    let Ok(text) = std::fs::read_to_string("/proc/self/cgroup") else {
        return;
    };
    if !text.contains(":pids:") {
        println!("skipped: needs the pids controller on v1");
        return;
    }
    bed.args(&["sleep", "60"]).start();
    let below = std::path::Path::new("/sys/fs/cgroup/pids").join(&bed.id).join("below");
    std::fs::create_dir(&below).expect("mkdir");
    let exec = |group: &str| -> Said {
        let words = [
            "exec",
            "--cgroup",
            group,
            &bed.id,
            "grep",
            ":pids:",
            "/proc/self/cgroup",
        ];
        bed.command().args(words).output().expect("exec").into()
    };
    let said = exec("pids:below");
    assert!(said.code == 0 && said.out.ends_with("/below\n"), "{said:?}");
    for (group, words) in [
        ("..", ".. is not a sub cgroup path"),
        ("pids:nowhere", "/nowhere/cgroup.procs: no such file or directory"),
        ("dreams:below", "unknown controller dreams"),
        ("pids:below,", ""),
    ] {
        let said = exec(group);
        assert!(said.code == 255 && said.err.contains(words), "{group}: {said:?}");
    }
}

#[test]
fn the_working_directory_may_be_one_that_only_root_can_enter() {
    let Some(mut bed) = bed() else { return };
    let closed = bed.rootfs().join("closed");
    std::fs::create_dir(&closed).expect("mkdir");
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("chmod");
    bed.config["process"]["cwd"] = json!("/closed");
    bed.config["process"]["user"] = json!({"uid": 77, "gid": 77});
    let said = bed.script("echo reached").run();
    assert_eq!((said.code, said.out.as_str()), (0, "reached\n"), "{said:?}");
}

#[test]
fn a_program_that_the_kernel_refuses_says_so_itself() {
    let Some(mut bed) = bed() else { return };
    let script = bed.rootfs().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").expect("write");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let said = bed.args(&["/script"]).run();
    assert_eq!(
        (said.code, said.err.as_str()),
        (1, "exec /script: no such file or directory\n"),
        "{said:?}"
    );
}
