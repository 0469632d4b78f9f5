//! The daemon as such: its sockets with and without TLS, its configuration and reload, metrics, the trace of a run.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tierce_testkit::{Daemon, ImageBuilder, Run as _, attach_echoes, missing_tool, wait_until};

const PATIENCE: Duration = Duration::from_mins(1);

/// Certificates of a CA: `ca.pem`, and `<name>-cert.pem` with `<name>-key.pem` for each name.
fn certificates(directory: &Path, names: &[&str]) {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(directory).args(arguments.split(' '));
        command.run().ok();
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!(
        "req -x509 {key} -days 2 -subj /CN=ca -keyout ca-key.pem -out ca.pem"
    ));
    std::fs::write(directory.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    for name in names {
        openssl(&format!(
            "req {key} -subj /CN={name} -keyout {name}-key.pem -out {name}.csr"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile names -out \
             {name}-cert.pem"
        ));
    }
}

/// The stock client over TCP with the certificates of `name`, verified by the CA of the same directory.
fn docker_over_tls(daemon: &Daemon, certificates: &Path, name: &str, port: u16) -> Command {
    let mut command = daemon.host().command("docker");
    command
        .env_remove("DOCKER_HOST")
        .arg("--tlsverify")
        .arg("--tlscacert")
        .arg(certificates.join("ca.pem"))
        .arg("--tlscert")
        .arg(certificates.join(format!("{name}-cert.pem")))
        .arg("--tlskey")
        .arg(certificates.join(format!("{name}-key.pem")))
        .args(["-H", &format!("tcp://127.0.0.1:{port}")]);
    command
}

