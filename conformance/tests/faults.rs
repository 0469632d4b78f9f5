//! What may go wrong around containers, and what must not be lost by it.
//!
//! `TIERCE_FAULT_ROUNDS` (12) says how often something is killed, `TIERCE_FAULT_SEED` what and when, `TIERCE_ATTACHES`
//! (60) how often a client attaches and leaves.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tierce_testkit::power::Random;
use tierce_testkit::{Daemon, Disk, HungMount, ImageBuilder, Output, Run as _, wait_until};

const PATIENCE: Duration = Duration::from_mins(1);
const TICKER: &str = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done";

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn signal(name: &str, pid: &str) {
    Command::new("kill").args([name, pid]).run().ok();
}

/// The shim of a container: the parent of its first process.
fn shim_of(daemon: &Daemon, container: &str) -> String {
    let pid = daemon.inspect(container, "{{.State.Pid}}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    parent.trim().to_owned()
}

/// The stock client with a limit that only a command which hangs reaches.
fn docker_within(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "60"]);
    let client = daemon.docker_command();
    command
        .arg(client.get_program())
        .args(client.get_args())
        .args(arguments);
    for (key, value) in client.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command.run()
}

/// Sends the head of a request and leaves the answer unread.
fn ask(daemon: &Daemon, request: &str) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn descriptors(pid: &str) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Its log has every number once and in order; gives how many.
fn ticks(daemon: &Daemon, container: &str) -> usize {
    let log = daemon.docker(&["logs", container]).ok();
    let mut next = 0;
    for line in log.lines() {
        let number: usize = line.parse().unwrap_or_else(|_| panic!("{container} logged {line:?}"));
        // A container that was started again begins anew.
        assert!(number == next || number == 0, "{container}: {number} follows {next}");
        next = number + 1;
    }
    log.lines().count()
}

/// What is killed in a round.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Daemon,
    Shim(usize),
    Init(usize),
}

struct Rounds {
    daemon: Daemon,
    /// Names of the containers, each with a published port of its own.
    names: Vec<String>,
}

impl Rounds {
    fn fetch(&self, index: usize) -> Output {
        let address = format!("http://127.0.0.1:{}/", 8100 + index);
        let words = [
            "curl",
            "--silent",
            "--max-time",
            "10",
            "--retry",
            "5",
            "--retry-connrefused",
            &address,
        ];
        self.daemon.host().run(&words)
    }

    /// Kills one and looks whether everything is as it has to be afterwards.
    fn round(&mut self, victim: Victim, moment: Duration) {
        let before: Vec<(String, usize)> = (0..self.names.len())
            .map(|index| {
                let name = &self.names[index];
                (
                    self.daemon.inspect(name, "{{.Id}} {{.State.Pid}}"),
                    ticks(&self.daemon, name),
                )
            })
            .collect();
        std::thread::sleep(moment);
        match victim {
            Victim::Daemon => {
                self.daemon.crash();
                self.daemon.launch();
            }
            Victim::Shim(index) => signal("-KILL", &shim_of(&self.daemon, &self.names[index])),
            Victim::Init(index) => signal("-KILL", before[index].0.split(' ').nth(1).unwrap()),
        }
        for (index, (identity, logged)) in before.iter().enumerate() {
            let name = &self.names[index];
            let killed = matches!(victim, Victim::Shim(killed) | Victim::Init(killed) if killed == index);
            if killed {
                assert_eq!(self.daemon.docker(&["wait", name]).ok(), "137", "{victim:?}");
                let state = self
                    .daemon
                    .inspect(name, "{{.Id}} {{.State.Status}} {{.State.ExitCode}}");
                let id = identity.split(' ').next().unwrap();
                assert_eq!(state, format!("{id} exited 137"), "{victim:?}");
                assert!(
                    ticks(&self.daemon, name) >= *logged,
                    "{victim:?}: a line of {name} is lost"
                );
                self.daemon.docker(&["start", name]).ok();
            } else {
                assert_eq!(
                    &self.daemon.inspect(name, "{{.Id}} {{.State.Pid}}"),
                    identity,
                    "{victim:?}"
                );
                assert!(
                    ticks(&self.daemon, name) >= *logged,
                    "{victim:?}: a line of {name} is lost"
                );
            }
            assert_eq!(self.fetch(index).stdout, "page\n", "{victim:?}: the port of {name}");
        }
    }
}

