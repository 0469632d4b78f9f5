//! Images that move: push, save and load, export and import, commit, login, search; seen through Docker's own client and
//! ours.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use tierce_testkit::{Daemon, Run};

/// The image of a name, by its id.
fn id_of(daemon: &Daemon, image: &str) -> String {
    daemon.inspect(image, "{{.Id}}")
}

#[test]
fn row_035_docker_pushes_and_what_is_pulled_is_the_same() {
    let (daemon, image) = Daemon::with_busybox();
    let id = id_of(&daemon, &image);
    daemon.docker(&["tag", &image, "127.0.0.1:5000/made/one:a"]).ok();
    daemon.docker(&["tag", &image, "127.0.0.1:5000/made/one:b"]).ok();
    let text = daemon.docker(&["push", "127.0.0.1:5000/made/one:a"]).ok();
    assert!(
        text.starts_with("The push refers to repository [127.0.0.1:5000/made/one]"),
        "{text}"
    );
    assert!(
        text.contains(": Preparing") && text.contains(": Mounted from busybox"),
        "{text}"
    );
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("a: digest: sha256:") && last.contains(" size: "),
        "{last}"
    );
    let digest = last.split(' ').nth(2).unwrap();
    let digests = daemon.inspect("127.0.0.1:5000/made/one:a", "{{json .RepoDigests}}");
    assert!(
        digests.contains(&format!("127.0.0.1:5000/made/one@{digest}")),
        "{digests}"
    );
    let all = daemon.tierce(&["push", "--all-tags", "127.0.0.1:5000/made/one"]).ok();
    assert!(
        all.contains(": Layer already exists") && all.contains("b: digest: "),
        "{all}"
    );
    daemon.docker(&["rmi", "-f", &id]).ok();
    daemon
        .docker(&["pull", "-q", &format!("127.0.0.1:5000/made/one@{digest}")])
        .ok();
    assert_eq!(id_of(&daemon, &format!("127.0.0.1:5000/made/one@{digest}")), id);
    let text = daemon.docker(&["push", "127.0.0.1:5000/made/one:c"]).fails(1);
    assert!(text.contains("tag does not exist: 127.0.0.1:5000/made/one:c"), "{text}");
    let text = daemon.tierce(&["push", "absent:one"]).fails(1);
    assert!(
        text.contains("An image does not exist locally with the tag: absent"),
        "{text}"
    );
}

/// Moby's Go client gives the caller the answer when its head has come; many close it then.
#[test]
fn row_036_a_quiet_load_answers_when_the_images_are_there() {
    let (daemon, image) = Daemon::with_busybox();
    let id = id_of(&daemon, &image);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.tar");
    daemon.docker(&["save", "-o", &path.to_string_lossy(), &image]).ok();
    daemon.docker(&["rmi", "-f", &id]).ok();
    let archive = fs::read(path).unwrap();
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    let head = "POST /v1.51/images/load?quiet=1 HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n", archive.len()).unwrap();
    stream.write_all(&archive).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    drop(stream);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert_eq!(id_of(&daemon, &image), id);
}

#[test]
fn row_036_037_save_and_load_by_either_client() {
    let (daemon, image) = Daemon::with_busybox();
    let id = id_of(&daemon, &image);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    daemon.docker(&["save", "-o", &path("docker.tar"), &image]).ok();
    daemon.tierce(&["save", "-o", &path("tierce.tar"), &image]).ok();
    assert!(fs::read(path("docker.tar")).unwrap() == fs::read(path("tierce.tar")).unwrap());
    Run::run(Command::new("gzip").args(["-k", &path("docker.tar")])).ok();
    for (archive, tierce) in [("docker.tar", true), ("tierce.tar", false), ("docker.tar.gz", true)] {
        daemon.docker(&["rmi", "-f", &id]).ok();
        let client = if tierce { Daemon::tierce } else { Daemon::docker };
        let text = client(&daemon, &["load", "-i", &path(archive)]).ok();
        assert_eq!(text.trim(), format!("Loaded image: {image}:latest"));
        assert_eq!(id_of(&daemon, &image), id);
        assert_eq!(daemon.docker(&["run", "--rm", &image, "echo", "works"]).ok(), "works");
    }
    fs::write(path("bad.tar"), b"no archive").unwrap();
    let text = daemon.docker(&["load", "-i", &path("bad.tar")]).fails(1);
    assert!(text.contains("invalid archive"), "{text}");
    let text = daemon.docker(&["save", "-o", &path("x.tar"), "absent:one"]).fails(1);
    assert!(text.contains("reference does not exist"), "{text}");
}

