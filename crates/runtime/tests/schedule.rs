//! Priorities, CPUs and execution domain of a container's processes.

mod bed;

use bed::{Bed, Said, bed};
use serde_json::json;
use std::process::Command;

/// Field 41 of `stat(5)`: the scheduling policy; field 19: the nice value.
const POLICY: &str = "cut -d' ' -f 19,41 /proc/self/stat";

fn busybox(script: &str) -> String {
    script.replace("cut ", "busybox cut ").replace("uname", "busybox uname")
}

#[test]
fn the_first_process_has_the_documents_priorities_and_further_ones_inherit_them() {
    let Some(mut bed) = bed() else { return };
    bed.config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 7});
    bed.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
    bed.config["linux"]["personality"] = json!({"domain": "LINUX32"});
    let script = busybox(&format!("{POLICY}; busybox ionice -p $$; uname -m"));
    let expected = "7 3\nbest-effort: prio 6\ni686\n";
    let said = bed.script(&script).run();
    if cfg!(target_arch = "x86_64") {
        assert_eq!(said.out, expected, "{said:?}");
    }
    bed.args(&["sleep", "60"]).start();
    let further = bed.exec(&["sh", "-c", &script]);
    assert_eq!(further.out, said.out, "{further:?}");
}

#[test]
fn wrong_priorities_are_refused_by_name_before_anything_is_made() {
    let Some(mut bed) = bed() else { return };
    for (member, value, words) in [
        (
            "scheduler",
            json!({"policy": "SCHED_BATCH", "nice": 20}),
            "scheduler.nice",
        ),
        (
            "scheduler",
            json!({"policy": "SCHED_OTHER", "priority": 1}),
            "scheduler.priority",
        ),
        (
            "ioPriority",
            json!({"class": "IOPRIO_CLASS_NO", "priority": 1}),
            "ioPriority.Class",
        ),
        (
            "ioPriority",
            json!({"class": "IOPRIO_CLASS_BE", "priority": 8}),
            "ioPriority.Priority",
        ),
        ("execCPUAffinity", json!({"final": "1-0"}), "CPUAffinity.Final"),
    ] {
        let process = bed.config["process"].clone();
        bed.config["process"][member] = value;
        let said = bed.args(&["true"]).run();
        assert!(said.code == 1 && said.err.contains(words), "{words}: {said:?}");
        bed.config["process"] = process;
    }
    assert_eq!(bed.traces(), Vec::<String>::new());
}

/// The CPUs that this test may use, as the kernel lists them.
fn own_cpus() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"));
    line.expect("a list").to_owned()
}

/// A verb of the runtime, called on one CPU only.
fn confined(bed: &Bed, words: &[&str]) -> Said {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(bed::program());
    command.arg("--root").arg(bed.path().join("state"));
    command.args(words).current_dir(bed.path().join("bundle"));
    command.output().expect("taskset").into()
}

#[test]
fn the_cpus_of_the_caller_do_not_bind_the_container_and_those_of_the_document_do() {
    let Some(mut bed) = bed() else { return };
    let all = own_cpus();
    if !all.starts_with("0-") {
        println!("skipped: needs two CPUs from 0 on, has {all}");
        return;
    }
    let list = "grep Cpus_allowed_list /proc/self/status";
    let shown = |cpus: &str| format!("Cpus_allowed_list:\t{cpus}\n");
    bed.script(list).write();
    let id = bed.id.clone();
    let said = confined(&bed, &["run", &id]);
    assert_eq!(said.out, shown(&all), "{said:?}");
    bed.args(&["sleep", "60"]).start();
    let said = confined(&bed, &["exec", &id, "sh", "-c", list]);
    assert_eq!(said.out, shown(&all), "{said:?}");
    assert_eq!(bed.verb(&["delete", "--force"]).code, 0);
    bed.config["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "1"});
    bed.start();
    let said = bed.exec(&["sh", "-c", list]);
    assert_eq!(said.out, shown("1"), "{said:?}");
}
