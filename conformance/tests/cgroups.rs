//! Limits and accounting: rows 121 to 129.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tierce_testkit::{Daemon, wait_until};

/// The control group of a container for one v1 controller, or the unified one.
fn group(daemon: &Daemon, controller: &str, id: &str) -> PathBuf {
    let below = format!("{}/{id}", daemon.cgroup_parent());
    let v1 = Path::new("/sys/fs/cgroup").join(controller).join(&below);
    if v1.exists() {
        v1
    } else {
        Path::new("/sys/fs/cgroup").join(below)
    }
}

fn is_v1() -> bool {
    Path::new("/sys/fs/cgroup/memory").exists()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

#[test]
fn row_121_groups_limit_weigh_account_and_control() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "--pids-limit",
            "20",
            "-m",
            "64m",
            "--cpu-shares",
            "512",
            &image,
            "sleep",
            "100",
        ])
        .ok();
    // Limit:
    assert_eq!(read(&group(&daemon, "pids", &id).join("pids.max")), "20");
    // Weigh, account:
    if is_v1() {
        assert_eq!(read(&group(&daemon, "cpu", &id).join("cpu.shares")), "512");
        assert!(
            read(&group(&daemon, "memory", &id).join("memory.usage_in_bytes"))
                .parse::<u64>()
                .unwrap()
                > 0
        );
    } else {
        assert!(
            read(&group(&daemon, "", &id).join("memory.current"))
                .parse::<u64>()
                .unwrap()
                > 0
        );
    }
    // Control:
    daemon.docker(&["pause", &id]).ok();
    daemon.docker(&["unpause", &id]).ok();
    let text = daemon.docker(&["exec", &id, "sh", "-c", "for i in $(seq 40); do sleep 5 & done"]);
    assert!(text.stderr.contains("can't fork"), "{text:?}");
}

#[test]
fn row_122_row_123_groups_come_and_go_with_the_container() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon.docker(&["run", "-d", &image, "sleep", "100"]).ok();
    let controllers: &[&str] = if is_v1() {
        &[
            "cpu", "cpuacct", "memory", "devices", "freezer", "pids", "blkio", "cpuset",
        ]
    } else {
        &[""]
    };
    for controller in controllers {
        assert!(
            group(&daemon, controller, &id).join("cgroup.procs").is_file(),
            "{controller}"
        );
    }
    daemon.docker(&["rm", "-f", &id]).ok();
    for controller in controllers {
        assert!(!group(&daemon, controller, &id).exists(), "{controller}");
    }
}

#[test]
fn row_124_every_process_of_the_container_is_in_the_group() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&["run", "-d", &image, "sh", "-c", "sleep 100 & sleep 100 & wait"])
        .ok();
    let file = group(&daemon, "memory", &id).join("cgroup.procs");
    wait_until("three processes are in the group", Duration::from_secs(30), || {
        read(&file).lines().count() == 3
    });
    assert!(
        read(&file)
            .lines()
            .any(|pid| pid == daemon.inspect(&id, "{{.State.Pid}}"))
    );
}

#[test]
fn row_125_cpus_become_a_quota_that_holds() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&["run", "-d", "--cpus", "0.2", &image, "sh", "-c", "while :; do :; done"])
        .ok();
    if is_v1() {
        assert_eq!(read(&group(&daemon, "cpu", &id).join("cpu.cfs_quota_us")), "20000");
        assert_eq!(read(&group(&daemon, "cpu", &id).join("cpu.cfs_period_us")), "100000");
        let usage = || {
            read(&group(&daemon, "cpuacct", &id).join("cpuacct.usage"))
                .parse::<f64>()
                .unwrap()
        };
        // Within 5 %; tried again, since on a busy machine it may get less, or be read late.
        let mut shares = Vec::new();
        while !shares.last().is_some_and(|share| (0.19..=0.21).contains(share)) {
            assert!(shares.len() < 6, "{shares:?}");
            let (start, before) = (Instant::now(), usage());
            std::thread::sleep(Duration::from_secs(4));
            shares.push((usage() - before) / start.elapsed().as_nanos() as f64);
        }
    } else {
        assert_eq!(read(&group(&daemon, "", &id).join("cpu.max")), "20000 100000");
    }
}

#[test]
fn row_126_shares_quota_and_period_are_written() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "--cpu-shares",
            "2048",
            "--cpu-period",
            "50000",
            "--cpu-quota",
            "25000",
            "--cpuset-cpus",
            "0",
            &image,
            "sleep",
            "100",
        ])
        .ok();
    if is_v1() {
        let cpu = group(&daemon, "cpu", &id);
        assert_eq!(
            [
                read(&cpu.join("cpu.shares")),
                read(&cpu.join("cpu.cfs_quota_us")),
                read(&cpu.join("cpu.cfs_period_us"))
            ],
            ["2048", "25000", "50000"]
        );
        assert_eq!(read(&group(&daemon, "cpuset", &id).join("cpuset.cpus")), "0");
    } else {
        assert_eq!(read(&group(&daemon, "", &id).join("cpu.max")), "25000 50000");
    }
}