#[test]
fn row_037_export_and_import_keep_files_and_take_changes() {
    let (daemon, image) = Daemon::with_busybox();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let script = "echo written > /new; chmod 4711 /new; rm /etc/passwd; sleep 1000";
    daemon
        .docker(&[
            "run", "-d", "--init", "--name", "box", "-v", "/volume", &image, "sh", "-c", script,
        ])
        .ok();
    daemon
        .docker(&[
            "exec",
            "box",
            "sh",
            "-c",
            "until test -e /new; do sleep 0.1; done; echo x > /volume/x",
        ])
        .ok();
    // While it runs, and after.
    daemon.docker(&["export", "-o", &path("running.tar"), "box"]).ok();
    daemon.docker(&["kill", "box"]).ok();
    daemon.tierce(&["export", "-o", &path("stopped.tar"), "box"]).ok();
    for archive in ["running.tar", "stopped.tar"] {
        let names = Run::run(Command::new("tar").args(["-tvf", &path(archive)])).ok();
        assert!(
            names
                .lines()
                .any(|line| line.starts_with("-rws--x--x") && line.ends_with(" new")),
            "{names}"
        );
        assert!(
            !names.contains("etc/passwd") && !names.contains("volume/x") && !names.contains(".wh."),
            "{names}"
        );
    }
    let imported = daemon
        .docker(&[
            "import",
            "-m",
            "a message",
            "-c",
            "CMD [\"cat\", \"/new\"]",
            "-c",
            "ENV A=b",
            &path("stopped.tar"),
            "made:one",
        ])
        .ok();
    assert_eq!(imported.trim(), id_of(&daemon, "made:one"));
    assert_eq!(daemon.docker(&["run", "--rm", "made:one"]).ok(), "written");
    assert_eq!(
        daemon.inspect("made:one", "{{.Comment}} {{.Config.Env}}"),
        "a message [A=b]"
    );
    let mut piped = daemon.tierce_command();
    piped.args(["import", "-", "made:two"]);
    piped.stdin(fs::File::open(path("stopped.tar")).unwrap());
    let output = piped.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        id_of(&daemon, "made:two")
    );
    let refused = daemon
        .docker(&["import", "-c", "RUN make", &path("stopped.tar")])
        .fails(1);
    assert!(refused.contains("RUN is not a valid change command"), "{refused}");
}

#[test]
fn row_066_commit_makes_an_image_of_a_running_container() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "-d",
            "--init",
            "--name",
            "box",
            "-e",
            "OF=container",
            &image,
            "sh",
            "-c",
            "echo x > /made; sleep 1000",
        ])
        .ok();
    daemon
        .docker(&["exec", "box", "sh", "-c", "until test -e /made; do sleep 0.1; done"])
        .ok();
    let text = daemon
        .docker(&[
            "commit",
            "-a",
            "somebody",
            "-m",
            "a message",
            "-c",
            "ENV MORE=1",
            "box",
            "made:one",
        ])
        .ok();
    assert_eq!(text.trim(), id_of(&daemon, "made:one"));
    assert_eq!(daemon.inspect("box", "{{.State.Status}}"), "running");
    let layers = |name: &str| daemon.inspect(name, "{{len .RootFS.Layers}}").parse::<usize>().unwrap();
    assert_eq!(layers("made:one"), layers(&image) + 1);
    let environment = daemon.inspect("made:one", "{{json .Config.Env}}");
    assert!(
        environment.contains("OF=container") && environment.contains("MORE=1"),
        "{environment}"
    );
    assert_eq!(
        daemon.inspect("made:one", "{{.Author}} {{.Comment}} {{.Parent}}"),
        format!("somebody a message {}", id_of(&daemon, &image))
    );
    assert_eq!(daemon.docker(&["run", "--rm", "made:one", "cat", "/made"]).ok(), "x");
    let second = daemon.tierce(&["commit", "--pause=false", "box"]).ok();
    assert!(second.starts_with("sha256:"), "{second}");
    let refused = daemon.docker(&["commit", "absent"]).fails(1);
    assert!(refused.contains("No such container: absent"), "{refused}");
    let text = daemon.events(Daemon::docker, &["--filter", "event=commit"]);
    assert!(
        text.contains("container commit") && text.contains("imageRef=made:one"),
        "{text}"
    );
    daemon.docker(&["rm", "-f", "box"]).ok();
}

#[test]
fn row_108_an_archive_of_ours_comes_back_through_another_tool() {
    let (daemon, image) = Daemon::with_busybox();
    let id = id_of(&daemon, &image);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    daemon.tierce(&["save", "-o", &path("ours.tar"), &image]).ok();
    let (from, to) = (
        format!("docker-archive:{}", path("ours.tar")),
        format!("oci-archive:{}:theirs:1", path("theirs.tar")),
    );
    Run::run(Command::new("skopeo").args(["copy", "--quiet", "--insecure-policy", &from, &to])).ok();
    daemon.docker(&["rmi", "-f", &id]).ok();
    let text = daemon.tierce(&["load", "-i", &path("theirs.tar")]).ok();
    let loaded = text.trim().split(": ").nth(1).unwrap().to_owned();
    assert_eq!(daemon.docker(&["run", "--rm", &loaded, "echo", "works"]).ok(), "works");
}
