//! Health probes: what they find, what is done about it, and that they need no daemon.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::time::Duration;
use tierce_testkit::{Daemon, wait_until};

const PATIENCE: Duration = Duration::from_mins(1);

fn until_status(daemon: &Daemon, name: &str, status: &str) {
    wait_until(&format!("{name} is {status}"), PATIENCE, || {
        daemon.inspect(name, "{{.State.Health.Status}}") == status
    });
}

/// Makes and starts a container with this health check, which is JSON.
fn run(daemon: &Daemon, image: &str, name: &str, check: &str, host_config: &str) {
    let body =
        format!(r#"{{"Image":"{image}","Cmd":["sleep","1000"],"Healthcheck":{check},"HostConfig":{host_config}}}"#);
    let (status, answer) = daemon.request("POST", &format!("/containers/create?name={name}"), Some(&body));
    assert_eq!(status, 201, "{answer}");
    daemon.docker(&["start", name]).ok();
}

#[test]
fn ask_043_health_is_probed_and_shown_as_docker_does() {
    let (daemon, image) = Daemon::with_busybox();
    let probe = "test -e /ok && echo fine || { echo missing; exit 3; }";
    let flags = [
        "--health-cmd",
        probe,
        "--health-interval",
        "200ms",
        "--health-retries",
        "2",
    ];
    let run = [&["run", "-d", "--name", "web"], &flags[..], &[&image, "sleep", "1000"]].concat();
    daemon.docker(&run).ok();
    assert_eq!(
        daemon
            .docker(&["ps", "--filter", "health=starting", "--format", "{{.Names}}"])
            .ok(),
        "web"
    );
    until_status(&daemon, "web", "unhealthy");
    let last = "{{.State.Health.FailingStreak}} {{with index .State.Health.Log 0}}{{.ExitCode}} {{.Output}}{{end}}";
    let shown = daemon.inspect("web", last);
    assert!(shown.ends_with("3 missing") && !shown.starts_with('0'), "{shown}");
    daemon.docker(&["exec", "web", "touch", "/ok"]).ok();
    until_status(&daemon, "web", "healthy");
    assert!(
        daemon
            .docker(&["ps", "--format", "{{.Status}}"])
            .ok()
            .ends_with("(healthy)")
    );
    assert_eq!(
        daemon
            .docker(&["ps", "--filter", "health=healthy", "--format", "{{.Names}}"])
            .ok(),
        "web"
    );
    wait_until("five probes are kept", PATIENCE, || {
        let log = daemon.inspect("web", "{{len .State.Health.Log}} {{.State.Health.FailingStreak}}");
        log == "5 0" && !daemon.inspect("web", "{{json .State.Health.Log}}").contains("missing")
    });
    // It is nobody's exec, but told as one.
    let told = daemon.events(
        Daemon::docker,
        &["--filter", "container=web", "--format", "{{.Action}}"],
    );
    let actions: Vec<&str> = told.lines().collect();
    let shell = format!("/bin/sh -c {probe}");
    let at = |action: &str| actions.iter().position(|told| *told == action);
    let create = at(&format!("exec_create: {shell}")).unwrap_or_else(|| panic!("{actions:?}"));
    assert_eq!(actions[create + 1], format!("exec_start: {shell}"));
    assert_eq!(actions[create + 2], "exec_die");
    assert!(
        at("health_status: unhealthy") < at("health_status: healthy"),
        "{actions:?}"
    );
    // Docker calls a container unhealthy that is not probed any more.
    daemon.docker(&["stop", "-t", "0", "web"]).ok();
    assert_eq!(daemon.inspect("web", "{{.State.Health.Status}}"), "unhealthy");
}

#[test]
fn ask_013_probes_go_on_without_a_daemon_which_then_learns_of_them() {
    let (mut daemon, image) = Daemon::with_busybox();
    let check = r#"{"Test":["CMD-SHELL","echo >>/count; test ! -e /bad"],"Interval":100000000,"Retries":1}"#;
    run(&daemon, &image, "web", check, "{}");
    until_status(&daemon, "web", "healthy");
    let root = format!("/proc/{}/root", daemon.inspect("web", "{{.State.Pid}}"));
    let count = || fs::read(format!("{root}/count")).unwrap().len();
    daemon.crash();
    let before = count();
    wait_until("probes go on", PATIENCE, || count() > before + 3);
    fs::write(format!("{root}/bad"), "").unwrap();
    let after = count();
    wait_until("the shim has seen the failure", PATIENCE, || count() > after + 2);
    daemon.launch();
    until_status(&daemon, "web", "unhealthy");
    fs::remove_file(format!("{root}/bad")).unwrap();
    until_status(&daemon, "web", "healthy");
    // A frozen container is not probed.
    daemon.docker(&["pause", "web"]).ok();
    let frozen = count();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(count(), frozen);
    daemon.docker(&["unpause", "web"]).ok();
    until_status(&daemon, "web", "healthy");
}

#[test]
fn ask_043_a_probe_that_hangs_or_cannot_run_is_a_failure_and_leaves_nothing() {
    let (daemon, image) = Daemon::with_busybox();
    let hanging = r#"{"Test":["CMD-SHELL","echo begun; sleep 97 & sleep 98"],"Interval":100000000,"Timeout":300000000,"Retries":1}"#;
    run(&daemon, &image, "hangs", hanging, "{}");
    until_status(&daemon, "hangs", "unhealthy");
    let first = "{{with index .State.Health.Log 0}}{{.ExitCode}} {{.Output}}{{end}}";
    assert_eq!(
        daemon.inspect("hangs", first),
        "-1 Health check exceeded timeout (300ms): begun"
    );
    daemon.docker(&["pause", "hangs"]).ok();
    daemon.docker(&["unpause", "hangs"]).ok();
    wait_until("what the probe started is gone", PATIENCE, || {
        !daemon
            .docker(&["top", "hangs", "-o", "pid,args"])
            .ok()
            .contains("sleep 97")
    });
    let missing = r#"{"Test":["CMD","/nope"],"Interval":100000000,"Retries":1}"#;
    run(&daemon, &image, "missing", missing, "{}");
    until_status(&daemon, "missing", "unhealthy");
    let output = daemon.inspect("missing", first);
    assert_eq!(
        output,
        "-1 OCI runtime exec failed: exec failed: unable to start container process: exec: \"/nope\": stat /nope: no \
         such file or directory: unknown"
    );
    // What a probe prints without end is cut off.
    let flood = r#"{"Test":["CMD-SHELL","yes | head -c 1000000"],"Interval":100000000}"#;
    run(&daemon, &image, "flood", flood, "{}");
    until_status(&daemon, "flood", "healthy");
    assert_eq!(
        daemon.inspect("flood", "{{len (index .State.Health.Log 0).Output}}"),
        "4099"
    );
    // None is none.
    run(&daemon, &image, "none", r#"{"Test":["NONE"]}"#, "{}");
    assert_eq!(daemon.inspect("none", "{{.State.Health}}"), "<nil>");
}

#[test]
fn ask_043_a_probe_has_the_user_and_the_rights_of_an_exec() {
    let (daemon, image) = Daemon::with_busybox();
    let body = format!(
        r#"{{"Image":"{image}","Cmd":["sleep","1000"],"User":"1000:100","Env":["A=b"],"WorkingDir":"/tmp","Healthcheck":
        {{"Test":["CMD-SHELL","id -u; id -g; pwd; echo $A; grep -E 'CapBnd|Seccomp:|NoNewPrivs' /proc/self/status"],
        "Interval":100000000}},"HostConfig":{{"CapDrop":["CHOWN"],"SecurityOpt":["no-new-privileges"]}}}}"#
    );
    assert_eq!(
        daemon.request("POST", "/containers/create?name=rights", Some(&body)).0,
        201
    );
    daemon.docker(&["start", "rights"]).ok();
    until_status(&daemon, "rights", "healthy");
    let probed = daemon.inspect("rights", "{{(index .State.Health.Log 0).Output}}");
    let script = "id -u; id -g; pwd; echo $A; grep -E 'CapBnd|Seccomp:|NoNewPrivs' /proc/self/status";
    let exec = daemon.docker(&["exec", "rights", "/bin/sh", "-c", script]).ok();
    assert_eq!(probed.trim(), exec.trim());
    assert!(exec.starts_with("1000\n100\n/tmp\nb\n"), "{exec}");
    let group = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup"));
    assert!(
        group(&daemon.inspect("rights", "{{.State.Pid}}"))
            .unwrap()
            .contains(&daemon.cgroup_parent())
    );
}

