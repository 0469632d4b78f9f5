//! Many at once, and nothing left afterwards.
//!
//! `TIERCE_LOAD_SECONDS` (5) and `TIERCE_LOAD_LOOPS` (8) say how long and how many run containers at once,
//! `TIERCE_MANY` (40) how many containers there are for the list.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tierce_testkit::{Daemon, Run as _, Snapshot};

const PATIENCE: Duration = Duration::from_mins(2);

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// What the daemon has on the machine.
#[derive(Debug, PartialEq)]
struct Held {
    traces: Snapshot,
    links: Vec<String>,
    descriptors: usize,
    /// Files below the exec root, so nothing of a container stays there.
    files: usize,
}

fn held(daemon: &Daemon) -> Held {
    fn files(directory: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .map(|entry| {
                1 + entry
                    .file_type()
                    .map_or(0, |kind| if kind.is_dir() { files(&entry.path()) } else { 0 })
            })
            .sum()
    }
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    Held {
        traces: daemon.traces(),
        links: daemon.host().links(),
        descriptors,
        files: files(&daemon.exec_root()) + files(&daemon.data_root().join("containers")),
    }
}

/// The same, once what containers left behind is gone: some of it goes on the kernel's time.
fn held_at_rest(daemon: &Daemon) -> Held {
    let deadline = Instant::now() + PATIENCE;
    let mut before = held(daemon);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = held(daemon);
        let is_at_rest = !now.links.iter().any(|link| link.starts_with("veth"));
        if (is_at_rest && now == before) || Instant::now() > deadline {
            return now;
        }
        before = now;
    }
}

fn resident_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn containers_that_come_and_go_leave_nothing() {
    let (daemon, image) = Daemon::with_busybox();
    let run = |daemon: &Daemon| {
        let mut client = daemon.tierce_command();
        client.args(["run", "--rm", "-p", "80", &image, "true"]);
        client.run().ok();
    };
    // What is made at first use is made.
    (0..5).for_each(|_| run(&daemon));
    let (before, memory) = (held_at_rest(&daemon), resident_kib(&daemon));
    let (begun, seconds) = (Instant::now(), number("TIERCE_LOAD_SECONDS", 5));
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..number("TIERCE_LOAD_LOOPS", 8) {
            scope.spawn(|| {
                while begun.elapsed() < Duration::from_secs(seconds) {
                    run(&daemon);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let count = count.into_inner();
    let mut after = held_at_rest(&daemon);
    // It may keep some for what comes next.
    assert!(
        after.descriptors <= before.descriptors + 4,
        "{after:?}, before {before:?}"
    );
    after.descriptors = before.descriptors;
    assert_eq!(after, before);
    let grown = resident_kib(&daemon).saturating_sub(memory);
    println!(
        "{count} containers in {seconds} s; the daemon went from {memory} to {} KiB",
        memory + grown
    );
    // Past events are kept, a fixed number of them.
    assert!(
        grown < 32 << 10,
        "the daemon grew by {grown} KiB over {count} containers"
    );
    assert_eq!(daemon.docker(&["ps", "-aq"]).ok(), "");
}

#[test]
fn row_083_many_containers_are_listed() {
    let (daemon, image) = Daemon::with_busybox();
    let many = number("TIERCE_MANY", 40);
    let create = format!(r#"{{"Image": "{image}", "Cmd": ["true"], "HostConfig": {{"NetworkMode": "none"}}}}"#);
    for index in 0..many {
        let (status, body) = daemon.request("POST", &format!("/containers/create?name=n{index}"), Some(&create));
        assert_eq!(status, 201, "{body}");
    }
    let begun = Instant::now();
    let (status, body) = daemon.request("GET", "/containers/json?all=1", None);
    let took = begun.elapsed();
    assert_eq!(status, 200);
    let listed: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
    assert_eq!(listed.len() as u64, many);
    let begun = Instant::now();
    assert_eq!(daemon.tierce(&["ps", "-aq"]).ok().lines().count() as u64, many);
    println!(
        "{many} containers: the API lists them in {took:?}, `ps -a` in {:?}",
        begun.elapsed()
    );
    let all = daemon.docker(&["ps", "-aq"]).ok();
    let ids: Vec<&str> = all.lines().collect();
    for some in ids.chunks(100) {
        daemon.docker(&[&["rm", "-f"], some].concat()).ok();
    }
}
