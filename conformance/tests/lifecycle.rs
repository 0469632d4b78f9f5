//! The life of a container: rows 70 to 84.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::time::Duration;
use tierce_testkit::{Daemon, Run as _, attach_echoes, wait_until};

#[test]
fn row_070_run_goes_through_its_steps_in_order_and_says_so() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["run", "--name", "c1", &image, "true"]).ok();
    let told = daemon.events(Daemon::docker, &["--format", "{{.Type}} {{.Action}}"]);
    let steps: Vec<&str> = told.lines().filter(|line| !line.starts_with("image")).collect();
    // The order of dockerd: the network is left before the end is told.
    let expected = [
        "container create",
        "container attach",
        "network connect",
        "container start",
        "network disconnect",
        "container die",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn row_070_a_failed_start_undoes_every_step() {
    let (daemon, image) = Daemon::with_busybox();
    let text = daemon
        .docker(&["run", "--rm", "-p", "8080:80", &image, "no-such-program"])
        .fails(127);
    assert!(text.contains("executable file not found in $PATH"), "{text}");
    wait_until("the container is removed", Duration::from_secs(20), || {
        daemon.docker(&["ps", "-aq"]).ok().is_empty()
    });
    // The port is free again, and no interface is left.
    daemon.docker(&["run", "--rm", "-p", "8080:80", &image, "true"]).ok();
    wait_until("no interface is left", Duration::from_secs(20), || {
        daemon.host().links().iter().all(|link| !link.starts_with("veth"))
    });
}

#[test]
fn row_071_the_everyday_flags_run_unchanged() {
    let (daemon, image) = Daemon::with_busybox();
    let output = daemon
        .docker_command()
        .args([
            "run",
            "-i",
            "--entrypoint",
            "/bin/sh",
            "--rm",
            "--name",
            "alpine-container",
            "--net=none",
            &image,
        ])
        .run_with(b"echo from-shell; exit 4\n");
    assert_eq!((output.stdout.as_str(), output.code), ("from-shell\n", 4), "{output:?}");
    let output = daemon
        .tierce_command()
        .args([
            "run",
            "-i",
            "--entrypoint",
            "/bin/sh",
            "--rm",
            "--name",
            "alpine-container",
            "--net=none",
            &image,
        ])
        .run_with(b"echo from-shell; exit 4\n");
    assert_eq!((output.stdout.as_str(), output.code), ("from-shell\n", 4), "{output:?}");
}

#[test]
fn row_072_the_states_follow_each_other_and_wrong_steps_are_refused() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon.docker(&["create", "--name", "c1", &image, "sleep", "100"]).ok();
    let state = || daemon.inspect("c1", "{{.State.Status}}");
    assert_eq!(state(), "created");
    assert_eq!(daemon.request("POST", "/containers/c1/kill", None).0, 409);
    assert_eq!(daemon.request("POST", "/containers/c1/start", None).0, 204);
    assert_eq!(state(), "running");
    assert_eq!(daemon.request("POST", "/containers/c1/start", None).0, 304);
    assert_eq!(daemon.request("DELETE", "/containers/c1", None).0, 409);
    daemon.docker(&["rename", "c1", "d1"]).ok();
    assert_eq!(daemon.inspect("d1", "{{.Id}} {{.Name}}"), format!("{id} /d1"));
    daemon.docker(&["kill", "d1"]).ok();
    wait_until("it has exited", Duration::from_secs(20), || {
        daemon.inspect("d1", "{{.State.Status}}") == "exited"
    });
    assert_eq!(daemon.inspect("d1", "{{.State.ExitCode}}"), "137");
    assert_eq!(daemon.request("POST", "/containers/d1/stop", None).0, 304);
    daemon.docker(&["rm", "d1"]).ok();
    assert_eq!(daemon.request("GET", "/containers/d1/json", None).0, 404);
}

#[test]
fn row_072_pause_holds_and_unpause_lets_go() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "100"])
        .ok();
    daemon.docker(&["pause", "c1"]).ok();
    assert_eq!(
        daemon.inspect("c1", "{{.State.Status}} {{.State.Running}} {{.State.Paused}}"),
        "paused true true"
    );
    daemon.docker(&["unpause", "c1"]).ok();
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "running");
}

#[test]
fn row_073_a_stopped_container_keeps_its_files_and_identity() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c1",
            &image,
            "sh",
            "-c",
            "date >> /stamp; exec sleep 100",
        ])
        .ok();
    wait_until("it has written", Duration::from_secs(20), || {
        daemon.docker(&["exec", "c1", "test", "-s", "/stamp"]).code == 0
    });
    daemon.docker(&["restart", "-t", "0", "c1"]).ok();
    wait_until("it has written twice", Duration::from_secs(20), || {
        daemon
            .docker(&["exec", "c1", "wc", "-l", "/stamp"])
            .stdout
            .starts_with('2')
    });
    assert_eq!(daemon.inspect("c1", "{{.Id}}"), id);
}

