//! Containers of an ordinary user: made, entered and taken away without any privilege.

mod bed;

use bed::{Bed, Said, bed};
use serde_json::{Value, json};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const USER: u32 = 4711;

/// A bed whose files belong to an ordinary user, with the document that `spec --rootless` writes.
fn ordinary() -> Option<Bed> {
    let mut bed = bed()?;
    // The user may not reach the program where it was built.
    bed::copy_program(bed::program().as_ref(), &bed.path().join("runtime"));
    let bundle = bed.path().join("bundle");
    std::fs::remove_file(bundle.join("config.json")).expect("remove");
    let own = Command::new("chown")
        .args(["-R", &format!("{USER}:{USER}")])
        .arg(bed.path())
        .status();
    assert!(own.expect("chown").success());
    let said = call(&bed, &["spec", "--rootless"]);
    assert_eq!(said.code, 0, "{said:?}");
    let text = std::fs::read(bundle.join("config.json")).expect("config.json");
    bed.config = serde_json::from_slice::<Value>(&text).expect("JSON");
    bed.config["process"]["terminal"] = json!(false);
    bed.config["process"]["rlimits"] = json!([]);
    let said = run(&mut bed, "true");
    if said.code != 0 && said.err.contains("clone the container process") {
        println!("skipped: no user namespaces for ordinary users: {}", said.err);
        return None;
    }
    Some(bed)
}

fn command(bed: &Bed, words: &[&str]) -> Command {
    let mut command = bed.command_of(bed.path().join("runtime"));
    command.args(words).uid(USER).gid(USER);
    command.env_remove("XDG_RUNTIME_DIR");
    command
}

fn call(bed: &Bed, words: &[&str]) -> Said {
    command(bed, words).output().expect("execute").into()
}

fn run(bed: &mut Bed, script: &str) -> Said {
    bed.script(script).write();
    let id = bed.id.clone();
    call(bed, &["run", &id])
}

#[test]
fn row_118_an_ordinary_user_is_root_inside_and_nobody_else() {
    let Some(mut bed) = ordinary() else { return };
    let said = run(
        &mut bed,
        "id -u; id -g; cat /proc/self/uid_map /proc/self/setgroups; echo x > /dev/null && stat -c %t:%T /dev/null; touch /made 2>&1",
    );
    let lines: Vec<_> = said
        .out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "0",
            "0",
            &format!("0 {USER} 1"),
            "deny",
            "1:3",
            "touch: /made: Read-only file system"
        ],
        "{said:?}"
    );
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_118_all_verbs_work_for_an_ordinary_user() {
    let Some(mut bed) = ordinary() else { return };
    let id = bed.id.clone();
    bed.args(&["sleep", "60"]).write();
    let created = command(&bed, &["create", &id])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(created.expect("create").success());
    assert_eq!(call(&bed, &["start", &id]).code, 0);
    let state: Value = serde_json::from_str(&call(&bed, &["state", &id]).out).expect("a state");
    assert_eq!(state["status"], "running");
    let said = call(&bed, &["exec", &id, "sh", "-c", "id -u; echo $$; readlink /proc/1/exe"]);
    let lines: Vec<_> = said.out.lines().collect();
    assert!(said.code == 0 && lines[0] == "0" && lines[1] != "1", "{said:?}");
    assert!(lines[2].ends_with("busybox"), "{said:?}");
    assert_eq!(call(&bed, &["delete", "--force", &id]).code, 0);
    assert_eq!(bed.traces(), Vec::<String>::new());
}

#[test]
fn row_118_a_joined_user_namespace_of_ones_own() {
    let (Some(mut first), Some(mut second)) = (ordinary(), ordinary()) else {
        return;
    };
    let id = first.id.clone();
    first.args(&["sleep", "60"]).write();
    let run = command(&first, &["run", "--detach", &id])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(run.expect("run").success());
    let state: Value = serde_json::from_str(&call(&first, &["state", &id]).out).expect("a state");
    let path = format!("/proc/{}/ns/user", state["pid"]);
    let linux = second.config["linux"].as_object_mut().expect("an object");
    linux.remove("uidMappings");
    linux.remove("gidMappings");
    for namespace in linux["namespaces"].as_array_mut().expect("a list") {
        if namespace["type"] == "user" {
            namespace["path"] = json!(path);
        }
    }
    let said = self::run(&mut second, "readlink /proc/self/ns/user; id -u");
    let joined = std::fs::read_link(&path).expect("a link");
    assert_eq!(said.out, format!("{}\n0\n", joined.display()), "{said:?}");
    assert_eq!(call(&first, &["delete", "--force", &id]).code, 0);
}

#[test]
fn row_118_what_only_root_can_have_is_refused_by_name() {
    let Some(mut bed) = ordinary() else { return };
    let good = bed.config.clone();
    bed.config["linux"]["namespaces"]
        .as_array_mut()
        .expect("a list")
        .retain(|namespace| namespace["type"] != "user");
    bed.config["linux"]["uidMappings"] = json!([]);
    bed.config["linux"]["gidMappings"] = json!([]);
    let said = run(&mut bed, "true");
    assert!(
        said.code == 1 && said.err.contains("rootless container requires user namespaces"),
        "{said:?}"
    );
    bed.config = good.clone();
    bed.config["mounts"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"destination": "/m", "type": "tmpfs", "source": "tmpfs", "options": ["gid=5"]}));
    let said = run(&mut bed, "true");
    assert!(
        said.code == 1
            && said
                .err
                .contains("cannot specify gid=5 mount option for rootless container"),
        "{said:?}"
    );
    bed.config = good;
    bed.config["linux"]["uidMappings"][0]["size"] = json!(2);
    let said = run(&mut bed, "true");
    assert!(said.code == 1 && said.err.contains("newuidmap"), "{said:?}");
    assert_eq!(bed.traces(), Vec::<String>::new());
}
