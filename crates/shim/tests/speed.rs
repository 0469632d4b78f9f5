//! Measurements, not tests: `cargo test --release -p tierce-shim --test speed -- --ignored --nocapture --test-threads 1`.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::{House, can_run, run};
use tierce_task::{ProcessId, Tasks};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "measures"]
async fn round_trip_of_true() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let mut parts = [const { Vec::new() }; 5];
    for _ in 0..60 {
        let create = house.create_with(&["true"], false);
        let id = ProcessId::init(create.id.clone());
        let mut last = Instant::now();
        let mut lap = |index: usize| {
            parts[index].push(last.elapsed());
            last = Instant::now();
        };
        supervisor.create(create).await.unwrap();
        lap(0);
        supervisor.start(&id).await.unwrap();
        lap(1);
        supervisor.wait(&id).await.unwrap();
        lap(2);
        supervisor.delete(&id).await.unwrap();
        lap(3);
    }
    for (name, times) in ["create", "start", "wait", "delete"].iter().zip(&mut parts) {
        times.sort();
        println!("{name:8} median {:?}, best {:?}", times[times.len() / 2], times[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "measures"]
async fn memory_of_an_idle_shim() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    let create = house.create("echo hello; exec sleep 100");
    let id = ProcessId::init(create.id.clone());
    supervisor.create(create).await.unwrap();
    supervisor.start(&id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let bundle = supervisor.state(&id.container).unwrap().bundle;
    let pid = fs::read_to_string(bundle.join("shim.pid")).unwrap();
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    for line in rollup
        .lines()
        .filter(|line| line.starts_with("Rss") || line.starts_with("Pss:") || line.starts_with("Private"))
    {
        println!("{line}");
    }
    supervisor.kill(&id, 9, false).await.unwrap();
    supervisor.wait(&id).await.unwrap();
    supervisor.delete(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "measures"]
async fn a_gigabyte_of_output() {
    if !can_run() {
        return;
    }
    let house = House::new();
    let supervisor = house.supervisor();
    // Written by large `write`s: whoever writes line by line is slower than the shim.
    let lines = format!("{}\n", "x".repeat(99)).repeat(500_000);
    fs::write(house.rootfs.join("tmp/lines"), lines).unwrap();
    let script = "for round in $(seq 20); do cat /tmp/lines; done";
    let begin = Instant::now();
    assert_eq!(run(&supervisor, house.create(script)).await, 0);
    let logged = begin.elapsed();
    let mut create = house.create(script);
    create.log = String::new();
    let begin = Instant::now();
    assert_eq!(run(&supervisor, create).await, 0);
    println!(
        "1 GB of 100-byte lines: {logged:?} logged, {:?} discarded",
        begin.elapsed()
    );
}
