//! What happens to the machine: its clock is set, its memory ends, it starts anew.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tierce_testkit::{Daemon, ImageBuilder, Output, Run as _, wait_until};

const PATIENCE: Duration = Duration::from_mins(1);
const TICKER: &str = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done";

/// The shim of a container: the parent of its first process.
fn shim_of(daemon: &Daemon, container: &str) -> String {
    let pid = daemon.inspect(container, "{{.State.Pid}}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    parent.trim().to_owned()
}

/// Our client with a limit that only a command which hangs reaches.
fn within(daemon: &Daemon, arguments: &[&str]) -> Output {
    let client = daemon.tierce_command();
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "60"]).arg(client.get_program());
    command.args(client.get_args()).args(arguments);
    command.run()
}

/// A library that tells one program another time, where Debian's package is installed.
fn other_clock() -> Option<PathBuf> {
    let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
    let path = Path::new("/usr/lib")
        .join(architecture)
        .join("faketime/libfaketimeMT.so.1");
    path.exists().then_some(path)
}

#[test]
fn row_080_a_clock_that_is_set_by_a_day_stops_nothing() {
    let Some(library) = other_clock() else {
        eprintln!("skipped: libfaketime is not installed");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let offset = directory.path().join("offset");
    // Replaced, not rewritten: it is read at every look at the clock.
    let set = |text: &str| {
        let new = directory.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &offset).unwrap();
    };
    set("+0");
    let mut daemon = Daemon::start();
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    daemon.environment = [
        ("LD_PRELOAD", library.to_string_lossy().into_owned()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_string_lossy().into_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DISABLE_SHM", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    daemon.restart();
    let run = |name: &str, flags: &[&str], script: &str| {
        let words = [&["run", "-d", "--name", name], flags, &[&image, "sh", "-c", script]].concat();
        daemon.docker(&words).ok()
    };
    run("c1", &["--health-cmd", "true", "--health-interval", "100ms"], TICKER);
    let probes = || daemon.inspect("c1", "{{(index .State.Health.Log 0).Start}}");
    let status = || within(&daemon, &["ps", "--filter", "name=c1", "--format", "{{.Status}}"]).ok();
    wait_until("it is healthy", PATIENCE, || status().contains("(healthy)"));
    for (to, up) in [("+1d", "Up 24 hours"), ("-1d", "Up Less than a second"), ("+0", "Up ")] {
        let again = format!("again{to}").replace(['+', '-'], "");
        run(&again, &["--restart", "always"], "exit 1");
        let restarts = || daemon.inspect(&again, "{{.RestartCount}}").parse::<u32>().unwrap();
        let (restarted, probed) = (restarts(), probes());
        let logged = within(&daemon, &["logs", "c1"]).ok().lines().count();
        set(to);
        assert!(status().starts_with(up), "{to}: {}", status());
        within(&daemon, &["run", "--rm", &image, "true"]).ok();
        within(&daemon, &["exec", "c1", "true"]).ok();
        wait_until("it is probed", PATIENCE, || probes() != probed);
        wait_until("it is restarted", PATIENCE, || restarts() > restarted + 1);
        wait_until("it logs", PATIENCE, || {
            within(&daemon, &["logs", "--since", "10m", "c1"]).ok().lines().count() > logged
        });
        assert!(status().contains("(healthy)"), "{to}: {}", status());
        within(&daemon, &["rm", "-f", &again]).ok();
    }
    // How long it may take to end is no matter of the clock either.
    set("-1d");
    within(&daemon, &["stop", "-t", "1", "c1"]).ok();
    set("+0");
}

/// A memory group of this test's own, on either kind of hierarchy.
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let old = root.join("memory");
        let group = Self(if old.exists() { old.join(name) } else { root.join(name) });
        std::fs::create_dir(&group.0).ok()?;
        group.limit().exists().then_some(group)
    }

    fn limit(&self) -> PathBuf {
        let old = self.0.join("memory.limit_in_bytes");
        if old.exists() { old } else { self.0.join("memory.max") }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::fs::remove_dir(&self.0);
        } else {
            wait_until("the group is empty", PATIENCE, || std::fs::remove_dir(&self.0).is_ok());
        }
    }
}

