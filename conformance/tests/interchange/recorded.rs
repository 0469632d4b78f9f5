//! A data root that Docker Engine 28.5 has left behind, at another place of the disk, without dockerd.

use crate::{deeds::Client, facts};
use std::path::Path;
use std::process::Command;
use tierce_testkit::{Run as _, daemon_on, wait_until};

/// Where `fixtures/record` has put it; `fixtures/README.md` says how.
const TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/docker-28.5-data-root.tar.gz");

fn unpack(place: &Path) {
    Command::new("tar")
        .args([
            "--extract",
            "--gzip",
            "--numeric-owner",
            "--preserve-permissions",
            "--xattrs",
            "--xattrs-include=*",
        ])
        .args(["--file", TREE, "--directory"])
        .arg(place)
        .run()
        .ok();
}

#[test]
fn row_001_row_074_row_161_a_recorded_data_root_of_dockerd_is_served() {
    let directory = tempfile::tempdir().unwrap();
    unpack(directory.path());
    let root = directory.path().join("data");
    let builder = std::fs::read(root.join("buildkit/cache.db")).unwrap();
    let mut daemon = daemon_on(&root);
    daemon.launch();
    let docker = Client(Box::new(|words| daemon.docker(words)));
    let mut tags = docker.lines(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    tags.sort();
    assert_eq!(tags, ["127.0.0.1:5000/tiny:latest", "made:1", "other:name"]);
    let mut states = docker.lines(&["ps", "--all", "--format", "{{.Names}} {{.State}}"]);
    states.sort();
    assert_eq!(
        states,
        ["created created", "ended exited", "local exited", "on-network exited"]
    );
    assert_eq!(docker.ok(&["logs", "ended"]), "hello");
    assert_eq!(docker.lines(&["diff", "ended"]), ["A /data", "A /written"]);
    assert_eq!(
        docker.ok(&["volume", "inspect", "--format", "{{.Labels.of}}", "named"]),
        "<dockerd>"
    );
    let subnet = "{{(index .IPAM.Config 0).Subnet}} {{.Labels.n}}";
    assert_eq!(
        docker.ok(&["network", "inspect", "--format", subnet, "unet"]),
        "172.30.0.0/24 1"
    );
    // They run, with what they wrote, and what they say is logged behind what was said.
    assert_eq!(docker.ok(&["start", "--attach", "ended"]), "hello");
    assert_eq!(docker.lines(&["logs", "ended"]), ["hello", "hello"]);
    assert_eq!(docker.ok(&["start", "--attach", "created"]), "of the volume");
    assert_eq!(docker.ok(&["start", "--attach", "on-network"]), "hello");
    assert_eq!(
        docker.ok(&["run", "--rm", "made:1", "/tool", "cat", "/written"]),
        "hello"
    );
    // A log in the format of the driver `local` is read as dockerd wrote it, and goes on behind that.
    let before = docker.lines(&["logs", "local"]);
    let said = docker.lines(&["start", "--attach", "local"]);
    assert!(!before.is_empty() && !said.is_empty());
    assert_eq!(docker.lines(&["logs", "local"]), [before, said].concat());
    // Everything can be told of and taken away, and what is dockerd's alone stays as it was.
    let told = facts::of(&docker);
    assert!(told.len() > 20, "{told:?}");
    let all = docker.lines(&["ps", "--all", "--quiet"]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    docker.ok(&[&["rm", "--volumes"], all.as_slice()].concat());
    docker.ok(&["image", "prune", "--all", "--force"]);
    docker.ok(&["volume", "rm", "named"]);
    docker.ok(&["network", "rm", "unet"]);
    drop(docker);
    assert_eq!(std::fs::read(root.join("buildkit/cache.db")).unwrap(), builder);
    wait_until("no layer is left", std::time::Duration::from_secs(10), || {
        std::fs::read_dir(root.join("overlay2/l")).unwrap().next().is_none()
    });
}

#[test]
fn two_daemons_do_not_share_a_data_root() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("data");
    std::fs::create_dir_all(root.join("volumes")).unwrap();
    // As dockerd holds it.
    let database = std::fs::File::create(root.join("volumes/metadata.db")).unwrap();
    database.lock().unwrap();
    let output = Command::new(tierce_testkit::binary("tierced"))
        .arg("--data-root")
        .arg(&root)
        .arg("--exec-root")
        .arg(directory.path().join("exec"))
        .args(["--config-file", "/dev/null", "--host"])
        .arg(format!("unix://{}", directory.path().join("sock").display()))
        .run();
    let told = output.fails(1);
    assert!(
        told.contains("metadata.db") && told.contains("stop the dockerd"),
        "{told}"
    );
}