#[test]
fn kill_9_at_random_moments_loses_no_record_exit_line_or_port() {
    let (daemon, image) = Daemon::with_busybox();
    let names: Vec<String> = (0..3).map(|index| format!("c{index}")).collect();
    for (index, name) in names.iter().enumerate() {
        let port = format!("{}:80", 8100 + index);
        let script = format!("mkdir -p /w; echo page > /w/index.html; httpd -p 80 -h /w; {TICKER}");
        let run = ["run", "-d", "--name", name, "-p", &port, &image, "sh", "-c", &script];
        daemon.docker(&run).ok();
    }
    let mut rounds = Rounds { daemon, names };
    let mut random = Random::new(number("TIERCE_FAULT_SEED", 20_131_120));
    // Others come and go meanwhile. When the daemon is away they fail, and that is all right.
    let over = AtomicBool::new(false);
    let load: Vec<Command> = (0..2)
        .map(|_| {
            let mut client = rounds.daemon.docker_command();
            client.args(["run", "--rm", "--label", "load", &image, "true"]);
            client
        })
        .collect();
    let outcome = std::thread::scope(|scope| {
        for mut client in load {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    client.run();
                }
            });
        }
        // The load has to end whatever comes.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..number("TIERCE_FAULT_ROUNDS", 12) {
                let whom = random.below(3) as usize;
                let victim = [Victim::Daemon, Victim::Shim(whom), Victim::Init(whom)][random.below(3) as usize];
                rounds.round(victim, Duration::from_millis(random.below(200)));
            }
        }));
        over.store(true, Ordering::Relaxed);
        outcome
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    // A client that lost its daemon between create and start leaves a container that never ran, as with dockerd.
    let left = rounds.daemon.docker(&["ps", "-aq", "--filter", "label=load"]).ok();
    for id in left.lines() {
        rounds.daemon.docker(&["rm", "-f", id]).ok();
    }
}

#[test]
fn ports_by_the_thousand_leave_the_daemon_descriptors_to_live_on() {
    let (daemon, image) = Daemon::with_busybox();
    let limit = |limit: u32| {
        let mut command = Command::new("prlimit");
        command.args([format!("--pid={}", daemon.pid()), format!("--nofile={limit}:{limit}")]);
        command.run().ok();
    };
    let run = |name: &str, ports: &str| {
        let words = ["run", "-d", "--name", name, "-p", ports, &image, "sleep", "1000"];
        docker_within(&daemon, &words)
    };
    limit(400);
    // Ports of IPv4 are the packet filter's; those of IPv6 are the relay's here, which has to have its sockets.
    let refused = run("both", "20000-20999:20000-20999");
    assert_eq!(refused.code, 125, "{refused:?}");
    assert!(refused.stderr.contains("too many open files"), "{refused:?}");
    assert!(refused.stderr.contains("LimitNOFILE="), "{refused:?}");
    run("four", "127.0.0.1:20000-20999:20000-20999").ok();
    // It is no worse off for that.
    for _ in 0..3 {
        docker_within(&daemon, &["exec", "four", "true"]).ok();
        docker_within(&daemon, &["run", "--rm", &image, "true"]).ok();
    }
    docker_within(&daemon, &["rm", "-f", "both", "four"]).ok();
    run("few", "20000-20099:20000-20099").ok();
}

