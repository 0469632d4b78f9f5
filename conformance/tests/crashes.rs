//! `kill -9` of the daemon at random moments of pull, rmi, commit and load, with the real registry.
//!
//! After each restart every image listed is complete and verified, nothing orphaned stays on disk, and `system df` tells
//! what is there. `TIERCE_KILLS` (8 for each test) says how often, `TIERCE_CRASH_SEED` when.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tierce_oci::{Digest, ImageId};
use tierce_testkit::data_root::{Claims, disagreements};
use tierce_testkit::power::Random;
use tierce_testkit::{Daemon, Entry, ImageBuilder, Run as _};

/// An image of some layers that take a while.
fn image(seed: u64) -> ImageBuilder {
    let mut random = Random::new(seed);
    let mut image = ImageBuilder::busybox();
    for layer in ["a", "b", "c"] {
        // Numbers do not compress, so that blobs are as long as their layers.
        let content: Vec<u8> = (0..150_000).flat_map(|_| random.number().to_le_bytes()).collect();
        let name: &'static str = format!("data/{layer}").leak();
        let small: &'static str = format!("etc/{layer}").leak();
        image = image.layer(&[
            Entry::File(name, content, 0o644),
            Entry::File(small, layer.into(), 0o600),
        ]);
    }
    image
}

fn get(daemon: &Daemon, path: &str) -> Value {
    let (status, body) = daemon.request("GET", path, None);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// What is wrong with the daemon's images.
fn problems(daemon: &Daemon) -> Vec<String> {
    let mut problems = Vec::new();
    let mut claims = Claims {
        layers_size: get(daemon, "/system/df")["LayersSize"].as_u64().unwrap(),
        ..Claims::default()
    };
    for container in get(daemon, "/containers/json?all=1").as_array().unwrap() {
        claims.containers.push(container["Id"].as_str().unwrap().to_owned());
    }
    for summary in get(daemon, "/images/json?all=1").as_array().unwrap() {
        let id = summary["Id"].as_str().unwrap();
        if summary["RepoTags"].as_array().is_none_or(Vec::is_empty) {
            problems.push(format!("{id} has no name"));
        }
        let details = get(daemon, &format!("/images/{id}/json"));
        let diff_ids = details["RootFS"]["Layers"].as_array().unwrap();
        let diff_ids = diff_ids
            .iter()
            .map(|id| id.as_str().unwrap().parse().unwrap())
            .collect();
        claims.images.push((ImageId(id.parse().unwrap()), diff_ids));
        problems.extend(spoilt(daemon, id));
    }
    problems.extend(disagreements(&daemon.data_root(), &claims));
    problems
}

/// Blobs of an image, as `save` gives them, that are not what their names say.
fn spoilt(daemon: &Daemon, id: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("image.tar");
    let saved = daemon.docker(&["save", "--output", archive.to_str().unwrap(), id]);
    if saved.code != 0 {
        return vec![format!("{id} cannot be saved: {}", saved.stderr)];
    }
    let mut unpack = Command::new("tar");
    unpack
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(directory.path())
        .run()
        .ok();
    let blobs = std::fs::read_dir(directory.path().join("blobs/sha256")).unwrap();
    let mut spoilt = Vec::new();
    for blob in blobs {
        let path = blob.unwrap().path();
        let digest = Digest::sha256_of(&std::fs::read(&path).unwrap());
        if path.file_name().unwrap().to_str() != Some(digest.hex()) {
            spoilt.push(format!("{id}: {} is {digest}", path.display()));
        }
    }
    spoilt
}

/// Kills the daemon at random moments of `act`, whose effect `undo` takes away where it is there. In between, `act` runs
/// to its end.
fn kill_in(daemon: &mut Daemon, act: &[&str], undo: &[&str], done: &dyn Fn(&Daemon) -> bool) {
    let kills = std::env::var("TIERCE_KILLS").map_or(8, |text| text.parse().unwrap());
    let seed = std::env::var("TIERCE_CRASH_SEED").map_or(20_131_120, |text| text.parse().unwrap());
    let mut random = Random::new(seed);
    let start = Instant::now();
    daemon.docker(act).ok();
    // Twice as long as it takes on this machine now, so that some kills come after the end.
    let length = start.elapsed().as_micros() as u64;
    for kill in 0..kills {
        if done(daemon) {
            daemon.docker(undo).ok();
        }
        let mut client = daemon.docker_command();
        client
            .args(act)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut client = client.spawn().unwrap();
        let moment = random.below(length);
        std::thread::sleep(Duration::from_micros(moment));
        daemon.crash();
        let told = client.wait().unwrap().success();
        daemon.launch();
        let mut problems = problems(daemon);
        if told && !done(daemon) {
            problems.push("it was told to be done and is not".to_owned());
        }
        assert!(
            problems.is_empty(),
            "kill {kill} of seed {seed}, {moment} of {length} µs after the begin of {act:?}:\n{}",
            problems.join("\n")
        );
    }
    if done(daemon) {
        daemon.docker(undo).ok();
    }
    daemon.docker(act).ok();
    assert_eq!(problems(daemon), Vec::<String>::new());
}

fn has(daemon: &Daemon, name: &str) -> bool {
    daemon.request("GET", &format!("/images/{name}/json"), None).0 == 200
}

#[test]
fn kill_9_in_a_pull_leaves_all_or_nothing() {
    let mut daemon = Daemon::start();
    let name = daemon.registry().push(&image(1), "pulled");
    kill_in(&mut daemon, &["pull", "--quiet", &name], &["rmi", &name], &|daemon| {
        has(daemon, &name)
    });
}

#[test]
fn kill_9_in_a_removal_ends_it_or_not() {
    let mut daemon = Daemon::start();
    let name = daemon.add_image(&image(2), "removed");
    let base = daemon.add_image(&ImageBuilder::busybox(), "base");
    kill_in(&mut daemon, &["rmi", &name], &["pull", "--quiet", &name], &|daemon| {
        !has(daemon, &name)
    });
    assert!(has(&daemon, &base));
}

#[test]
fn kill_9_in_a_load_leaves_all_or_nothing() {
    let mut daemon = Daemon::start();
    let name = daemon.add_image(&image(3), "loaded");
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("image.tar").to_str().unwrap().to_owned();
    daemon.docker(&["save", "--output", &archive, &name]).ok();
    daemon.docker(&["rmi", &name]).ok();
    kill_in(
        &mut daemon,
        &["load", "--quiet", "--input", &archive],
        &["rmi", &name],
        &|daemon| has(daemon, &name),
    );
}

#[test]
fn kill_9_in_a_commit_leaves_all_or_nothing() {
    let (mut daemon, base) = Daemon::with_busybox();
    let change = "mkdir /data; dd if=/dev/urandom of=/data/a bs=64k count=20; ln -s a /data/b; rm /etc/passwd";
    daemon.docker(&["run", "--name", "c1", &base, "sh", "-c", change]).ok();
    kill_in(&mut daemon, &["commit", "c1", "made"], &["rmi", "made"], &|daemon| {
        has(daemon, "made")
    });
}
