//! Our answers about images beside those that dockerd 28.5 gave for the same image, and data roots of old Dockers.
//!
//! `recorded/image.tar.gz` is what `docker save` made of a small image; `recorded/dockerd-28.5.json` has the answers of
//! dockerd after a `docker load` of it, by request. Values that differ from run to run were taken out when they were
//! recorded: of a storage driver's data only the names are there, and an absent list of digests is an empty one.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tierce_testkit::{Daemon, Run as _};

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded").join(name)
}

/// Leaves out what the recorded answers do not have either.
fn steady(answer: Value) -> Value {
    match answer {
        Value::Array(items) => items.into_iter().map(steady).collect(),
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                let value = match (name.as_str(), value) {
                    ("Data", Value::Object(data)) => data.keys().cloned().collect(),
                    ("RepoDigests", Value::Null) => Value::Array(Vec::new()),
                    (_, value) => steady(value),
                };
                (name, value)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        other => other,
    }
}

fn loaded() -> Daemon {
    let daemon = Daemon::start();
    let archive = recorded("image.tar.gz");
    let output = daemon.tierce(&["load", "-i", archive.to_str().unwrap()]).ok();
    assert_eq!(
        output.trim(),
        "Loaded image: recorded:1\nLoaded image: recorded.example/team/app:2"
    );
    daemon
}

#[test]
fn row_020_row_021_row_093_answers_about_an_image_are_dockerds() {
    let daemon = loaded();
    let text = fs::read_to_string(recorded("dockerd-28.5.json")).unwrap();
    let answers: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert!(answers.len() > 10);
    for (request, expected) in answers {
        let (status, body) = daemon.request("GET", &request, None);
        assert_eq!(status, 200, "{request}: {body}");
        let answer = steady(serde_json::from_str(&body).unwrap());
        assert_eq!(answer, expected, "{request}");
    }
}

/// Go's client shows the repositories of an image in any order.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn row_021_row_093_both_command_lines_show_the_same_of_an_image() {
    let daemon = loaded();
    for words in [
        &["images", "--format", "json"][..],
        &["images", "--digests"],
        &["images", "--no-trunc", "-q"],
        &[
            "images",
            "--filter",
            "reference=recorded.example/*/*",
            "--format",
            "{{.Repository}} {{.Tag}}",
        ],
        &["images", "--filter", "dangling=true"],
        &["history", "recorded:1"],
        &["history", "--no-trunc", "--format", "json", "recorded:1"],
        &["history", "-H=false", "recorded:1"],
        &["image", "inspect", "recorded:1"],
        &[
            "image",
            "inspect",
            "--format",
            "{{json .Config.Env}} {{.Os}}",
            "recorded:1",
        ],
        &["system", "df"],
        &["system", "df", "-v"],
        &["system", "df", "--format", "json"],
        &["system", "df", "-v", "--format", "json"],
        &["network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"],
        &["volume", "ls"],
    ] {
        let (mut ours, mut theirs) = (daemon.tierce_command(), daemon.docker_command());
        // The stock client of the host may be older, and then asks for less.
        let shown = |command: &mut Command| command.env("DOCKER_API_VERSION", "1.43").args(words).run().ok();
        assert_eq!(sorted(&shown(&mut ours)), sorted(&shown(&mut theirs)), "{words:?}");
    }
}