#[test]
fn a_full_disk_stops_nothing_that_runs_and_leaves_no_half_made_container() {
    let disk = match Disk::new("ext4", 96 << 20) {
        Ok(disk) => disk,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let mut daemon = disk.daemon(&[]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    daemon
        .docker(&["run", "-d", "--name", "talker", &image, "sh", "-c", TICKER])
        .ok();
    daemon
        .docker(&["run", "-d", "--name", "quiet", &image, "sleep", "1000"])
        .ok();
    let filler = disk.path().join("filler");
    let mut fill = Command::new("dd");
    fill.arg("if=/dev/zero")
        .arg(format!("of={}", filler.display()))
        .arg("bs=64k");
    assert_ne!(fill.run().code, 0, "the disk is full");
    // Small pieces too.
    let mut fill = Command::new("dd");
    let rest = disk.path().join("rest");
    fill.arg("if=/dev/zero")
        .arg(format!("of={}", rest.display()))
        .arg("bs=512");
    assert_ne!(fill.run().code, 0, "the disk is full");
    let before = daemon.docker(&["ps", "-aq", "--no-trunc"]).ok();
    let refused = docker_within(&daemon, &["run", "-d", "--name", "late", &image, "sleep", "1000"]);
    assert_eq!(refused.code, 125, "{refused:?}");
    assert!(
        refused.stderr.to_lowercase().contains("no space left on device"),
        "{refused:?}"
    );
    assert_eq!(daemon.docker(&["ps", "-aq", "--no-trunc"]).ok(), before);
    let directories = std::fs::read_dir(daemon.data_root().join("containers"))
        .unwrap()
        .count();
    assert_eq!(directories, 2, "nothing of the refused one is left");
    for name in ["talker", "quiet"] {
        assert_eq!(daemon.inspect(name, "{{.State.Status}}"), "running");
    }
    assert_eq!(
        docker_within(&daemon, &["exec", "quiet", "echo", "alive"]).ok(),
        "alive"
    );
    assert_eq!(docker_within(&daemon, &["stop", "-t", "0", "quiet"]).ok(), "quiet");
    assert_eq!(
        daemon.inspect("quiet", "{{.State.Status}} {{.State.ExitCode}}"),
        "exited 137"
    );
    daemon.restart();
    assert_eq!(daemon.inspect("talker", "{{.State.Status}}"), "running");
    std::fs::remove_file(&filler).unwrap();
    std::fs::remove_file(&rest).unwrap();
    // With room it goes on: the log too.
    let logged = daemon.docker(&["logs", "talker"]).ok().len();
    wait_until("it logs again", PATIENCE, || {
        daemon.docker(&["logs", "talker"]).ok().len() > logged
    });
    daemon.docker(&["run", "--rm", &image, "true"]).ok();
    daemon.docker(&["start", "quiet"]).ok();
    drop(daemon);
}

#[test]
fn a_record_that_cannot_be_read_is_reported_and_the_others_work() {
    let (mut daemon, image) = Daemon::with_busybox();
    let good = daemon
        .docker(&["run", "-d", "--name", "good", &image, "sleep", "1000"])
        .ok();
    let ids: Vec<String> = ["cut", "empty", "wrong"]
        .iter()
        .map(|name| daemon.docker(&["create", "--name", name, &image, "true"]).ok())
        .collect();
    daemon.stop();
    let containers = daemon.data_root().join("containers");
    let record = |id: &str| containers.join(id).join("config.v2.json");
    let whole: Vec<Vec<u8>> = ids.iter().map(|id| std::fs::read(record(id)).unwrap()).collect();
    std::fs::write(record(&ids[0]), &whole[0][..whole[0].len() / 2]).unwrap();
    std::fs::write(record(&ids[1]), b"").unwrap();
    std::fs::write(record(&ids[2]), b"{\"ID\": 5}").unwrap();
    daemon.launch();
    assert_eq!(daemon.docker(&["ps", "-aq", "--no-trunc"]).ok(), good);
    daemon.docker(&["exec", "good", "true"]).ok();
    daemon.docker(&["run", "--rm", &image, "true"]).ok();
    let (log, warnings) = (
        daemon.log(),
        daemon.docker(&["info", "--format", "{{json .Warnings}}"]).ok(),
    );
    for id in &ids {
        assert!(log.contains(id.as_str()), "the log does not name {id}");
        assert!(warnings.contains(&id[..12]), "{warnings}");
    }
    // They are left alone: who mends them has them back.
    daemon.stop();
    for (id, whole) in ids.iter().zip(&whole) {
        std::fs::write(record(id), whole).unwrap();
    }
    daemon.launch();
    assert_eq!(daemon.docker(&["start", "-a", "cut"]).ok(), "");
    assert_eq!(daemon.docker(&["ps", "-aq"]).ok().lines().count(), 4);
    assert_eq!(daemon.docker(&["info", "--format", "{{.Warnings}}"]).ok(), "[]");
}

#[test]
fn without_free_descriptors_clients_wait_and_containers_run_on() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sh", "-c", TICKER])
        .ok();
    let pid = daemon.pid().to_string();
    let limit = descriptors(&pid) + 12;
    let mut lower = Command::new("prlimit");
    if lower
        .args(["--pid", &pid, &format!("--nofile={limit}:4096")])
        .run()
        .code
        != 0
    {
        eprintln!("skipped: prlimit is not there");
        return;
    }
    let greedy: Vec<UnixStream> = (0..40).map(|_| UnixStream::connect(daemon.socket()).unwrap()).collect();
    // Refused or late, but never the end of the daemon.
    let mut late = daemon.docker_command();
    let mut late = late
        .args(["run", "--rm", &image, "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    drop(greedy);
    late.wait().unwrap();
    wait_until("it serves again", PATIENCE, || daemon.docker(&["ps", "-q"]).code == 0);
    // What failed half-way left nothing, with as many descriptors as it has now.
    for _ in 0..5 {
        daemon.docker(&["run", "--rm", &image, "true"]);
    }
    Command::new("prlimit")
        .args(["--pid", &pid, "--nofile=4096:4096"])
        .run()
        .ok();
    daemon.docker(&["run", "--rm", &image, "true"]).ok();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "running");
    ticks(&daemon, "c1");
    let left = daemon.docker(&["ps", "-aq", "--filter", "name=c1"]).ok();
    let all = daemon.docker(&["ps", "-aq"]).ok();
    for id in all.lines().filter(|id| *id != left) {
        daemon.docker(&["rm", "-f", id]).ok();
    }
}

#[test]
fn clients_that_never_read_hold_up_nobody() {
    let (daemon, image) = Daemon::with_busybox();
    let flood = "while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done";
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "flood",
            "--log-opt",
            "max-size=1m",
            &image,
            "sh",
            "-c",
            flood,
        ])
        .ok();
    let resident = |daemon: &Daemon| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let before = resident(&daemon);
    let deaf: Vec<UnixStream> = [
        "GET /containers/flood/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(),
        "GET /events?since=1 HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(),
        "GET /containers/flood/stats HTTP/1.1\r\nHost: d\r\n\r\n".to_owned(),
    ]
    .iter()
    .flat_map(|request| (0..5).map(|_| ask(&daemon, request)).collect::<Vec<_>>())
    .collect();
    for round in 0..10 {
        let name = format!("other{round}");
        docker_within(&daemon, &["run", "--rm", "--name", &name, &image, "true"]).ok();
    }
    // The container is not held up either: its log goes on.
    let log = daemon.data_root().join(format!("containers/{id}/{id}-json.log"));
    let written = || {
        let file = std::fs::metadata(&log).unwrap();
        (file.len(), std::os::unix::fs::MetadataExt::ino(&file))
    };
    let now = written();
    wait_until("it goes on logging", PATIENCE, || written() != now);
    docker_within(&daemon, &["logs", "--tail", "1", "flood"]).ok();
    // A client that is attached and does not read holds up the process that it is attached to, as with dockerd, and
    // nobody else.
    let attached = ask(
        &daemon,
        "POST /containers/flood/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: \
         tcp\r\n\r\n",
    );
    docker_within(&daemon, &["run", "--rm", &image, "true"]).ok();
    docker_within(&daemon, &["exec", "flood", "true"]).ok();
    let grown = resident(&daemon).saturating_sub(before);
    assert!(grown < 100 << 10, "the daemon grew by {grown} KiB");
    assert_eq!(docker_within(&daemon, &["stop", "-t", "0", "flood"]).ok(), "flood");
    drop((deaf, attached));
}