#[test]
fn row_102_a_daemon_that_the_kernel_kills_for_want_of_memory_leaves_all_containers() {
    let (mut daemon, image) = Daemon::with_busybox();
    let Some(group) = Group::new(&format!("{}-daemon", daemon.cgroup_parent())) else {
        eprintln!("skipped: there is no memory controller here");
        return;
    };
    // Its shims are made in its group, so they are in need too.
    std::fs::write(group.0.join("cgroup.procs"), daemon.pid().to_string()).unwrap();
    let names = ["c1", "c2", "c3"];
    for name in names {
        daemon
            .docker(&["run", "-d", "--name", name, &image, "sh", "-c", TICKER])
            .ok();
    }
    let lives = |daemon: &Daemon| names.map(|name| daemon.inspect(name, "{{.State.Status}} {{.State.Pid}}"));
    let shims = names.map(|name| shim_of(&daemon, name));
    let members = std::fs::read_to_string(group.0.join("cgroup.procs")).unwrap();
    assert!(
        shims.iter().all(|shim| members.lines().any(|pid| pid == shim)),
        "{members}"
    );
    let before = lives(&daemon);
    // What it has now is counted elsewhere, or nearly all there is to have.
    let usage = ["memory.usage_in_bytes", "memory.current"]
        .iter()
        .find_map(|file| std::fs::read_to_string(group.0.join(file)).ok())
        .unwrap();
    let limit = usage.trim().parse::<u64>().unwrap() + (2 << 20);
    std::fs::write(group.limit(), limit.to_string()).unwrap();
    let kills = || {
        let of_kernel = ["memory.oom_control", "memory.events"].iter().find_map(|file| {
            let text = std::fs::read_to_string(group.0.join(file)).ok()?;
            text.lines()
                .find_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok())
        });
        of_kernel.unwrap_or_default()
    };
    // Requests that never end.
    let mut greedy = Vec::new();
    wait_until("the kernel kills it", PATIENCE, || {
        for _ in 0..50 {
            let Ok(mut stream) = UnixStream::connect(daemon.socket()) else {
                break;
            };
            let _ = stream.set_write_timeout(Some(Duration::from_millis(50)));
            let _ = stream.write_all(format!("GET /_ping HTTP/1.1\r\nx: {}", "x".repeat(60_000)).as_bytes());
            greedy.push(stream);
        }
        kills() > 0
    });
    drop(greedy);
    // It was killed, not one of them.
    wait_until("the daemon is gone", PATIENCE, || {
        UnixStream::connect(daemon.socket()).is_err()
    });
    for shim in &shims {
        assert!(
            Path::new(&format!("/proc/{shim}/exe")).exists(),
            "the shim {shim} is gone"
        );
    }
    daemon.crash();
    daemon.launch();
    assert_eq!(lives(&daemon), before);
    for name in names {
        let log = daemon.docker(&["logs", name]).ok();
        let whole = log.lines().enumerate().all(|(index, line)| line == index.to_string());
        assert!(whole, "a line of {name} is lost");
        daemon.docker(&["exec", name, "true"]).ok();
        daemon.docker(&["rm", "-f", name]).ok();
    }
    daemon.docker(&["run", "--rm", &image, "true"]).ok();
}

/// The control groups of all containers, in all hierarchies.
fn groups(daemon: &Daemon) -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(&root).unwrap().flatten().map(|entry| entry.path());
    let parents = hierarchies
        .chain([root])
        .map(|hierarchy| hierarchy.join(daemon.cgroup_parent()));
    let groups = parents.flat_map(|parent| std::fs::read_dir(parent).into_iter().flatten().flatten());
    groups.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// What a reboot does to a daemon's containers: nothing of them is left but what is on the disk.