#[test]
fn row_085_tls_lets_in_who_has_a_certificate_of_the_ca() {
    if let Some(reason) = missing_tool(&["openssl", "docker", "curl"]) {
        eprintln!("{reason}");
        return;
    }
    let (ours, strangers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(ours.path(), &["daemon", "client"]);
    certificates(strangers.path(), &["client"]);
    let file = |name: &str| ours.path().join(name).display().to_string();
    let mut daemon = Daemon::start_with(&[
        "-H",
        "tcp://127.0.0.1",
        "--tlsverify",
        "--tlscacert",
        &file("ca.pem"),
        "--tlscert",
        &file("daemon-cert.pem"),
        "--tlskey",
        &file("daemon-key.pem"),
    ]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    // 2376 is the port of TLS.
    let client = || docker_over_tls(&daemon, ours.path(), "client", 2376);
    assert_eq!(client().args(["info", "--format", "{{.Name}}"]).run().code, 0);
    assert_eq!(client().args(["info", "--format", "{{.Warnings}}"]).run().ok(), "[]");
    let echoed = client()
        .args(["run", "--rm", "-i", &image, "cat"])
        .run_with(b"through tls\n");
    assert_eq!(echoed.ok(), "through tls");
    client()
        .args(["run", "-d", "-i", "--name", "c1", &image, "cat"])
        .run()
        .ok();
    let mut attach = client();
    attach.args(["attach", "--sig-proxy=false", "c1"]);
    attach_echoes(&mut attach, "and back\n");
    let executed = client().args(["exec", "c1", "sh", "-c", "echo out; exit 3"]).run();
    assert_eq!((executed.stdout.as_str(), executed.code), ("out\n", 3));
    // Who has a certificate of another CA, or none, or speaks no TLS, is refused.
    let mut stranger = docker_over_tls(&daemon, strangers.path(), "client", 2376);
    stranger.args(["--tlscacert", &file("ca.pem")]);
    assert_ne!(stranger.args(["version"]).run().code, 0);
    let mut nobody = daemon.host().command("curl");
    nobody.args(["--silent", "--cacert", &file("ca.pem"), "https://127.0.0.1:2376/_ping"]);
    assert_ne!(nobody.run().code, 0);
    let mut plain = daemon.host().command("docker");
    let plain = plain
        .env_remove("DOCKER_HOST")
        .args(["-H", "tcp://127.0.0.1:2376", "version"])
        .run();
    assert!(
        plain.stderr.contains("Client sent an HTTP request to an HTTPS server."),
        "{plain:?}"
    );
    // The unix socket needs none of it.
    assert_eq!(
        daemon.docker(&["inspect", "--format", "{{.State.Status}}", "c1"]).ok(),
        "running"
    );
}

#[test]
fn row_085_an_open_tcp_port_is_warned_of() {
    let daemon = Daemon::start_with(&["-H", "tcp://127.0.0.1:4242"]);
    let log = daemon.log();
    assert!(
        log.contains("Binding to IP address without --tlsverify is insecure and gives root access on this machine"),
        "{log}"
    );
    let warnings = daemon.docker(&["info", "--format", "{{json .Warnings}}"]).ok();
    assert!(
        warnings.contains("API is accessible on http://127.0.0.1:4242 without encryption."),
        "{warnings}"
    );
    let mut ping = daemon.host().command("curl");
    assert_eq!(ping.args(["--silent", "http://127.0.0.1:4242/_ping"]).run().ok(), "OK");
}

#[test]
fn row_094_sighup_reads_the_configuration_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("daemon.json");
    std::fs::write(&file, r#"{"labels": ["tier=one"], "max-concurrent-uploads": 2}"#).unwrap();
    let daemon = Daemon::start_with(&["--config-file", file.to_str().unwrap()]);
    let info = |template: &str| daemon.docker(&["info", "--format", template]).ok();
    assert_eq!(info("{{.Labels}}"), "[tier=one]");
    let reload = |text: &str, expected: &str| {
        std::fs::write(&file, text).unwrap();
        let before = daemon.log().len();
        Command::new("kill")
            .args(["-HUP", &daemon.pid().to_string()])
            .run()
            .ok();
        wait_until("the configuration is read again", PATIENCE, || {
            daemon.log()[before..].contains(expected)
        });
    };
    reload(
        r#"{"labels": ["tier=two"], "insecure-registries": ["reg.example:5000"], "live-restore": false,
            "runtimes": {"other": {"path": "/bin/true"}}, "registry-mirrors": ["https://mirror.example"]}"#,
        "configuration read again",
    );
    assert_eq!(info("{{.Labels}}"), "[tier=two]");
    assert_eq!(info("{{.LiveRestoreEnabled}}"), "false");
    assert!(info("{{json .RegistryConfig}}").contains("reg.example:5000"));
    assert!(info("{{json .Runtimes}}").contains("/bin/true"));
    let reloads = daemon.events(Daemon::docker, &["--filter", "type=daemon", "--format", "{{json .}}"]);
    let event: Value = serde_json::from_str(reloads.lines().next().unwrap()).unwrap();
    let attributes = &event["Actor"]["Attributes"];
    assert_eq!(event["Action"], "reload");
    assert_eq!(attributes["labels"], r#"["tier=two"]"#);
    assert_eq!(attributes["max-concurrent-uploads"], "5");
    assert_eq!(attributes["live-restore"], "false");
    // What does not pass changes nothing and ends nothing.
    reload(
        r#"{"labels": ["tier=three", "tier=four"]}"#,
        "conflict labels for tier=four",
    );
    reload(r#"{"colour": 1}"#, "don't match any configuration option: colour");
    assert_eq!(info("{{.Labels}}"), "[tier=two]");
    reload("{}", "configuration read again");
    assert_eq!(info("{{.Labels}}"), "[tier=two]");
}

#[test]
fn row_094_containers_get_the_daemons_defaults() {
    let profile = tempfile::tempdir().unwrap();
    let profile = profile.path().join("profile.json");
    // Everything is allowed but the making of directories.
    std::fs::write(
        &profile,
        r#"{"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}"#,
    )
    .unwrap();
    let mut daemon = Daemon::start_with(&[
        "--default-ulimit",
        "nofile=123:456",
        "--dns",
        "192.0.2.53",
        "--dns-search",
        "corp.example",
        "--dns-opt",
        "ndots:3",
        "--default-ipc-mode",
        "shareable",
        "--no-new-privileges",
        "--default-shm-size",
        "32M",
        "--host-gateway-ip",
        "192.0.2.1",
        "--seccomp-profile",
        profile.to_str().unwrap(),
        "--log-opt",
        "max-size=5m",
        "--label",
        "rack=7",
        "--default-network-opt",
        "bridge=com.docker.network.bridge.host_binding_ipv4=127.0.0.1",
    ]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    let script = "ulimit -Sn; ulimit -Hn; cat /etc/resolv.conf; grep gw /etc/hosts; grep NoNewPrivs /proc/self/status; \
                  grep ' /dev/shm ' /proc/mounts; mkdir /tmp/x || echo refused";
    let told = daemon
        .docker(&[
            "run",
            "--name",
            "c1",
            "--add-host",
            "gw:host-gateway",
            &image,
            "sh",
            "-c",
            script,
        ])
        .ok();
    let words = [
        "123\n456",
        "nameserver 192.0.2.53",
        "search corp.example",
        "options ndots:3",
        "192.0.2.1\tgw",
    ];
    for word in words.into_iter().chain(["NoNewPrivs:\t1", "size=32768k", "refused"]) {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert_eq!(
        daemon.inspect(
            "c1",
            "{{.HostConfig.IpcMode}} {{.HostConfig.ShmSize}} {{.HostConfig.Ulimits}}"
        ),
        "shareable 33554432 []"
    );
    // What a container says goes first.
    let own = [
        "--ulimit",
        "nofile=7:8",
        "--dns",
        "192.0.2.99",
        "--security-opt",
        "seccomp=unconfined",
    ];
    let script = "ulimit -Sn; cat /etc/resolv.conf; mkdir /tmp/x && echo made";
    let told = daemon
        .docker(&[&["run", "--rm"], &own[..], &[&image, "sh", "-c", script]].concat())
        .ok();
    for word in ["7\n", "nameserver 192.0.2.99", "made"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    daemon.docker(&["network", "create", "n1"]).ok();
    let options = daemon
        .docker(&["network", "inspect", "--format", "{{json .Options}}", "n1"])
        .ok();
    assert_eq!(
        options,
        r#"{"com.docker.network.bridge.host_binding_ipv4":"127.0.0.1"}"#
    );
    daemon.docker(&["network", "rm", "n1"]).ok();
    let security = daemon
        .docker(&["info", "--format", "{{.SecurityOptions}} {{.Labels}}"])
        .ok();
    assert!(
        security.contains("name=no-new-privileges") && security.contains("[rack=7]"),
        "{security}"
    );
}

#[test]
fn the_daemon_takes_all_descriptors_it_may_have_and_containers_have_as_many_as_it_was_given() {
    let limits = |words: &[&str]| {
        let mut command = Command::new("prlimit");
        command
            .args(["--noheadings", "--output=SOFT,HARD", "--nofile"])
            .args(words);
        let text = command.run().ok();
        let mut words = text.split_whitespace().map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    };
    let own = format!("--pid={}", std::process::id());
    let (_, hard) = limits(&[&own]);
    // This program's; the daemon inherits it.
    let mut lower = Command::new("prlimit");
    lower.args([&own, "--nofile=2345:"]).run().ok();
    let (daemon, image) = Daemon::with_busybox();
    assert_eq!(
        limits(&[&format!("--pid={}", daemon.pid())]),
        (hard.clone(), hard.clone())
    );
    let script = "ulimit -Sn; ulimit -Hn";
    let inside = daemon.docker(&["run", "--rm", &image, "sh", "-c", script]).ok();
    assert_eq!(inside.lines().collect::<Vec<_>>(), ["2345", &hard]);
}

#[test]
fn row_095_without_live_restore_containers_stop_with_the_daemon() {
    let (mut daemon, image) = Daemon::with_busybox();
    let script = "trap 'echo stopped; exit 5' TERM; while :; do sleep 0.1; done";
    for (name, policy) in [("always", "always"), ("never", "no")] {
        let run = [
            "run",
            "-d",
            "--name",
            name,
            "--restart",
            policy,
            &image,
            "sh",
            "-c",
            script,
        ];
        daemon.docker(&run).ok();
    }
    let pid = daemon.inspect("never", "{{.State.Pid}}");
    daemon.restart();
    assert_eq!(
        daemon.inspect("never", "{{.State.Pid}}"),
        pid,
        "they outlive it by default"
    );
    daemon.flags.push("--live-restore=false".to_owned());
    daemon.restart();
    daemon.restart();
    assert_eq!(
        daemon.inspect("never", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 5"
    );
    assert_eq!(daemon.docker(&["logs", "never"]).ok(), "stopped");
    wait_until("the policy has it run again", PATIENCE, || {
        daemon.inspect("always", "{{.State.Status}}") == "running"
    });
}

#[test]
fn metrics_have_dockers_names() {
    let mut daemon = Daemon::start_with(&["--metrics-addr", "127.0.0.1:9323"]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "1000"])
        .ok();
    daemon.docker(&["run", "--name", "c2", &image, "true"]).ok();
    let mut fetch = daemon.host().command("curl");
    let page = fetch.args(["--silent", "http://127.0.0.1:9323/metrics"]).run().ok();
    for line in [
        "engine_daemon_container_states_containers{state=\"running\"} 1",
        "engine_daemon_container_states_containers{state=\"stopped\"} 1",
        "engine_daemon_container_states_containers{state=\"paused\"} 0",
        "engine_daemon_container_actions_seconds_count{action=\"start\"} 2",
        "engine_daemon_container_actions_seconds_count{action=\"create\"} 2",
        "engine_daemon_container_actions_seconds_bucket{action=\"delete\",le=\"+Inf\"} 0",
        "engine_daemon_network_actions_seconds_count{action=\"allocate\"} 2",
        "engine_daemon_network_actions_seconds_count{action=\"release\"} 1",
        "# TYPE engine_daemon_container_actions_seconds histogram",
        "# TYPE engine_daemon_events_total counter",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    for name in [
        "engine_daemon_engine_info{",
        "engine_daemon_engine_memory_bytes ",
        "process_open_fds ",
    ] {
        assert!(
            page.lines().any(|line| line.starts_with(name)),
            "{name} is not in\n{page}"
        );
    }
    // Probes count.
    let probe = ["--health-cmd", "exit 1", "--health-interval", "100ms"];
    daemon
        .docker(&[&["run", "-d"], &probe[..], &[&image, "sleep", "1000"]].concat())
        .ok();
    wait_until("failed probes are counted", PATIENCE, || {
        let mut fetch = daemon.host().command("curl");
        let page = fetch.args(["--silent", "http://127.0.0.1:9323/metrics"]).run().ok();
        let count = |name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().parse::<u64>().unwrap_or(0)
        };
        let failed = count("engine_daemon_health_checks_failed_total");
        failed > 0 && count("engine_daemon_health_checks_total") >= failed
    });
    // Nothing else is served there.
    let mut other = daemon.host().command("curl");
    let other = other
        .args(["--silent", "http://127.0.0.1:9323/containers/json"])
        .run()
        .ok();
    assert!(other.contains("page not found"), "{other}");
}

/// The steps with their traces, from the structured log.
fn steps(daemon: &Daemon) -> Vec<(String, u64)> {
    let log = daemon.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter_map(|line| Some((line["trace_id"].as_str()?.to_owned(), line["step"].as_u64()?)))
        .collect()
}

#[test]
fn row_112_one_trace_joins_the_fourteen_steps_of_a_run() {
    let mut daemon = Daemon::start_with(&["--log-format", "json"]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    // What a client brings is kept, over a restart of the daemon too.
    let brought = "4bf92f3577b34da6a3ce929d0e0e4736";
    let body = format!(r#"{{"Image": "{image}", "Cmd": ["sleep", "1000"]}}"#);
    let mut create = Command::new("curl");
    create
        .args([
            "--silent",
            "--header",
            "Content-Type: application/json",
            "--data-binary",
            &body,
        ])
        .args([
            "--header",
            &format!("traceparent: 00-{brought}-00f067aa0ba902b7-01"),
            "--unix-socket",
        ])
        .arg(daemon.socket())
        .arg("http://d/containers/create?name=traced");
    create.run().ok();
    daemon.docker(&["start", "traced"]).ok();
    daemon.restart();
    daemon.docker(&["kill", "traced"]).ok();
    daemon.docker(&["wait", "traced"]).ok();
    // What nobody brings is the beginning of the container's id. Start and end are told by different ways: it lives long
    // enough for one to come after the other.
    let id = daemon.docker(&["run", "-d", &image, "sleep", "1"]).ok();
    daemon.docker(&["wait", &id]).ok();
    for trace in [brought, &id[..32]] {
        let all = steps(&daemon);
        let own: Vec<u64> = all
            .iter()
            .filter(|(found, _)| found == trace)
            .map(|(_, step)| *step)
            .collect();
        assert_eq!(own, [1, 2, 4, 3, 5, 6, 7, 8, 10, 11, 9, 12, 13, 14], "{trace}: {all:?}");
    }
    let traces: BTreeSet<String> = steps(&daemon).into_iter().map(|(trace, _)| trace).collect();
    assert_eq!(traces.len(), 2);
}

#[test]
fn a_client_that_agrees_on_no_keys_holds_up_nobody() {
    if let Some(reason) = missing_tool(&["openssl", "docker", "bash"]) {
        eprintln!("{reason}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path(), &["daemon", "client"]);
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (ca, cert, key) = (file("ca.pem"), file("daemon-cert.pem"), file("daemon-key.pem"));
    let daemon = Daemon::start_with(&[
        "-H",
        "tcp://127.0.0.1:4243",
        "--tlscacert",
        &ca,
        "--tlscert",
        &cert,
        "--tlskey",
        &key,
        "--tls",
    ]);
    // They connect and say nothing.
    let mut silent: Vec<_> = (0..20)
        .map(|_| {
            let mut client = daemon.host().command("bash");
            client
                .args(["-c", "exec 3<>/dev/tcp/127.0.0.1/4243; exec sleep 100"])
                .stdin(Stdio::null());
            client.spawn().unwrap()
        })
        .collect();
    let version = docker_over_tls(&daemon, directory.path(), "client", 4243)
        .args(["version"])
        .run();
    for client in &mut silent {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    assert_eq!(version.code, 0, "{version:?}");
}
