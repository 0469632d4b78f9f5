//! The whole cycle of an image with our own hub and no other registry: pushed, searched, pulled, deleted, its space
//! freed; by Docker's own client, by ours, and by skopeo.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tierce_testkit::{Daemon, ImageBuilder, Run, binary, wait_until};

const HUB: &str = "127.0.0.1:5001";

/// A hub on a daemon's host; killed and removed with this value.
struct Hub {
    process: Child,
    root: tempfile::TempDir,
}

impl Hub {
    fn start(daemon: &Daemon, flags: &[&str], metadata: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("repositories.json"), metadata).unwrap();
        let mut command = daemon.host().command(binary("tierce-hub"));
        command.args(["--listen", HUB, "--root"]).arg(root.path()).args(flags);
        let process = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the hub answers", Duration::from_mins(1), || {
            daemon
                .host()
                .run(&["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5001"])
                .code
                == 0
        });
        Self { process, root }
    }

    /// Bytes of all blobs.
    fn stored(&self) -> u64 {
        fn below(directory: &Path) -> u64 {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries
                .map(|entry| match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => below(&entry.path()),
                    Ok(metadata) => metadata.len(),
                    Err(_) => 0,
                })
                .sum()
        }
        below(&self.root.path().join("blobs"))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have died already; either way it must be reaped.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Loads busybox from an archive, so that no registry is needed; returns its id.
fn load(daemon: &Daemon) -> String {
    let directory = tempfile::tempdir().unwrap();
    let layout = directory.path().join("layout");
    fs::create_dir(&layout).unwrap();
    ImageBuilder::busybox().write_layout(&layout);
    let archive = directory.path().join("image.tar");
    Run::run(
        Command::new("tar")
            .arg("-C")
            .arg(&layout)
            .arg("-cf")
            .arg(&archive)
            .arg("."),
    )
    .ok();
    let text = daemon.docker(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
    text.lines().last().unwrap().split_once(": ").unwrap().1.to_owned()
}

fn skopeo(daemon: &Daemon, words: &[&str]) -> tierce_testkit::Output {
    daemon
        .host()
        .command("skopeo")
        .arg("--insecure-policy")
        .args(words)
        .run()
}

#[test]
fn row_038_and_row_033_and_row_170_the_whole_cycle_works_offline_with_our_own_hub() {
    let daemon = Daemon::start();
    let metadata = r#"{"team/web": {"description": "Our web", "stars": 7}, "team/secret": {"private": true}}"#;
    let hub = Hub::start(&daemon, &[], metadata);
    let loaded = load(&daemon);
    let id = daemon.inspect(&loaded, "{{.Id}}");
    let (web, twin) = (format!("{HUB}/team/web:1"), format!("{HUB}/team/twin:1"));
    // Push, by both clients; the second repository gets its layers by mounts.
    daemon.docker(&["tag", &id, &web]).ok();
    daemon.docker(&["tag", &id, &twin]).ok();
    let text = daemon.docker(&["push", &web]).ok();
    assert!(
        text.contains(": Pushed") && text.contains("1: digest: sha256:"),
        "{text}"
    );
    let once = hub.stored();
    let text = daemon.tierce(&["push", &twin]).ok();
    assert!(text.contains(": Mounted from team/web"), "{text}");
    let text = daemon.docker(&["push", &web]).ok();
    assert!(text.contains(": Layer already exists"), "{text}");
    // What is private may be touched by users only, and there are none.
    daemon.docker(&["tag", &id, &format!("{HUB}/team/secret:1")]).ok();
    let text = daemon.docker(&["push", &format!("{HUB}/team/secret:1")]).fails(1);
    assert!(text.contains("denied"), "{text}");
    // Search, by both clients.
    for client in [Daemon::docker, Daemon::tierce] {
        let text = client(&daemon, &["search", &format!("{HUB}/team")]).ok();
        let line = text
            .lines()
            .find(|line| line.starts_with("team/web"))
            .unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("Our web") && line.contains('7'), "{text}");
        assert!(text.contains("team/twin") && !text.contains("team/secret"), "{text}");
    }
    // Pull, by both clients, and run.
    for (client, name) in [
        (Daemon::docker as fn(&Daemon, &[&str]) -> _, &web),
        (Daemon::tierce, &twin),
    ] {
        daemon.docker(&["rmi", "-f", &id]).ok();
        let output: tierce_testkit::Output = client(&daemon, &["pull", "-q", name]);
        output.ok();
        assert_eq!(daemon.inspect(name, "{{.Id}}"), id);
        assert_eq!(
            daemon
                .docker(&["run", "--rm", "--network", "none", name, "echo", "works"])
                .ok(),
            "works"
        );
    }
    // Another client sees the same, and deletes.
    let tags = skopeo(
        &daemon,
        &["list-tags", "--tls-verify=false", &format!("docker://{HUB}/team/web")],
    )
    .ok();
    assert!(tags.contains("\"1\""), "{tags}");
    let copy = format!("docker://{HUB}/copied/web:2");
    let flags = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(
        &daemon,
        &["copy", "-q", flags[0], flags[1], &format!("docker://{web}"), &copy],
    )
    .ok();
    let inspected = skopeo(&daemon, &["inspect", "--tls-verify=false", &copy]).ok();
    assert!(inspected.contains("\"Layers\""), "{inspected}");
    assert_eq!(hub.stored(), once, "three repositories have the same layers");
    for name in [&format!("docker://{web}"), &format!("docker://{twin}"), &copy] {
        assert_eq!(hub.stored(), once);
        skopeo(&daemon, &["delete", "--tls-verify=false", name]).ok();
    }
    assert_eq!(
        hub.stored(),
        0,
        "the last manifest took its layers with it, while the hub runs"
    );
    let text = daemon.docker(&["pull", &web]).fails(1);
    assert!(
        text.contains("not found") || text.contains("manifest unknown"),
        "{text}"
    );
}

