//! Hooks of all six kinds: when they run, in which namespaces, what they are told, and what their failure does.

mod bed;

use bed::bed;
use serde_json::{Value, json};
use std::path::Path;

const STAGES: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

fn shell(script: &str) -> Value {
    json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
}

/// A hook of every stage that appends one line to a file: its stage, its mount namespace, its pid, its directory and the
/// state. In the container the file is `/log`.
fn recorders(bed: &mut bed::Bed) {
    let outside = bed.rootfs().join("log").display().to_string();
    for stage in STAGES {
        let log = if stage == "startContainer" { "/log" } else { &outside };
        let script = format!("echo {stage} $(readlink /proc/self/ns/mnt) $(pwd) $(cat) >> {log}");
        bed.config["hooks"][stage] = shell(&script);
    }
    bed.config["root"]["readonly"] = json!(false);
}

/// What the recorders wrote: stage, mount namespace, directory, state.
fn records(bed: &bed::Bed) -> Vec<(String, String, String, Value)> {
    let text = std::fs::read_to_string(bed.rootfs().join("log")).expect("the log");
    let record = |line: &str| {
        let mut words = line.splitn(4, ' ').map(str::to_owned);
        let mut next = || words.next().expect("four words");
        let (stage, namespace, directory, state) = (next(), next(), next(), next());
        (stage, namespace, directory, serde_json::from_str(&state).expect("JSON"))
    };
    text.lines().map(record).collect()
}

fn check_records(bed: &bed::Bed, pid: Option<i64>) {
    let records = records(bed);
    let stages: Vec<&str> = records.iter().map(|record| record.0.as_str()).collect();
    assert_eq!(stages, STAGES);
    let host = std::fs::read_link("/proc/self/ns/mnt").expect("a link");
    let host = host.to_string_lossy();
    let statuses = ["created", "creating", "creating", "created", "running", "stopped"];
    for ((stage, namespace, directory, state), status) in records.iter().zip(statuses) {
        let inside = ["createContainer", "startContainer"].contains(&stage.as_str());
        assert_eq!(*namespace != host, inside, "{stage} is in {namespace}");
        assert_eq!(state["status"], status, "{stage}");
        assert_eq!(state["id"], bed.id.as_str(), "{stage}");
        assert_eq!(
            state["bundle"],
            bed.path().join("bundle").display().to_string(),
            "{stage}"
        );
        match stage.as_str() {
            "poststop" => assert!(state["pid"].is_null(), "{state}"),
            _ if inside => assert_eq!(state["pid"], 1, "{stage}"),
            _ => assert!(pid.map_or(state["pid"].is_i64(), |pid| state["pid"] == pid), "{stage}"),
        }
        let wanted = match stage.as_str() {
            "createContainer" => bed.rootfs(),
            "startContainer" => "/".into(),
            _ => bed.path().join("bundle"),
        };
        assert_eq!(Path::new(directory), wanted, "{stage}");
    }
}

#[test]
fn all_hooks_of_a_run_are_in_order_in_their_namespaces_and_told_the_state() {
    let Some(mut bed) = bed() else { return };
    recorders(&mut bed);
    // The program may be overtaken by poststart, but not by those before it.
    let said = bed.script("head -n 4 /log | wc -l").run();
    assert_eq!((said.code, said.out.trim()), (0, "4"), "{said:?}");
    check_records(&bed, None);
}