#[test]
fn row_074_each_container_has_its_directory() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&[
            "run",
            "-d",
            "--hostname",
            "box",
            "--add-host",
            "peer:10.1.2.3",
            &image,
            "sleep",
            "100",
        ])
        .ok();
    let directory = daemon.data_root().join("containers").join(&id);
    for name in ["config.v2.json", "hostconfig.json", "hostname", "hosts", "resolv.conf"] {
        assert!(directory.join(name).is_file(), "{name}");
    }
    assert_eq!(
        daemon.inspect(&id, "{{.HostnamePath}}"),
        directory.join("hostname").to_string_lossy()
    );
    let hosts = daemon.docker(&["exec", &id, "cat", "/etc/hosts"]).ok();
    assert!(
        hosts.contains("127.0.0.1\tlocalhost") && hosts.contains("10.1.2.3\tpeer") && hosts.contains("\tbox"),
        "{hosts}"
    );
    assert_eq!(
        std::fs::read_to_string(directory.join("hosts")).unwrap().trim_end(),
        hosts
    );
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.join("config.v2.json")).unwrap()).unwrap();
    assert_eq!(record["ID"], id.as_str());
    assert_eq!(record["Config"]["Hostname"], "box");
    daemon.docker(&["rm", "-f", &id]).ok();
    assert!(!directory.exists());
}

#[test]
fn row_075_the_host_name_is_the_short_id() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon.docker(&["run", "-d", &image, "sleep", "100"]).ok();
    assert_eq!(daemon.docker(&["exec", &id, "hostname"]).ok(), id[..12]);
}

#[test]
fn row_076_streams_are_logged_apart_and_in_order() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "--name",
            "c1",
            &image,
            "sh",
            "-c",
            "echo out; echo err >&2; printf tail",
        ])
        .ok();
    for output in [daemon.docker(&["logs", "c1"]), daemon.tierce(&["logs", "c1"])] {
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\ntail", "err\n"));
    }
    // Only the lines of one stream have an order that can be relied on: the streams are two pipes.
    daemon
        .docker(&["run", "--name", "c2", &image, "printf", "first\nlast"])
        .ok();
    let stamped = daemon.docker(&["logs", "--timestamps", "--tail", "1", "c2"]).ok();
    assert!(stamped.ends_with(" last") && stamped.starts_with("20"), "{stamped}");
    assert_eq!(daemon.docker(&["logs", "--since", "1h", "--tail", "0", "c1"]).ok(), "");
}

#[test]
fn row_076_follow_ends_with_the_container() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c1",
            &image,
            "sh",
            "-c",
            "for i in 1 2 3; do echo $i; sleep 0.2; done",
        ])
        .ok();
    assert_eq!(daemon.docker(&["logs", "-f", "c1"]).ok(), "1\n2\n3");
}

#[test]
fn row_076_attach_carries_input_and_leaves_the_container_running() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["run", "-d", "-i", "--name", "c1", &image, "cat"]).ok();
    for mut client in [daemon.docker_command(), daemon.tierce_command()] {
        client.args(["attach", "--sig-proxy=false", "c1"]);
        attach_echoes(&mut client, "through attach\n");
    }
    assert_eq!(daemon.inspect("c1", "{{.State.Running}}"), "true");
}

#[test]
fn row_077_exec_joins_the_container_and_gives_its_exit_code() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&[
            "run", "-d", "-e", "A=1", "-w", "/tmp", "--name", "c1", &image, "sleep", "100",
        ])
        .ok();
    assert_eq!(daemon.docker(&["exec", "c1", "sh", "-c", "exit 9"]).code, 9);
    assert_eq!(
        daemon
            .docker(&["exec", "-e", "B=2", "c1", "sh", "-c", "echo $A$B $PWD $(hostname)"])
            .ok(),
        format!("12 /tmp {}", &id[..12])
    );
    assert_eq!(daemon.docker(&["exec", "-u", "user", "c1", "id", "-u"]).ok(), "1000");
    for kind in ["pid", "net", "ipc", "uts", "mnt"] {
        let link = format!("/proc/self/ns/{kind}");
        let first = daemon
            .docker(&["exec", "c1", "readlink", &format!("/proc/1/ns/{kind}")])
            .ok();
        assert_eq!(daemon.docker(&["exec", "c1", "readlink", &link]).ok(), first, "{kind}");
    }
    let group = daemon.docker(&["exec", "c1", "cat", "/proc/self/cgroup"]).ok();
    let first = daemon.docker(&["exec", "c1", "cat", "/proc/1/cgroup"]).ok();
    assert_eq!(group, first);
    let output = daemon
        .docker_command()
        .args(["exec", "-i", "c1", "cat"])
        .run_with(b"to exec");
    assert_eq!(output.stdout, "to exec");
    daemon.docker(&["exec", "c1", "no-such-program"]).fails(127);
}

