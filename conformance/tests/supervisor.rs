//! The supervisor as a process of its own: rows 91, 97, 98 and 99.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tierce_testkit::{Daemon, Output, Run as _, daemon_with_supervisor, wait_until};

/// What takes moments on an idle machine is waited for so long on a busy one.
const PATIENCE: Duration = Duration::from_mins(1);
const TICKER: &str = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done";

/// Asserts that the lines of a ticker are all there, and gives how many.
#[track_caller]
fn count_ticks(daemon: &Daemon, name: &str) -> usize {
    let lines = daemon.docker(&["logs", name]).ok();
    let numbers: Vec<usize> = lines.lines().map(|line| line.parse().unwrap()).collect();
    let whole = numbers.iter().copied().eq(0..numbers.len());
    assert!(whole, "a line is missing: {numbers:?}");
    numbers.len()
}

fn wait_for_ticks(daemon: &Daemon, name: &str, more_than: usize) {
    wait_until("it goes on logging", PATIENCE, || count_ticks(daemon, name) > more_than);
}

fn run_ticker(daemon: &Daemon, image: &str) -> String {
    daemon
        .docker(&["run", "-d", "--name", "c1", image, "sh", "-c", TICKER])
        .ok();
    daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}")
}

#[test]
fn row_097_engine_and_supervisor_die_and_restart_apart_from_each_other() {
    let (mut daemon, image) = daemon_with_supervisor();
    let running = run_ticker(&daemon, &image);
    assert!(running.starts_with("running "), "{running}");
    // The supervisor.
    daemon.supervisor.crash();
    wait_for_ticks(&daemon, "c1", count_ticks(&daemon, "c1"));
    assert_eq!(daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), running);
    daemon.supervisor.launch();
    assert_eq!(daemon.docker(&["exec", "c1", "echo", "alive"]).ok(), "alive");
    // The engine.
    daemon.crash();
    daemon.launch();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), running);
    assert_eq!(daemon.docker(&["exec", "c1", "echo", "alive"]).ok(), "alive");
    // Both, and in an orderly way, too.
    daemon.crash();
    daemon.supervisor.crash();
    daemon.launch();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), running);
    daemon.supervisor.stop();
    daemon.stop();
    daemon.launch();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), running);
    wait_for_ticks(&daemon, "c1", count_ticks(&daemon, "c1"));
    daemon.docker(&["kill", "c1"]).ok();
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "137");
}

#[test]
fn row_097_an_engine_that_is_up_first_waits_for_the_supervisor_of_its_containers() {
    let (mut daemon, image) = daemon_with_supervisor();
    let running = run_ticker(&daemon, &image);
    daemon.crash();
    daemon.supervisor.crash();
    daemon.supervisor.late = true;
    daemon.launch();
    wait_until("it says what it waits for", PATIENCE, || {
        daemon.log().contains("waiting for the supervisor; containers run on")
    });
    daemon.supervisor.launch();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), running);
    assert_eq!(daemon.docker(&["exec", "c1", "echo", "alive"]).ok(), "alive");
}

#[test]
fn row_091_what_ends_while_the_supervisor_is_away_is_known_afterwards() {
    let (mut daemon, image) = daemon_with_supervisor();
    let script = "until [ -e /go ]; do sleep 0.05; done; echo last words; exit 42";
    let run = ["run", "-d", "--name"];
    for (name, more) in [
        ("c1", &[][..]),
        ("gone", &["--rm"]),
        ("again", &["--restart", "on-failure:1"]),
    ] {
        daemon
            .docker(&[&run[..], &[name], more, &[image.as_str(), "sh", "-c", script]].concat())
            .ok();
    }
    let pids: Vec<String> = ["c1", "gone", "again"]
        .iter()
        .map(|name| daemon.inspect(name, "{{.State.Pid}}"))
        .collect();
    daemon.supervisor.crash();
    for pid in &pids {
        std::fs::write(format!("/proc/{pid}/root/go"), "").unwrap();
    }
    for pid in &pids {
        wait_until("it has ended", PATIENCE, || {
            !Path::new(&format!("/proc/{pid}/root/bin")).exists()
        });
    }
    daemon.supervisor.launch();
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "42");
    assert_eq!(
        daemon.inspect("c1", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 42"
    );
    assert_eq!(daemon.docker(&["logs", "c1"]).ok(), "last words");
    wait_until("it is removed", PATIENCE, || {
        daemon.docker(&["inspect", "gone"]).code != 0
    });
    // Its file is there, so that the second life ends as the first did.
    wait_until("it was started again", PATIENCE, || {
        daemon.inspect("again", "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}") == "exited 1 42"
    });
}