#[test]
fn start_returns_after_poststart_and_that_comes_after_the_program() {
    let Some(mut bed) = bed() else { return };
    recorders(&mut bed);
    let seen = bed.path().join("seen").display().to_string();
    // The program is there before the hook looks for it.
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", format!("tr '\\0' ' ' < /proc/$(grep -o '\"pid\":[0-9]*' | cut -d: -f2)/cmdline > {seen}")]});
    bed.config["hooks"]["poststart"]
        .as_array_mut()
        .expect("a list")
        .push(hook);
    bed.args(&["sleep", "100"]).create();
    let pid = bed.state("pid").as_i64();
    assert_eq!(records(&bed).len(), 3, "nothing of start has run");
    let said = bed.verb(&["start"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(std::fs::read_to_string(&seen).expect("what it saw"), "sleep 100 ");
    assert_eq!(records(&bed).len(), 5, "poststart has run");
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    check_records(&bed, pid);
}

#[test]
fn a_failing_hook_of_create_undoes_everything() {
    let Some(mut bed) = bed() else { return };
    for stage in ["prestart", "createRuntime", "createContainer"] {
        bed.config["hooks"] = json!({stage: [
            {"path": "/bin/true"},
            {"path": "/bin/sh", "args": ["sh", "-c", "echo said; echo no luck >&2; exit 3"]},
        ]});
        bed.args(&["true"]).write();
        let said = bed.verb(&["create"]);
        let text = format!("error running {stage} hook #1: exit status 3, stdout: said\n, stderr: no luck\n");
        assert!(said.code == 1 && said.err.contains(&text), "{said:?}");
        assert_eq!(bed.traces(), Vec::<String>::new(), "{stage}");
    }
}

#[test]
fn poststop_runs_also_after_a_failed_create() {
    let Some(mut bed) = bed() else { return };
    let file = bed.path().join("after").display().to_string();
    bed.config["hooks"] = json!({
        "createRuntime": [{"path": "/bin/false"}],
        "poststop": shell(&format!("grep -o stopped > {file}")),
    });
    bed.write();
    assert_eq!(bed.verb(&["create"]).code, 1);
    assert_eq!(std::fs::read_to_string(&file).expect("it ran"), "stopped\n");
}

#[test]
fn a_failing_start_container_hook_fails_start_and_the_program_never_runs() {
    let Some(mut bed) = bed() else { return };
    bed.config["root"]["readonly"] = json!(false);
    bed.config["hooks"] = json!({"startContainer": shell("echo no luck >&2; exit 4")});
    bed.script("touch /ran").create();
    let said = bed.verb(&["start"]);
    let text = "error running startContainer hook #0: exit status 4, stdout: , stderr: no luck";
    assert!(said.code == 1 && said.err.contains(text), "{said:?}");
    bed::eventually("the end", || bed.state("status") == "stopped");
    assert!(!bed.rootfs().join("ran").exists());
    assert_eq!(bed.verb(&["delete"]).code, 0);
    let said = bed.run();
    assert!(said.code != 0 && said.err.contains(text), "{said:?}");
    assert!(!bed.rootfs().join("ran").exists());
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn a_failing_poststart_hook_fails_start_and_stops_the_container() {
    let Some(mut bed) = bed() else { return };
    bed.config["hooks"] = json!({"poststart": [{"path": "/bin/false"}]});
    bed.args(&["sleep", "100"]).create();
    let said = bed.verb(&["start"]);
    let text = "error running poststart hook #0: exit status 1";
    assert!(said.code == 1 && said.err.contains(text), "{said:?}");
    assert_eq!(bed.state("status"), "stopped");
    assert_eq!(bed.verb(&["delete"]).code, 0);
    let said = bed.verb(&["run", "--detach"]);
    assert!(said.code == 1 && said.err.contains(text), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn a_failing_poststop_hook_is_told_and_changes_nothing() {
    let Some(mut bed) = bed() else { return };
    let file = bed.path().join("second").display().to_string();
    let second = json!({"path": "/bin/touch", "args": ["touch", file.as_str()]});
    bed.config["hooks"] = json!({"poststop": [{"path": "/bin/false"}, second]});
    let said = bed.args(&["true"]).run();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err.contains("level=warning") && said.err.contains("error running poststop hook #0: exit status 1"),
        "{said:?}"
    );
    assert!(Path::new(&file).exists());
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn a_hook_that_hangs_is_killed_with_its_group() {
    let Some(mut bed) = bed() else { return };
    let file = bed.path().join("pid").display().to_string();
    let hangs = format!("sleep 100 & echo $! > {file}; wait");
    bed.config["hooks"] = json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", hangs], "timeout": 1}]});
    let said = bed.args(&["true"]).run();
    assert!(
        said.code == 1
            && said
                .err
                .contains("error running createRuntime hook #0: hook ran past specified timeout of 1.0s"),
        "{said:?}"
    );
    let pid = std::fs::read_to_string(&file).expect("a pid");
    bed::eventually("its death", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.map_or(true, |stat| {
            stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
        })
    });
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn a_hook_of_the_container_side_that_hangs_is_killed_too() {
    let Some(mut bed) = bed() else { return };
    for stage in ["createContainer", "startContainer"] {
        bed.config["hooks"] = json!({stage: [{"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]});
        let said = bed.args(&["true"]).run();
        let text = format!("error running {stage} hook #0: hook ran past specified timeout of 1.0s");
        assert!(said.code != 0 && said.err.contains(&text), "{said:?}");
        assert_eq!(bed.traces(), Vec::<String>::new(), "{stage}");
    }
}

#[test]
fn environments_are_the_hooks_own_the_runtimes_or_the_containers() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"]["env"] = json!(["PATH=/bin", "ONE=two"]);
    let own = "test \"$OWN\" = 1 -a -z \"$ONE\" -a -z \"$RUNTIME\"";
    bed.config["hooks"] = json!({
        "createRuntime": shell("test \"$RUNTIME\" = here -a -z \"$ONE\""),
        "createContainer": shell("test -z \"$RUNTIME\" -a -z \"$ONE\""),
        "startContainer": shell("test \"$ONE\" = two -a -n \"$HOME\" -a -z \"$RUNTIME\""),
        "poststart": [{"path": "/bin/sh", "args": ["sh", "-c", own], "env": ["OWN=1"]}],
    });
    bed.args(&["true"]).write();
    let output = bed.command().env("RUNTIME", "here").args(["run", &bed.id]).output();
    let said = bed::Said::from(output.expect("execute"));
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn mounts_that_hooks_make_are_there_in_the_container() {
    let Some(mut bed) = bed() else { return };
    for name in ["one", "two"] {
        std::fs::write(bed.path().join(name), name).expect("write");
        std::fs::write(bed.rootfs().join(name), "").expect("write");
    }
    let (from, to) = (bed.path().display(), bed.rootfs().display().to_string());
    let runtime = format!("nsenter -m -t $(grep -o '\"pid\":[0-9]*' | cut -d: -f2) mount --bind {from}/one {to}/one");
    bed.config["hooks"] = json!({
        "createRuntime": shell(&runtime),
        "createContainer": shell(&format!("mount --bind {from}/two ./two")),
    });
    let said = bed.args(&["cat", "/one", "/two"]).run();
    assert_eq!((said.code, said.out.as_str()), (0, "onetwo"), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn hooks_that_can_never_run_are_refused_before_anything_is_made() {
    let Some(mut bed) = bed() else { return };
    bed.config["hooks"] = json!({"poststop": [{"path": "true"}]});
    let said = bed.run();
    assert!(
        said.code == 1
            && said
                .err
                .contains("hooks.poststop[0].path \"true\" must be an absolute path"),
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}