#[test]
fn row_076_attaching_and_leaving_often_costs_nothing() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["run", "-d", "-i", "--name", "c1", &image, "cat"]).ok();
    let (own, shim) = (daemon.pid().to_string(), shim_of(&daemon, "c1"));
    let cycle = |index: u64| {
        let mut stream = ask(
            &daemon,
            "POST /containers/c1/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n\
             Upgrade: tcp\r\n\r\n",
        );
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Every third leaves at once, every third in the middle of a line, every third after the answer.
        if index.is_multiple_of(3) {
            return;
        }
        stream.write_all(b"half").unwrap();
        if index % 3 == 1 {
            return;
        }
        stream.write_all(b" a line\n").unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&answer).contains("a line") {
            let length = stream.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&buffer[..length]);
        }
    };
    (0..6).for_each(cycle);
    let calm = |pid: &str, at_most: usize| {
        wait_until("the clients are forgotten", PATIENCE, || descriptors(pid) <= at_most);
    };
    let before = (descriptors(&own), descriptors(&shim));
    (0..number("TIERCE_ATTACHES", 60)).for_each(cycle);
    calm(&own, before.0 + 2);
    calm(&shim, before.1 + 2);
    let mut alive = daemon.docker_command();
    alive.args(["attach", "--sig-proxy=false", "c1"]);
    tierce_testkit::attach_echoes(&mut alive, "still there\n");
}