#[test]
fn row_091_without_the_supervisor_questions_are_answered_and_the_rest_fails_clearly() {
    let (mut daemon, image) = daemon_with_supervisor();
    let running = run_ticker(&daemon, &image);
    assert!(!daemon.docker(&["info"]).stderr.contains("supervisor"));
    daemon.supervisor.crash();
    wait_until("the engine notices", PATIENCE, || {
        daemon.log().contains("the supervisor is away")
    });
    assert_eq!(
        daemon.docker(&["ps", "--format", "{{.Names}} {{.State}}"]).ok(),
        "c1 running"
    );
    assert_eq!(daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), running);
    count_ticks(&daemon, "c1");
    let info = daemon.docker(&["info"]);
    assert!(info.stderr.contains("WARNING: the supervisor at "), "{info:?}");
    daemon.docker(&["create", "--name", "made", &image, "true"]).ok();
    let fails = |words: &[&str]| {
        let output = daemon.docker(words);
        assert_ne!(output.code, 0, "{output:?}");
        // That of an exec is on its stream.
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(
            said.contains("the supervisor at ") && said.contains("is away"),
            "{output:?}"
        );
    };
    fails(&["start", "made"]);
    fails(&["exec", "c1", "true"]);
    fails(&["kill", "c1"]);
    assert_eq!(daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), running);
    daemon.supervisor.launch();
    assert_eq!(daemon.docker(&["start", "--attach", "made"]).code, 0);
    assert_eq!(daemon.docker(&["exec", "c1", "echo", "alive"]).ok(), "alive");
    assert!(!daemon.docker(&["info"]).stderr.contains("supervisor"));
}

#[test]
fn row_091_a_verb_waits_for_a_supervisor_that_comes_back() {
    let (mut daemon, image) = daemon_with_supervisor();
    run_ticker(&daemon, &image);
    daemon.supervisor.crash();
    let mut run = daemon.docker_command();
    let run = std::thread::spawn(move || run.args(["run", "--rm", &image, "echo", "hello"]).run());
    let mut exec = daemon.docker_command();
    let exec = std::thread::spawn(move || exec.args(["exec", "c1", "echo", "inside"]).run());
    std::thread::sleep(Duration::from_secs(1));
    daemon.supervisor.launch();
    assert_eq!(run.join().unwrap().ok(), "hello");
    assert_eq!(exec.join().unwrap().ok(), "inside");
}

/// Whichever dies at whatever moment of a `run`: it succeeds or says why, and nothing is left (which the end of the test
/// looks at).
#[test]
fn row_091_the_supervisor_may_be_killed_at_any_moment_of_a_run() {
    let (mut daemon, image) = daemon_with_supervisor();
    let mut succeeded = 0;
    for milliseconds in [5, 40, 80, 120, 160, 200, 240, 280, 320, 400, 500] {
        let (mut command, image) = (daemon.docker_command(), image.clone());
        let run = std::thread::spawn(move || {
            command
                .args(["run", "--rm", &image, "sh", "-c", "echo hello; exit 3"])
                .run()
        });
        std::thread::sleep(Duration::from_millis(milliseconds));
        daemon.supervisor.crash();
        daemon.supervisor.launch();
        let output: Output = run.join().unwrap();
        let known = output.code == 3 && output.stdout == "hello\n";
        succeeded += usize::from(known);
        // A container whose start was cut short between two steps is taken back, and the client is told.
        assert!(
            known || (output.code == 125 && !output.stderr.is_empty()),
            "{milliseconds} ms: {output:?}"
        );
        wait_until("no container is left", PATIENCE, || {
            daemon.docker(&["ps", "--all", "--quiet"]).ok().is_empty() && daemon.supervisor.records().is_empty()
        });
    }
    assert!(succeeded >= 8, "only {succeeded} of 11 runs succeeded");
}

