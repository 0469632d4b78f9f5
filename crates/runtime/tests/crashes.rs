//! Crashes in the middle: at each failpoint of each verb the process is killed, or its step fails, or it panics; then
//! nothing may be left that `delete --force` does not take, and after a failure nothing at all.
#![cfg(debug_assertions)] // release programs have no failpoints

mod bed;

use bed::{Bed, Said, bed, eventually};
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use tierce_runtime::failpoint;

const NOTHING: Vec<String> = Vec::new();

/// How a verb ended.
struct Ended {
    said: Said,
    killed: bool,
}

/// Runs a verb with a failpoint armed.
fn fail(bed: &Bed, words: &[&str], point: &str, action: &str) -> Ended {
    let log = bed.path().join("output");
    let file = std::fs::File::create(&log).expect("a file");
    // Not a pipe: a container's process that outlives the verb would keep it open.
    let status = bed
        .command()
        .args(words)
        .env("TIERCE_FAILPOINT", format!("{point}={action}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .expect("execute");
    Ended {
        said: Said {
            code: status.code().unwrap_or(-1),
            out: String::new(),
            err: std::fs::read_to_string(log).expect("output"),
        },
        killed: status.signal() == Some(9),
    }
}

fn delete(bed: &Bed, when: &str) {
    let said = bed.verb(&["delete", "--force"]);
    assert_eq!(said.code, 0, "{when}: {said:?}");
    assert_eq!(bed.traces(), NOTHING, "{when}");
}

/// Kills, panics and fails the verb at points in its own process. Only a failure takes everything back by itself.
fn parent_fails(bed: &Bed, words: &[&str], points: &[&str]) {
    for point in points {
        let ended = fail(bed, words, point, "kill");
        assert!(ended.killed, "{point} is not passed: {:?}", ended.said);
        delete(bed, point);
        let Ended { said, .. } = fail(bed, words, point, "panic");
        assert!(said.code > 0 && said.err.contains(point), "{point}: {said:?}");
        delete(bed, point);
        let Ended { said, .. } = fail(bed, words, point, "error");
        assert!(said.code > 0 && said.err.contains(point), "{point}: {said:?}");
        assert_eq!(bed.traces(), NOTHING, "{point}");
    }
}

/// Kills, fails and panics the child at points of its own; the verb must take everything back.
fn child_fails(bed: &Bed, words: &[&str], points: impl Iterator<Item = String>) {
    for point in points {
        for action in ["kill", "error", "panic"] {
            let ended = fail(bed, words, &point, action);
            assert!(ended.said.code > 0, "{action} at {point}: {:?}", ended.said);
            assert!(
                action != "error" || ended.said.err.contains(&point),
                "{point}: {:?}",
                ended.said
            );
            assert_eq!(bed.traces(), NOTHING, "{action} at {point}");
        }
    }
}

/// The steps that are over before `create` is.
fn steps_of_create() -> impl Iterator<Item = String> {
    failpoint::init_steps().take_while(|step| step != "init/report and wait")
}

/// The points around hooks are passed where there are some.
fn hooks() -> serde_json::Value {
    json!({"createRuntime": [{"path": "/bin/true"}]})
}

/// Gives the container a user namespace of its own beside a joined namespace, which takes a process in between.
fn with_a_process_in_between(bed: &mut Bed) {
    let namespaces = json!([
        {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}, {"type": "user"},
        {"type": "network", "path": "/proc/self/ns/net"},
    ]);
    bed.config["linux"]["namespaces"] = namespaces;
    let map = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
    bed.config["linux"]["uidMappings"] = map.clone();
    bed.config["linux"]["gidMappings"] = map;
}

#[test]
fn create_is_killed_or_fails_at_each_of_its_points() {
    let Some(mut bed) = bed() else { return };
    bed.config["hooks"] = hooks();
    bed.args(&["sleep", "60"]).write();
    parent_fails(&bed, &["create", &bed.id], failpoint::CREATE);
}

#[test]
fn the_child_of_create_dies_or_fails_at_each_of_its_steps() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).write();
    child_fails(&bed, &["create", &bed.id], steps_of_create());
}