#[test]
fn row_032_docker_logs_in_at_our_own_hub() {
    let daemon = Daemon::start();
    let directory = tempfile::tempdir().unwrap();
    // `ann` with the password `secret`, in the form of htpasswd -B.
    let users = directory.path().join("users");
    fs::write(
        &users,
        "ann:$2y$05$mZCU4HkWbtt4Ug8gJRyG9u0aLOwwwh4rHueQaqoINT49rVVhxS5uy\n",
    )
    .unwrap();
    let flags = ["--anonymous-pull", "--htpasswd", users.to_str().unwrap()];
    let metadata = r#"{"team/secret": {"private": true}}"#;
    let _hub = Hub::start(&daemon, &flags, metadata);
    let id = load(&daemon);
    let docker = |words: &[&str]| {
        let mut command = daemon.docker_command();
        command.env("DOCKER_CONFIG", directory.path()).args(words).run()
    };
    let names = [format!("{HUB}/team/web:1"), format!("{HUB}/team/secret:1")];
    for name in &names {
        docker(&["tag", &id, name]).ok();
        let text = docker(&["push", name]).fails(1);
        assert!(
            text.contains("denied: requested access to the resource is denied"),
            "{text}"
        );
    }
    let text = docker(&["login", "-u", "ann", "-p", "wrong", HUB]).fails(1);
    assert!(
        text.contains("unauthorized") || text.contains("incorrect username"),
        "{text}"
    );
    docker(&["login", "-u", "ann", "-p", "secret", HUB]).ok();
    for name in &names {
        docker(&["push", name]).ok();
    }
    docker(&["pull", "-q", &names[1]]).ok();
    docker(&["logout", HUB]).ok();
    docker(&["pull", "-q", &names[0]]).ok();
    let text = docker(&["pull", "-q", &names[1]]).fails(1);
    assert!(
        text.contains("pull access denied for 127.0.0.1:5001/team/secret"),
        "{text}"
    );
}