#[test]
fn row_091_the_engine_may_be_killed_at_any_moment_of_a_run() {
    let (mut daemon, image) = daemon_with_supervisor();
    for milliseconds in [20, 80, 140, 200, 300, 400] {
        let mut command = daemon.docker_command();
        let mut run = command.args(["run", "--rm", &image, "sleep", "0.2"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        daemon.crash();
        run.wait().unwrap();
        daemon.launch();
        wait_until("what was started ends", PATIENCE, || {
            daemon.docker(&["ps", "--quiet"]).ok().is_empty() && daemon.supervisor.records().is_empty()
        });
        // One that was made and not started stays; one that is being removed at this moment needs no help.
        wait_until("nothing is left", PATIENCE, || {
            let left = daemon.docker(&["ps", "--all", "--quiet"]).ok();
            for id in left.lines() {
                daemon.docker(&["rm", id]);
            }
            left.is_empty()
        });
    }
}

#[test]
fn row_091_attached_streams_do_not_pass_through_the_supervisor() {
    let (mut daemon, image) = daemon_with_supervisor();
    let mut command = daemon.docker_command();
    command.args(["run", "--rm", "-i", "--name", "c1", &image, "cat"]);
    let mut client = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("it runs", PATIENCE, || {
        daemon.docker(&["ps", "--format", "{{.Names}}"]).ok() == "c1"
    });
    daemon.supervisor.crash();
    let mut input = client.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"over the break\n").unwrap();
    let mut output = std::io::BufReader::new(client.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    assert_eq!(line, "over the break\n");
    drop(input);
    daemon.supervisor.launch();
    assert_eq!(client.wait().unwrap().code(), Some(0));
}

#[test]
fn row_097_containers_go_from_one_kind_of_supervisor_to_the_other() {
    let (mut daemon, image) = daemon_with_supervisor();
    let running = run_ticker(&daemon, &image);
    for apart in [false, true, false, true] {
        daemon.stop();
        daemon.supervisor.stop();
        daemon.supervisor.apart = apart;
        daemon.launch();
        assert_eq!(daemon.inspect("c1", "{{.State.Status}} {{.State.Pid}}"), running);
        assert_eq!(daemon.docker(&["exec", "c1", "echo", "alive"]).ok(), "alive");
    }
    let id = daemon.inspect("c1", "{{.Id}}");
    assert_eq!(daemon.supervisor.records(), [id]);
    daemon.docker(&["rm", "-f", "c1"]).ok();
    assert!(daemon.supervisor.records().is_empty());
}

#[test]
fn row_097_two_supervisors_do_not_take_the_same_containers() {
    let (mut daemon, _image) = daemon_with_supervisor();
    let second = daemon.supervisor.command().run();
    assert!(second.fails(1).contains("cannot look after the containers of "));
    daemon.stop();
    let own = daemon
        .host()
        .command(tierce_testkit::binary("tierced"))
        .arg("--data-root")
        .arg(daemon.data_root())
        .arg("--exec-root")
        .arg(daemon.exec_root())
        .args(["--config-file", "/dev/null", "-H"])
        .arg(format!("unix://{}", daemon.socket().display()))
        .run();
    assert!(own.fails(1).contains("--containerd"));
    daemon.launch();
}

/// The unit of Docker's packages says `--containerd=/run/containerd/containerd.sock`.
#[test]
fn row_094_the_socket_of_containerd_in_dockerds_command_line_is_passed_over() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon.stop();
    let (program, address) = (
        daemon.exec_root().join("dockerd"),
        daemon.exec_root().join("containerd.sock"),
    );
    std::os::unix::fs::symlink(tierce_testkit::binary("tierced"), &program).unwrap();
    for is_somebody_there in [false, true] {
        let somebody = is_somebody_there.then(|| UnixListener::bind(&address).unwrap());
        let mut dockerd = daemon.host().command(&program);
        dockerd.args(["--config-file", "/dev/null"]);
        dockerd.arg("--data-root").arg(daemon.data_root());
        dockerd.arg("--exec-root").arg(daemon.exec_root());
        dockerd.arg("--pidfile").arg(daemon.exec_root().join("tierced.pid"));
        dockerd.arg("-H").arg(format!("unix://{}", daemon.socket().display()));
        dockerd.arg("--containerd").arg(&address);
        let mut running = dockerd.stderr(Stdio::null()).spawn().unwrap();
        wait_until("it serves", PATIENCE, || {
            daemon
                .docker(&["run", "--rm", "--network", "none", &image, "echo", "yes"])
                .stdout
                == "yes\n"
        });
        running.kill().unwrap();
        running.wait().unwrap();
        drop(somebody);
    }
    daemon.launch();
}

#[test]
fn row_099_the_record_survives_the_supervisor_and_goes_with_the_container() {
    let (mut daemon, image) = daemon_with_supervisor();
    run_ticker(&daemon, &image);
    let id = daemon.inspect("c1", "{{.Id}}");
    assert_eq!(daemon.supervisor.records(), std::slice::from_ref(&id));
    let path = daemon.supervisor.root().join(format!("containers/{id}.json"));
    let read = || serde_json::from_slice::<serde_json::Value>(&std::fs::read(&path).unwrap()).unwrap();
    let record = read();
    let spec = &record["spec"]["json"];
    assert_eq!(
        record["spec"]["type"],
        "types.containerd.io/opencontainers/runtime-spec/1/Spec"
    );
    assert_eq!(spec["process"]["args"], serde_json::json!(["sh", "-c", TICKER]));
    daemon.supervisor.crash();
    daemon.supervisor.launch();
    assert_eq!(read(), record);
    // The supervisor still knows it by its record, and the task by its shim.
    daemon.docker(&["pause", "c1"]).ok();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "paused");
    daemon.docker(&["unpause", "c1"]).ok();
    // It goes with the task, and comes again with the next.
    daemon.docker(&["stop", "--timeout", "0", "c1"]).ok();
    assert!(daemon.supervisor.records().is_empty());
    daemon.docker(&["start", "c1"]).ok();
    assert_eq!(daemon.supervisor.records().len(), 1);
}

