//! The Engine API and the command lines on it: rows 85 to 93.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::process::Command;
use tierce_testkit::{Daemon, Run as _};

#[test]
fn row_085_row_086_docker_and_tierce_drive_the_same_daemon() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .tierce(&["run", "-d", "--name", "c1", &image, "sleep", "100"])
        .ok();
    assert_eq!(daemon.docker(&["ps", "-q", "--no-trunc"]).ok(), id);
    assert_eq!(daemon.tierce(&["exec", "c1", "echo", "hi"]).ok(), "hi");
    assert_eq!(
        daemon.docker(&["ps", "--format", "{{.Names}} {{.Image}}"]).ok(),
        daemon.tierce(&["ps", "--format", "{{.Names}} {{.Image}}"]).ok()
    );
    daemon.tierce(&["rename", "c1", "d1"]).ok();
    assert!(daemon.tierce(&["top", "d1"]).ok().contains("sleep 100"));
    daemon.tierce(&["restart", "-t", "0", "d1"]).ok();
    daemon.tierce(&["stop", "-t", "0", "d1"]).ok();
    assert_eq!(daemon.tierce(&["wait", "d1"]).ok(), "137");
    daemon.tierce(&["start", "d1"]).ok();
    daemon.tierce(&["kill", "d1"]).ok();
    daemon.tierce(&["rm", "-f", "d1"]).ok();
    assert_eq!(daemon.tierce(&["ps", "-aq"]).ok(), "");
    daemon.tierce(&["rmi", &image]).ok();
}

#[test]
fn row_085_a_tcp_socket_serves_too() {
    let daemon = Daemon::start_with(&["-H", "tcp://127.0.0.1:2375"]);
    assert_eq!(
        daemon
            .host()
            .run(&["curl", "--silent", "http://127.0.0.1:2375/_ping"])
            .ok(),
        "OK"
    );
    daemon
        .host()
        .run(&["docker", "-H", "tcp://127.0.0.1:2375", "version"])
        .ok();
}

#[test]
fn row_087_versions_are_negotiated_and_refused() {
    let daemon = Daemon::start();
    let (status, body) = daemon.request("GET", "/v1.24/version", None);
    assert_eq!(status, 200, "{body}");
    let (status, body) = daemon.request("GET", "/v1.99/version", None);
    assert_eq!(status, 400);
    assert!(
        body.contains("client version 1.99 is too new. Maximum supported API version is 1.51"),
        "{body}"
    );
    let (status, body) = daemon.request("GET", "/v1.10/version", None);
    assert_eq!(status, 400);
    assert!(body.contains("too old"), "{body}");
    let head = Command::new("curl")
        .args(["--silent", "--head", "--unix-socket"])
        .arg(daemon.socket())
        .arg("http://d/_ping")
        .run()
        .ok();
    for header in ["Api-Version: 1.51", "Ostype: linux", "Docker-Experimental: false"] {
        assert!(head.to_lowercase().contains(&header.to_lowercase()), "{head}");
    }
}