#[test]
fn ask_012_something_is_done_about_an_unhealthy_container() {
    let (daemon, image) = Daemon::with_busybox();
    let check = |action: &str| {
        format!(r#"{{"Test":["CMD-SHELL","exit 1"],"Interval":200000000,"Retries":2,"OnFailure":"{action}"}}"#)
    };
    run(&daemon, &image, "again", &check("restart"), "{}");
    let started = daemon.inspect("again", "{{.State.StartedAt}}");
    wait_until("it is restarted", PATIENCE, || {
        daemon.inspect("again", "{{.State.StartedAt}} {{.State.Running}}") != format!("{started} true")
            && daemon.inspect("again", "{{.State.Running}}") == "true"
    });
    run(
        &daemon,
        &image,
        "gone",
        &check("stop"),
        r#"{"RestartPolicy":{"Name":"always"}}"#,
    );
    wait_until("it is stopped", PATIENCE, || {
        daemon.inspect("gone", "{{.State.Status}}") == "exited"
    });
    // The restart policy decides about a killed one.
    run(
        &daemon,
        &image,
        "killed",
        &check("kill"),
        r#"{"RestartPolicy":{"Name":"on-failure"}}"#,
    );
    wait_until("its policy starts it again", PATIENCE, || {
        daemon.inspect("killed", "{{.RestartCount}}").parse::<u32>().unwrap() > 0
    });
    let body = format!(r#"{{"Image":"{image}","Healthcheck":{}}}"#, check("reboot"));
    let (status, answer) = daemon.request("POST", "/containers/create", Some(&body));
    assert!(
        status == 400 && answer.contains("none, kill, restart or stop"),
        "{status} {answer}"
    );
    let body = format!(r#"{{"Image":"{image}","Healthcheck":{{"Test":["CMD","x"],"Interval":5}}}}"#);
    let (status, answer) = daemon.request("POST", "/containers/create", Some(&body));
    assert!(
        status == 400 && answer.contains("Interval in Healthcheck cannot be less than 1ms"),
        "{answer}"
    );
}