/// `ctr` at the supervisor's socket; `None` with the reason printed where there is none.
fn ctr(daemon: &Daemon) -> Option<impl Fn(&[&str]) -> Output + use<>> {
    if let Some(reason) = tierce_testkit::missing_tool(&["ctr"]) {
        println!("{reason}");
        return None;
    }
    let socket = daemon.supervisor.socket();
    Some(move |words: &[&str]| {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(&socket).args(["--namespace", "moby"]);
        command.args(words).run()
    })
}

#[test]
fn row_098_ctr_of_containerd_understands_the_supervisor() {
    let (daemon, image) = daemon_with_supervisor();
    let Some(ctr) = ctr(&daemon) else { return };
    run_ticker(&daemon, &image);
    let id = daemon.inspect("c1", "{{.Id}}");
    let pid = daemon.inspect("c1", "{{.State.Pid}}");
    let version = ctr(&["version"]).ok();
    assert!(version.contains("tierce-supervisor"), "{version}");
    assert!(ctr(&["namespaces", "ls"]).ok().contains("moby"));
    let containers = ctr(&["containers", "ls"]).ok();
    assert!(
        containers.contains(&id) && containers.contains("io.containerd.tierce.v2"),
        "{containers}"
    );
    assert!(ctr(&["containers", "info", &id]).ok().contains("while :; do echo"));
    let tasks = ctr(&["tasks", "ls"]).ok();
    let task: Vec<&str> = tasks.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(task, [id.as_str(), &pid, "RUNNING"]);
    assert!(ctr(&["tasks", "ps", &id]).ok().contains(&pid));
    let exec = ctr(&[
        "tasks",
        "exec",
        "--exec-id",
        "e1",
        &id,
        "sh",
        "-c",
        "echo inside; exit 4",
    ]);
    assert_eq!((exec.stdout.trim(), exec.code), ("inside", 4), "{exec:?}");
    ctr(&["tasks", "pause", &id]).ok();
    assert!(ctr(&["tasks", "ls"]).ok().contains("PAUSED"));
    ctr(&["tasks", "resume", &id]).ok();
    assert!(ctr(&["tasks", "ls"]).ok().contains("RUNNING"));
    assert!(ctr(&["tasks", "metrics", &id]).ok().contains("pids.current"));
    ctr(&["containers", "rm", &id]).fails(1);
    // The engine hears of what others do.
    ctr(&["tasks", "kill", "--signal", "KILL", &id]).ok();
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "137");
    wait_until("it is forgotten", PATIENCE, || {
        ctr(&["containers", "ls", "--quiet"]).ok().is_empty()
    });
    // What is not served says so.
    assert!(ctr(&["images", "ls"]).fails(1).contains("unknown service"));
    let elsewhere = ctr(&["--namespace", "other", "containers", "ls", "--quiet"]).ok();
    assert_eq!(elsewhere, "");
}

#[test]
fn row_098_ctr_runs_a_container_of_its_own_beside_the_engines() {
    let (daemon, image) = daemon_with_supervisor();
    let Some(ctr) = ctr(&daemon) else { return };
    daemon.docker(&["create", "--name", "source", &image]).ok();
    let root = tempfile::tempdir().unwrap();
    let archive = root.path().join("root.tar");
    daemon
        .docker(&["export", "--output", archive.to_str().unwrap(), "source"])
        .ok();
    let rootfs = root.path().join("rootfs");
    std::fs::create_dir(&rootfs).unwrap();
    Command::new("tar")
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(&rootfs)
        .run()
        .ok();
    let run = ctr(&[
        "run",
        "--rm",
        "--rootfs",
        rootfs.to_str().unwrap(),
        "own",
        "/bin/sh",
        "-c",
        "echo hello; exit 5",
    ]);
    assert_eq!((run.stdout.trim(), run.code), ("hello", 5), "{run:?}");
    // It is nothing of the engine's.
    assert_eq!(daemon.docker(&["ps", "--all", "--quiet"]).ok().lines().count(), 1);
    assert!(daemon.supervisor.records().is_empty());
}