#[test]
fn row_129_without_the_killer_a_task_sleeps_until_there_is_memory() {
    if !is_v1() {
        println!("skipped: control groups v2 cannot disable the OOM killer");
        return;
    }
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "-m",
            "16m",
            "--memory-swap",
            "16m",
            "--oom-kill-disable",
            &image,
            "awk",
            // A program of its own accord: a system call would fail instead of sleep.
            "BEGIN { text = \"x\"; for (i = 0; i < 25; i++) text = text text; print length(text) }",
        ])
        .ok();
    let memory = group(&daemon, "memory", &id);
    wait_until("the limit is met", Duration::from_secs(30), || {
        read(&memory.join("memory.oom_control")).contains("under_oom 1")
    });
    assert_eq!(daemon.inspect(&id, "{{.State.Running}}"), "true");
    daemon
        .docker(&["update", "-m", "256m", "--memory-swap", "256m", &id])
        .ok();
    assert_eq!(daemon.docker(&["wait", &id]).ok(), "0");
    assert_eq!(daemon.docker(&["logs", &id]).ok(), (1 << 25).to_string());
}

#[test]
fn row_129_over_the_memory_limit_it_is_killed_and_that_is_told() {
    let (daemon, image) = Daemon::with_busybox();
    let output = daemon.docker(&[
        "run",
        "--name",
        "c1",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        &image,
        "sh",
        "-c",
        "head -c 200m /dev/zero | tail",
    ]);
    assert_ne!(output.code, 0);
    wait_until("the kill is recorded", Duration::from_secs(30), || {
        daemon.inspect("c1", "{{.State.OOMKilled}}") == "true"
    });
    let text = daemon.docker(&["run", "--rm", "-m", "1m", &image, "true"]).fails(125);
    assert!(text.contains("Minimum memory limit allowed is 6MB"), "{text}");
}

#[test]
fn row_127_statistics_match_the_files() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "-m",
            "64m",
            &image,
            "sh",
            "-c",
            "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done; exec sleep 1000",
        ])
        .ok();
    wait_until("the work is done", Duration::from_mins(1), || {
        daemon
            .docker(&["top", &id, "-o", "pid,args"])
            .ok()
            .contains("sleep 1000")
    });
    let usage = || {
        if is_v1() {
            return read(&group(&daemon, "cpuacct", &id).join("cpuacct.usage"))
                .parse()
                .unwrap();
        }
        let text = read(&group(&daemon, "", &id).join("cpu.stat"));
        text.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1000
    };
    let before = usage();
    let (status, body) = daemon.request("GET", &format!("/containers/{id}/stats?stream=false"), None);
    assert_eq!(status, 200, "{body}");
    let stats: serde_json::Value = serde_json::from_str(&body).unwrap();
    let told = stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap();
    assert!((before..=usage()).contains(&told), "{before} {told} {}", usage());
    assert_eq!(stats["memory_stats"]["limit"], 64 << 20);
    assert_eq!(stats["pids_stats"]["current"], 1);
    let line = daemon
        .docker(&["stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", &id])
        .ok();
    assert!(line.ends_with("/ 64MiB 1"), "{line}");
}

#[test]
fn row_128_processors_and_memory_nodes_are_obeyed() {
    let (daemon, image) = Daemon::with_busybox();
    let allowed = daemon
        .docker(&[
            "run",
            "--rm",
            "--cpuset-cpus",
            "0",
            "--cpuset-mems",
            "0",
            &image,
            "grep",
            "_allowed_list",
            "/proc/self/status",
        ])
        .ok();
    assert_eq!(allowed, "Cpus_allowed_list:\t0\nMems_allowed_list:\t0");
    let error = daemon
        .docker(&["run", "--rm", "--cpuset-cpus", "4000", &image, "true"])
        .fails(125);
    assert!(
        error.contains("Requested CPUs are not available - requested 4000, available: "),
        "{error}"
    );
}

#[test]
fn row_132_pause_stops_every_task() {
    let (daemon, image) = Daemon::with_busybox();
    let count = "(while :; do echo x >> /one; done) & while :; do echo x >> /two; done";
    let id = daemon.docker(&["run", "-d", &image, "sh", "-c", count]).ok();
    let upper = PathBuf::from(daemon.inspect(&id, "{{.GraphDriver.Data.UpperDir}}"));
    let sizes = || ["one", "two"].map(|name| std::fs::metadata(upper.join(name)).map_or(0, |file| file.len()));
    wait_until("both write", Duration::from_secs(30), || !sizes().contains(&0));
    daemon.docker(&["pause", &id]).ok();
    let before = sizes();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(sizes(), before);
    daemon.docker(&["unpause", &id]).ok();
    wait_until("both go on", Duration::from_secs(30), || {
        let now = sizes();
        now[0] > before[0] && now[1] > before[1]
    });
}