/// The commands that have nothing to do with the container that hangs.
fn others_work(daemon: &Daemon, image: &str, stuck: &str) {
    for arguments in [
        &["ps", "-a"][..],
        &["inspect", stuck],
        &["inspect", "other"],
        &["info"],
        &["logs", stuck],
        &["exec", "other", "true"],
        &["stats", "--no-stream", "other"],
        &["run", "--rm", "--name", "third", image, "true"],
        &["restart", "-t", "0", "other"],
        &["network", "inspect", "bridge"],
        &["volume", "ls"],
        &["system", "df"],
    ] {
        let output = docker_within(daemon, arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
    }
}

#[test]
fn one_stopped_shim_holds_up_no_other_container() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "-d", "--name", "stuck", &image, "sh", "-c", TICKER])
        .ok();
    daemon
        .docker(&["run", "-d", "--name", "other", &image, "sleep", "1000"])
        .ok();
    let shim = shim_of(&daemon, "stuck");
    signal("-STOP", &shim);
    // Commands on it wait, in the background.
    let waiting: Vec<_> = [
        &["exec", "stuck", "true"][..],
        &["stop", "stuck"],
        &["stats", "--no-stream", "stuck"],
    ]
    .into_iter()
    .map(|arguments| {
        let mut client = daemon.docker_command();
        client.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        client.spawn().unwrap()
    })
    .collect();
    others_work(&daemon, &image, "stuck");
    // Not even a new daemon waits for it for ever.
    daemon.crash();
    daemon.launch();
    let listed = docker_within(&daemon, &["ps", "-a", "--format", "{{.Names}}"]).ok();
    assert!(listed.contains("other"), "{listed}");
    others_work(&daemon, &image, "other");
    signal("-CONT", &shim);
    for mut client in waiting {
        client.wait().unwrap();
    }
}

#[test]
fn one_hung_mount_holds_up_no_other_container() {
    let (daemon, image) = Daemon::with_busybox();
    let mut hung = match HungMount::new() {
        Ok(hung) => hung,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            return;
        }
    };
    daemon
        .docker(&["run", "-d", "--name", "other", &image, "sleep", "1000"])
        .ok();
    let source = format!("{}:/data", hung.path().display());
    let mut client = daemon.docker_command();
    client.args(["run", "-d", "--name", "stuck", "-v", &source, &image, "ls", "/data"]);
    let mut starting = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    for arguments in [
        &["ps", "-a"][..],
        &["info"],
        &["inspect", "other"],
        &["exec", "other", "true"],
        &["run", "--rm", "--name", "third", &image, "true"],
        &["restart", "-t", "0", "other"],
        &["volume", "ls"],
        &["system", "df"],
    ] {
        let output = docker_within(&daemon, arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
    }
    hung.release();
    starting.wait().unwrap();
    // Whatever came of it, it can be removed.
    daemon.docker(&["rm", "-f", "stuck"]);
    let listed: Vec<Value> = serde_json::from_str(&daemon.request("GET", "/containers/json?all=1", None).1).unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
}