fn reboot(daemon: &mut Daemon) {
    daemon.crash();
    let holders = |daemon: &Daemon| -> Vec<String> {
        let root = daemon.exec_root();
        let of_us = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&*root.to_string_lossy())
        });
        of_us.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    // Shims are killed with everything below them: their namespaces' first processes.
    let mut tree = holders(daemon);
    for parent in tree.clone() {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        tree.extend(children.split_whitespace().map(str::to_owned));
    }
    for pid in &tree {
        Command::new("kill").args(["-KILL", pid]).run();
    }
    // What is frozen does not even die.
    for group in groups(daemon) {
        let _ = std::fs::write(group.join("freezer.state"), "THAWED");
        let _ = std::fs::write(group.join("cgroup.freeze"), "0");
    }
    wait_until("they are gone", PATIENCE, || {
        tree.iter().all(|pid| {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        })
    });
    let root = daemon.exec_root();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let of_us = |target: &&str| {
        target.starts_with(&*root.to_string_lossy()) || target.starts_with(&*daemon.data_root().to_string_lossy())
    };
    for target in mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(of_us) {
        Command::new("umount").args(["--lazy", target]).run();
    }
    std::fs::remove_dir_all(&root).unwrap();
    for link in daemon.host().links() {
        daemon.host().run(&["ip", "link", "delete", &link]);
    }
    daemon.host().run(&["nft", "flush", "ruleset"]);
    for group in groups(daemon) {
        let _ = std::fs::remove_dir(&group);
        let _ = std::fs::remove_dir(group.parent().unwrap());
    }
}

#[test]
fn row_080_after_a_reboot_all_have_ended_with_255_and_their_policies_apply() {
    let (mut daemon, image) = Daemon::with_busybox();
    let run = |daemon: &Daemon, name: &str, flags: &[&str]| {
        let words = [&["run", "-d", "--name", name], flags, &[&image, "sleep", "1000"]].concat();
        daemon.docker(&words).ok()
    };
    run(&daemon, "plain", &["-p", "8080:80"]);
    run(&daemon, "always", &["--restart", "always", "-p", "8081:80"]);
    run(&daemon, "unless", &["--restart", "unless-stopped"]);
    run(&daemon, "failed", &["--restart", "on-failure:3"]);
    run(&daemon, "stopped", &["--restart", "unless-stopped"]);
    run(&daemon, "paused", &[]);
    run(&daemon, "gone", &["--rm", "-v", "/data"]);
    daemon.docker(&["create", "--name", "made", &image]).ok();
    daemon.docker(&["stop", "-t", "0", "stopped"]).ok();
    daemon.docker(&["pause", "paused"]).ok();
    daemon.docker(&["exec", "always", "sh", "-c", "echo kept > /kept"]).ok();
    let addresses = daemon.inspect("always", "{{.NetworkSettings.Networks.bridge.IPAddress}}");
    assert!(!addresses.is_empty());
    reboot(&mut daemon);
    daemon.launch();
    let state = |name: &str| daemon.inspect(name, "{{.State.Status}} {{.State.ExitCode}} {{.State.Paused}}");
    assert_eq!(state("plain"), "exited 255 false");
    assert_eq!(state("paused"), "exited 255 false");
    assert_eq!(state("stopped"), "exited 137 false");
    assert_eq!(state("made"), "created 0 false");
    for name in ["always", "unless", "failed"] {
        wait_until("it runs again", PATIENCE, || state(name) == "running 0 false");
    }
    wait_until("it is removed", PATIENCE, || {
        let names = daemon.docker(&["ps", "-a", "--format", "{{.Names}}"]).ok();
        !names.lines().any(|name| name == "gone")
    });
    assert_eq!(
        daemon.docker(&["volume", "ls", "-q"]).ok(),
        "",
        "its anonymous volume too"
    );
    assert_eq!(daemon.docker(&["exec", "always", "cat", "/kept"]).ok(), "kept");
    daemon.docker(&["start", "plain", "paused"]).ok();
    assert_eq!(
        daemon.docker(&["port", "plain"]).ok().lines().next(),
        Some("80/tcp -> 0.0.0.0:8080")
    );
    daemon.docker(&["run", "--rm", &image, "true"]).ok();
}