#[test]
fn row_087_unknown_routes_and_malformed_bodies_get_dockers_answers() {
    let daemon = Daemon::start();
    assert_eq!(
        daemon.request("GET", "/nope", None),
        (404, r#"{"message":"page not found"}"#.to_owned() + "\n")
    );
    for body in ["{", "[]", r#"{"Image":7}"#, ""] {
        let (status, text) = daemon.request("POST", "/containers/create", Some(body));
        assert_eq!(status, 400, "{body}: {text}");
        assert!(text.contains("\"message\":"), "{text}");
    }
    let (status, text) = daemon.request("GET", "/swarm", None);
    assert_eq!(status, 503, "{text}");
    let (status, text) = daemon.request("GET", "/containers/nope/json", None);
    assert_eq!((status, text.trim()), (404, r#"{"message":"No such container: nope"}"#));
}

#[test]
fn row_089_create_then_start_is_a_trace_of_two_calls() {
    let (daemon, image) = Daemon::with_busybox();
    let body = format!(r#"{{"Image":"{image}","Cmd":["sh","-c","exit 6"],"HostConfig":{{"Frob":1}}}}"#);
    let (status, created) = daemon.request("POST", "/v1.44/containers/create?name=c1", Some(&body));
    assert_eq!(status, 201, "{created}");
    let created: serde_json::Value = serde_json::from_str(&created).unwrap();
    assert_eq!(created["Id"].as_str().unwrap().len(), 64);
    assert!(created["Warnings"].is_array());
    assert_eq!(daemon.request("POST", "/v1.44/containers/c1/start", None).0, 204);
    let (status, body) = daemon.request("POST", "/v1.44/containers/c1/wait", None);
    assert_eq!((status, body.trim()), (200, r#"{"StatusCode":6}"#));
    let (status, text) = daemon.request(
        "POST",
        "/containers/create?name=c1",
        Some(&format!(r#"{{"Image":"{image}"}}"#)),
    );
    assert_eq!(status, 409);
    assert!(
        text.contains("The container name \\\"/c1\\\" is already in use by container"),
        "{text}"
    );
    assert_eq!(
        daemon
            .request("POST", "/containers/create", Some(r#"{"Image":"absent:1"}"#))
            .0,
        404
    );
    assert_eq!(
        daemon
            .request(
                "POST",
                "/containers/create?name=a/b",
                Some(&format!(r#"{{"Image":"{image}"}}"#))
            )
            .0,
        400
    );
}

#[test]
fn row_093_lists_and_inspections_have_dockers_fields() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run", "-d", "--name", "c1", "--label", "a=b", "-p", "8080:80", &image, "sleep", "100",
        ])
        .ok();
    let line = daemon
        .docker(&[
            "ps",
            "--filter",
            "label=a=b",
            "--filter",
            "status=running",
            "--format",
            "{{.Names}} {{.Ports}} {{.Label \"a\"}} {{.Networks}} {{.State}}",
        ])
        .ok();
    assert!(
        line.starts_with("c1 0.0.0.0:8080->80/tcp") && line.ends_with(" b bridge running"),
        "{line}"
    );
    assert_eq!(daemon.docker(&["ps", "-q", "--filter", "name=nope"]).ok(), "");
    assert_eq!(daemon.docker(&["ps", "-aq", "--filter", "frob=1"]).code, 1);
    assert_eq!(
        daemon.inspect(
            "c1",
            "{{.Config.Image}} {{.HostConfig.RestartPolicy.Name}} {{.Driver}} {{.Platform}}"
        ),
        format!("{image} no overlay2 linux")
    );
    let info = daemon.docker(&["info"]).ok();
    for field in [
        "Storage Driver: overlay2",
        "Logging Driver: json-file",
        "Cgroup Version:",
        "Running: 1",
        "seccomp",
    ] {
        assert!(info.contains(field), "{field}: {info}");
    }
    daemon.docker(&["version"]).ok();
    assert!(daemon.tierce(&["info"]).ok().contains("Storage Driver: overlay2"));
    assert!(daemon.docker(&["system", "df"]).ok().contains("Images"));
}

#[test]
fn row_093_every_client_gets_the_same_inspection() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["create", "--name", "c1", &image]).ok();
    for object in ["c1", image.as_str()] {
        assert_eq!(
            daemon.docker(&["inspect", object]).ok(),
            daemon.tierce(&["inspect", object]).ok()
        );
    }
}

#[test]
fn a_terminal_is_a_terminal() {
    let (daemon, image) = Daemon::with_busybox();
    // `script` gives the client a terminal of its own.
    let line = format!(
        "docker -H unix://{} run --rm -it {image} sh -c 'test -t 0 && test -t 1 && stty size && tty'",
        daemon.socket().display()
    );
    let output = daemon
        .host()
        .command("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .run();
    assert!(output.stdout.contains("/dev/pts/0"), "{output:?}");
    let line = line.replace(
        "docker -H",
        &format!("{} -H", tierce_testkit::binary("tierce").display()),
    );
    let output = daemon
        .host()
        .command("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .run();
    assert!(output.stdout.contains("/dev/pts/0"), "{output:?}");
}

#[test]
fn detach_keys_leave_the_container_running() {
    let (daemon, image) = Daemon::with_busybox();
    for client in [
        "docker".to_owned(),
        tierce_testkit::binary("tierce").display().to_string(),
    ] {
        let line = format!(
            "{client} -H unix://{} run -it --name c1 {image} sh",
            daemon.socket().display()
        );
        // Keys typed before the session stands would be lost, so they come late.
        let script = format!(
            "(sleep 1; printf 'echo typed\\n'; sleep 0.5; printf '\\020\\021'; sleep 0.5) | script --quiet --return --command '{line}' /dev/null"
        );
        let output = daemon.host().command("sh").args(["-c", &script]).run();
        assert!(output.stdout.contains("typed"), "{client}: {output:?}");
        assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "running", "{client}");
        daemon.docker(&["rm", "-f", "c1"]).ok();
    }
}

#[test]
fn signals_are_passed_on() {
    let (daemon, image) = Daemon::with_busybox();
    for client in [
        "docker".to_owned(),
        tierce_testkit::binary("tierce").display().to_string(),
    ] {
        // The client goes to the background with SIGINT ignored, as every shell without job control leaves it, and the
        // signal goes out when the program has said that its trap is set. `timeout` ends a client that passes nothing on.
        let line = format!(
            "timeout --foreground --signal KILL 30 {client} -H unix://{} run --rm {image} \
             sh -c 'trap \"echo caught; exit 3\" INT; echo ready; while :; do sleep 0.1; done' > $0 & \
             until grep -q ready $0; do sleep 0.1; done; kill -INT $(pgrep -P $!); wait $!; code=$?; cat $0; exit $code",
            daemon.socket().display()
        );
        let said = tempfile::NamedTempFile::new().unwrap();
        let output = daemon.host().command("bash").args(["-c", &line]).arg(said.path()).run();
        assert!(
            output.stdout.contains("caught") && output.code == 3,
            "{client}: {output:?}"
        );
    }
}

#[test]
fn events_tell_what_happened_and_can_be_filtered() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "--name", "c1", "--label", "k=v", &image, "sh", "-c", "exit 4"])
        .fails(4);
    let die = daemon.events(Daemon::docker, &["--filter", "event=die", "--format", "{{json .}}"]);
    let die: serde_json::Value = serde_json::from_str(&die).unwrap();
    assert_eq!(die["Actor"]["Attributes"]["exitCode"], "4");
    assert_eq!(die["Actor"]["Attributes"]["name"], "c1");
    assert_eq!(die["Actor"]["Attributes"]["k"], "v");
    let ours = daemon.events(Daemon::tierce, &["--filter", "container=c1"]);
    assert!(
        ours.contains(" container create ") && ours.contains(" container die "),
        "{ours}"
    );
}

#[test]
fn row_089_members_of_requests_are_known_in_any_case() {
    let (daemon, image) = Daemon::with_busybox();
    let body = format!(
        r#"{{"image": "{image}", "CMD": ["true"], "labels": {{"Env": "x"}}, "hostConfig": {{"autoremove": true}}}}"#
    );
    let (status, answer) = daemon.request("POST", "/v1.51/containers/create?name=c1", Some(&body));
    assert_eq!(status, 201, "{answer}");
    let shown = daemon.inspect(
        "c1",
        "{{json .Config.Cmd}} {{json .Config.Labels}} {{.HostConfig.AutoRemove}}",
    );
    assert_eq!(shown, r#"["true"] {"Env":"x"} true"#);
}