#[test]
fn row_078_the_first_process_is_pid_1_and_its_end_is_the_end() {
    let (daemon, image) = Daemon::with_busybox();
    assert_eq!(
        daemon
            .docker(&["run", "--rm", &image, "sh", "-c", "sleep 100 & echo $$"])
            .ok(),
        "1"
    );
    // Pid 1 without a handler ignores SIGTERM; with one it gets it.
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c1",
            &image,
            "sh",
            "-c",
            "trap 'exit 5' TERM; while :; do sleep 0.1; done",
        ])
        .ok();
    wait_until("the trap is set", Duration::from_secs(20), || {
        daemon.docker(&["top", "c1"]).stdout.contains("sleep 0.1")
    });
    daemon.docker(&["stop", "c1"]).ok();
    assert_eq!(daemon.inspect("c1", "{{.State.ExitCode}}"), "5");
}

#[test]
fn row_078_an_init_can_be_asked_for() {
    let (daemon, image) = Daemon::with_busybox();
    let processes = daemon
        .docker(&["run", "--rm", "--init", &image, "sh", "-c", "echo $$; cat /proc/1/comm"])
        .ok();
    let (own, first) = processes.split_once('\n').unwrap();
    assert_ne!(own, "1");
    assert!(first.contains("init"), "{first}");
    assert_eq!(
        daemon
            .docker(&["run", "--rm", "--init", &image, "sh", "-c", "exit 7"])
            .code,
        7
    );
}

#[test]
fn row_079_a_container_is_a_process_of_the_host() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "12345"])
        .ok();
    let pid = daemon.inspect("c1", "{{.State.Pid}}");
    // A start is answered when the program is let go; its `execve` may come a moment later, as with runc.
    wait_until("the program runs", Duration::from_secs(20), || {
        std::fs::read(format!("/proc/{pid}/cmdline")).unwrap() == b"sleep\x0012345\x00"
    });
    std::process::Command::new("kill").args(["-9", &pid]).run().ok();
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "137");
}

#[test]
fn row_080_the_end_is_recorded_and_cleaned_up() {
    let (daemon, image) = Daemon::with_busybox();
    let id = daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sh", "-c", "exit 3"])
        .ok();
    assert_eq!(daemon.docker(&["wait", "c1"]).ok(), "3");
    daemon.wait_until_nothing_is_left();
    assert_eq!(
        daemon.inspect("c1", "{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Pid}}"),
        "3 false 0"
    );
    assert!(daemon.inspect("c1", "{{.State.FinishedAt}}").starts_with("20"));
    daemon.docker(&["run", "--rm", "--name", "gone", &image, "true"]).ok();
    assert_eq!(daemon.docker(&["ps", "-aq", "--no-trunc"]).ok(), id);
}

#[test]
fn row_081_read_only_leaves_the_upper_stage_away() {
    let (daemon, image) = Daemon::with_busybox();
    let text = daemon
        .docker(&["run", "--rm", "--read-only", &image, "touch", "/x"])
        .fails(1);
    assert!(text.contains("Read-only file system"), "{text}");
    daemon
        .docker(&[
            "run",
            "--rm",
            "--read-only",
            "--tmpfs",
            "/scratch",
            &image,
            "touch",
            "/scratch/x",
        ])
        .ok();
    daemon.docker(&["run", "--rm", &image, "touch", "/x"]).ok();
}

#[test]
fn row_084_two_containers_of_one_image_are_apart() {
    let (daemon, image) = Daemon::with_busybox();
    for name in ["a1", "b1"] {
        daemon
            .docker(&["run", "-d", "--name", name, &image, "sleep", "100"])
            .ok();
    }
    daemon
        .docker(&[
            "exec",
            "a1",
            "sh",
            "-c",
            "echo a > /own; echo '1.2.3.4 x' >> /etc/hosts",
        ])
        .ok();
    assert_ne!(daemon.docker(&["exec", "b1", "cat", "/own"]).code, 0);
    assert!(
        !daemon
            .docker(&["exec", "b1", "cat", "/etc/hosts"])
            .ok()
            .contains("1.2.3.4")
    );
    assert_eq!(
        daemon
            .docker(&["exec", "b1", "sh", "-c", "ps | grep -c '[s]leep'"])
            .ok(),
        "1"
    );
}