#[test]
fn create_with_a_process_in_between_leaves_nothing_either() {
    let Some(mut bed) = bed() else { return };
    with_a_process_in_between(&mut bed);
    bed.config["hooks"] = hooks();
    bed.args(&["sleep", "60"]).write();
    let said = bed.verb(&["run", "--detach"]);
    if said.code != 0 {
        println!("skipped: no user namespaces here: {}", said.err);
        return;
    }
    delete(&bed, "a good run");
    let words = ["create", &bed.id];
    parent_fails(&bed, &words, failpoint::CREATE);
    child_fails(&bed, &words, steps_of_create());
    for point in failpoint::MIDDLE {
        for action in ["kill", "error", "panic"] {
            let ended = fail(&bed, &words, point, action);
            assert!(ended.said.code > 0, "{action} at {point}: {:?}", ended.said);
            assert_eq!(bed.traces(), NOTHING, "{action} at {point}");
        }
    }
}

#[test]
fn run_is_killed_or_fails_at_each_of_its_points() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["true"]).write();
    let words = ["run", &bed.id];
    parent_fails(&bed, &words, failpoint::RUN);
    child_fails(&bed, &words, failpoint::init_steps());
}

#[test]
fn the_program_runs_on_when_the_foreground_is_killed() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).write();
    let ended = fail(&bed, &["run", &bed.id], "run/started", "kill");
    assert!(ended.killed, "{:?}", ended.said);
    assert_eq!(bed.state("status"), "running");
    delete(&bed, "run");
}

#[test]
fn start_is_killed_at_each_of_its_points_and_the_container_is_created_or_running() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]);
    for point in failpoint::START {
        bed.create();
        let ended = fail(&bed, &["start", &bed.id], point, "kill");
        assert!(ended.killed, "{point} is not passed: {:?}", ended.said);
        let again = bed.verb(&["start"]);
        assert!(
            again.code == 0 || again.err.contains("cannot start an already running container"),
            "{point}: {again:?}"
        );
        eventually("the program", || bed.verb(&["ps"]).out.contains("sleep"));
        assert_eq!(bed.state("status"), "running", "{point}");
        delete(&bed, point);
    }
}

#[test]
fn exec_is_killed_or_fails_at_each_of_its_points_and_only_the_container_goes_on() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]).start();
    let alone = |when: &str| {
        eventually(when, || {
            let pids: Vec<i64> = serde_json::from_str(&bed.verb(&["ps", "--format", "json"]).out).expect("JSON");
            pids.len() == 1
        });
    };
    let words = ["exec", &bed.id, "sleep", "61"];
    for point in failpoint::EXEC {
        for action in ["kill", "error", "panic"] {
            let ended = fail(&bed, &words, point, action);
            assert!(
                ended.killed == (action == "kill"),
                "{action} at {point}: {:?}",
                ended.said
            );
            assert_ne!(ended.said.code, 0, "{action} at {point}");
            alone(point);
        }
    }
    let mut started = false;
    for point in failpoint::further_steps() {
        started |= point == "further/report and wait";
        for action in ["kill", "error", "panic"] {
            let ended = fail(&bed, &words, &point, action);
            // A process that dies after its last report has been started, and this is how it ended.
            let code = if action == "kill" && started { 137 } else { 255 };
            assert_eq!(ended.said.code, code, "{action} at {point}: {:?}", ended.said);
            alone(&point);
        }
    }
    assert_eq!(bed.state("status"), "running");
}

#[test]
fn delete_is_killed_at_each_of_its_points_and_the_next_one_finishes() {
    let Some(mut bed) = bed() else { return };
    bed.args(&["sleep", "60"]);
    for point in failpoint::DELETE {
        for action in ["kill", "error"] {
            bed.create();
            let ended = fail(&bed, &["delete", "--force", &bed.id], point, action);
            assert_ne!(ended.said.code, 0, "{point} is not passed");
            delete(&bed, point);
        }
    }
}

#[test]
fn a_directory_without_a_record_is_taken_by_any_delete() {
    let Some(bed) = bed() else { return };
    let directory = bed.path().join("state").join(&bed.id);
    for (flags, code) in [(&["delete"][..], 1), (&["delete", "--force"][..], 0)] {
        std::fs::create_dir_all(&directory).expect("mkdir");
        std::fs::write(directory.join("config.json"), "{").expect("write");
        let said = bed.verb(flags);
        assert_eq!(said.code, code, "{said:?}");
        assert!(code == 0 || said.err.contains("container does not exist"), "{said:?}");
        assert!(!directory.exists());
    }
}
