//! The engine may die: rows 92, 101 to 105, restart policies.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::time::Duration;
use tierce_testkit::{Daemon, Run as _, attach_echoes, wait_until};

const TICKER: &str = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done";

#[test]
fn row_102_kill_9_of_the_engine_loses_nothing() {
    let (mut daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sh", "-c", TICKER])
        .ok();
    let pid = daemon.inspect("c1", "{{.State.Pid}}");
    let log = daemon.data_root().join(format!("containers/{id}/{id}-json.log"));
    daemon.crash();
    let size = std::fs::metadata(&log).unwrap().len();
    wait_until("it goes on logging", Duration::from_secs(20), || {
        std::fs::metadata(&log).unwrap().len() > size
    });
    daemon.launch();
    assert_eq!(
        daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"),
        format!("running {pid}")
    );
    let lines = daemon.docker(&["logs", "c1"]).ok();
    let numbers: Vec<usize> = lines.lines().map(|line| line.parse().unwrap()).collect();
    assert!(
        numbers.iter().copied().eq(0..numbers.len()),
        "a line is missing: {numbers:?}"
    );
    assert_eq!(daemon.docker(&["exec", "c1", "echo", "alive"]).ok(), "alive");
    daemon.docker(&["kill", "c1"]).ok();
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "137");
}

#[test]
fn row_103_row_104_an_exit_during_the_outage_is_reported_exactly() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c1",
            &image,
            "sh",
            "-c",
            "sleep 1; echo last words; exit 42",
        ])
        .ok();
    let pid = daemon.inspect("c1", "{{.State.Pid}}");
    daemon.crash();
    wait_until("it has ended", Duration::from_secs(30), || {
        !std::path::Path::new(&format!("/proc/{pid}/root/bin")).exists()
    });
    daemon.launch();
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "42");
    assert_eq!(
        daemon.inspect("c1", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 42"
    );
    assert_eq!(daemon.docker(&["logs", "c1"]).ok(), "last words");
}

#[test]
fn row_102_published_ports_stay_open_without_the_engine() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c1",
            "-p",
            "8080:80",
            &image,
            "sh",
            "-c",
            "mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w",
        ])
        .ok();
    let fetch = |daemon: &Daemon| {
        daemon
            .host()
            .run(&["curl", "--silent", "--max-time", "5", "http://127.0.0.1:8080/"])
    };
    wait_until("the server answers", Duration::from_secs(20), || {
        fetch(&daemon).stdout == "page\n"
    });
    daemon.crash();
    assert_eq!(fetch(&daemon).ok(), "page");
    daemon.launch();
    assert_eq!(fetch(&daemon).ok(), "page");
    assert_eq!(
        daemon.docker(&["port", "c1"]).ok().lines().next(),
        Some("80/tcp -> 0.0.0.0:8080")
    );
    daemon.docker(&["rm", "-f", "c1"]).ok();
    assert_ne!(fetch(&daemon).code, 0);
}

#[test]
fn row_092_the_list_is_the_same_after_a_restart() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon.docker(&["create", "--name", "made", &image]).ok();
    daemon
        .docker(&[
            "run", "-d", "--name", "running", "-p", "8081:81", &image, "sleep", "100",
        ])
        .ok();
    daemon
        .docker(&["run", "--name", "ended", &image, "sh", "-c", "exit 2"])
        .fails(2);
    let list = |daemon: &Daemon| {
        daemon
            .docker(&[
                "ps",
                "-a",
                "--no-trunc",
                "--format",
                "{{.ID}} {{.Names}} {{.State}} {{.Image}} {{.Command}} {{.Ports}}",
            ])
            .ok()
    };
    let before = list(&daemon);
    daemon.restart();
    assert_eq!(list(&daemon), before);
}

#[test]
fn restart_policies_are_obeyed() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "always",
            "--restart",
            "always",
            &image,
            "sh",
            "-c",
            "sleep 0.1",
        ])
        .ok();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "twice",
            "--restart",
            "on-failure:2",
            &image,
            "sh",
            "-c",
            "exit 1",
        ])
        .ok();
    daemon
        .docker(&["run", "-d", "--name", "fine", "--restart", "on-failure", &image, "true"])
        .ok();
    let restarts = |name: &str| daemon.inspect(name, "{{.RestartCount}}").parse::<u32>().unwrap();
    wait_until("`always` has been restarted", Duration::from_secs(30), || {
        restarts("always") >= 2
    });
    wait_until("`on-failure:2` has given up", Duration::from_secs(30), || {
        daemon.inspect("twice", "{{.State.Status}}") == "exited"
    });
    assert_eq!(restarts("twice"), 2);
    assert_eq!(
        (restarts("fine"), daemon.inspect("fine", "{{.State.Status}}").as_str()),
        (0, "exited")
    );
    daemon.docker(&["stop", "-t", "1", "always"]).ok();
    let stopped = restarts("always");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(
        (
            restarts("always"),
            daemon.inspect("always", "{{.State.Status}}").as_str()
        ),
        (stopped, "exited")
    );
}

#[test]
fn policies_hold_across_an_outage() {
    let (mut daemon, image) = Daemon::with_busybox();
    for (name, policy) in [
        ("always", "always"),
        ("unless", "unless-stopped"),
        ("stopped", "unless-stopped"),
        ("never", "no"),
    ] {
        daemon
            .docker(&[
                "run",
                "-d",
                "--name",
                name,
                "--restart",
                policy,
                &image,
                "sleep",
                "1000",
            ])
            .ok();
    }
    daemon.docker(&["stop", "-t", "0", "stopped"]).ok();
    let pids: Vec<String> = ["always", "unless", "never"]
        .iter()
        .map(|name| daemon.inspect(name, "{{.State.Pid}}"))
        .collect();
    daemon.crash();
    for pid in &pids {
        std::process::Command::new("kill").args(["-9", pid]).run().ok();
    }
    daemon.launch();
    for name in ["always", "unless"] {
        wait_until("it runs again", Duration::from_secs(30), || {
            daemon.inspect(name, "{{.State.Status}}") == "running"
        });
    }
    for name in ["stopped", "never"] {
        assert_eq!(daemon.inspect(name, "{{.State.Status}}"), "exited", "{name}");
    }
}

#[test]
fn row_102_an_attached_client_sees_the_engine_go_and_the_container_stay() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon.docker(&["run", "-d", "-i", "--name", "c1", &image, "cat"]).ok();
    daemon.restart();
    for mut client in [daemon.docker_command(), daemon.tierce_command()] {
        client.args(["attach", "--sig-proxy=false", "c1"]);
        attach_echoes(&mut client, "after the restart\n");
    }
}