#[test]
fn row_024_row_093_both_command_lines_refuse_alike() {
    let daemon = loaded();
    daemon.tierce(&["create", "--name", "user", "recorded:1"]).ok();
    daemon.tierce(&["volume", "create", "held"]).ok();
    daemon
        .tierce(&["create", "--name", "holder", "-v", "held:/v", "recorded:1"])
        .ok();
    let id = daemon.inspect("recorded:1", "{{.Id}}");
    for words in [
        &["rmi", "nope"][..],
        &["rmi", &id],
        &["image", "rm", "A"],
        &["image", "inspect", "nope"],
        &["image", "inspect", "--format", "{{.Nope}}", "recorded:1"],
        &["image", "inspect", "--format", "{{.Nope", "recorded:1"],
        &["history", "nope"],
        &["images", "--filter", "nope=1"],
        &["images", "--filter", "dangling=maybe"],
        &["images", "--filter", "since=nope"],
        &["images", "--filter", "until=maybe"],
        &["image", "prune", "-f", "--filter", "nope=1"],
        &["system", "prune", "-f", "--volumes", "--filter", "until=1h"],
        &["tag", "recorded:1", "X"],
        &["tag", "recorded:1", "sha256:x"],
        &["tag", "nope", "x"],
        &["save", "nope", "-o", "x"],
        &["save", "recorded:1", "-o", "/nope/x"],
        &["save", "recorded:1", "-o", "/dev/null"],
        &["load", "-i", "/nope"],
        &["import", "/nope"],
        &["pull", "A"],
        &["pull", "-a", "x:1"],
        &["volume", "rm", "held"],
        &["volume", "rm", "nope"],
        &["volume", "inspect", "nope"],
        &["network", "inspect", "nope"],
        &["search", "--filter", "nope=1", "x"],
        &["search", "--limit", "1000", "x"],
        &["diff", "nope"],
    ] {
        let (ours, theirs) = (daemon.tierce(words), daemon.docker(words));
        assert_eq!(
            (ours.code, ours.stdout, ours.stderr),
            (theirs.code, theirs.stdout, theirs.stderr),
            "{words:?}"
        );
    }
}

#[test]
fn row_093_prunes_are_told_and_asked_for_as_docker_does() {
    let daemon = loaded();
    daemon.tierce(&["create", "--name", "user", "recorded:1"]).ok();
    // Of an image that is used all names but the last are taken.
    let taken = daemon.tierce(&["image", "prune", "-af"]).ok();
    assert!(
        taken.contains("untagged: recorded:1\n") && !taken.contains("deleted: "),
        "{taken}"
    );
    daemon
        .tierce(&["tag", "recorded.example/team/app:2", "recorded:1"])
        .ok();
    let id = daemon.inspect("user", "{{.Id}}");
    let asked = daemon.tierce(&["container", "prune"]);
    assert_eq!(
        (asked.code, asked.stdout.as_str()),
        (
            0,
            "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "
        )
    );
    let output = daemon.tierce(&["system", "prune", "-af", "--volumes"]).ok();
    assert!(
        output.starts_with(&format!("Deleted Containers:\n{id}\n\nDeleted Volumes:\n")),
        "{output}"
    );
    for line in [
        "untagged: recorded:1",
        "untagged: recorded.example/team/app:2",
        "deleted: sha256:",
    ] {
        assert!(output.contains(line), "{output}");
    }
    assert!(output.ends_with("Total reclaimed space: 6B"), "{output}");
    assert_eq!(daemon.tierce(&["images", "-aq"]).ok(), "");
}

#[test]
fn row_026_row_068_data_of_old_dockers_is_told_of_and_stays() {
    let mut daemon = Daemon::start();
    daemon.stop();
    let files = [
        ("images/8dbd9e392a964c/json", "2013: an image"),
        ("images/8dbd9e392a964c/layer.tar", "2013: its layer"),
        ("graph/0123456789ab/json", "until 1.9: an image"),
        ("graph/0123456789ab/layersize", "6"),
        ("repositories-aufs", "{}"),
        ("aufs/diff/0123456789ab/file", "an aufs branch"),
        ("devicemapper/metadata/base", "a thin device"),
        ("containers/4f5a/rootfs/file", "2013: where it was mounted"),
        ("containers/4f5a/rw/file", "2013: what it wrote"),
        ("containers/4f5a/config.json", "2013: a container"),
    ];
    for (path, content) in files {
        let path = daemon.data_root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    daemon.launch();
    // It answers when it has looked at everything.
    daemon.tierce(&["version"]).ok();
    let log = daemon.log();
    for found in ["images/", "graph/", "aufs/", "devicemapper/", "containers/4f5a/rw"] {
        assert!(log.contains(found), "{found}: {log}");
    }
    assert!(log.contains("old-layouts.md"), "{log}");
    daemon.tierce(&["system", "prune", "-af", "--volumes"]).ok();
    daemon.restart();
    for (path, content) in files {
        assert_eq!(
            fs::read_to_string(daemon.data_root().join(path)).unwrap(),
            content,
            "{path}"
        );
    }
}
