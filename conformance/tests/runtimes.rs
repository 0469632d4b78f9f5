//! The runtime is a program that can be exchanged: rows 101, 105, 109; what no runtime here can do: row 110.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tierce_testkit::{Daemon, ImageBuilder, binary, missing_tool, wait_until};

fn program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn row_101_row_105_the_shim_calls_create_and_later_start_of_the_runtime_that_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (wrapper, calls) = (directory.path().join("runtime"), directory.path().join("calls"));
    let runtime = binary("tierce-runtime");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}\nexec {} \"$@\"\n",
        calls.display(),
        runtime.display()
    );
    program(&wrapper, &script);
    let mut daemon = Daemon::start_with(&["--add-runtime", &format!("logged={}", wrapper.display())]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    let id = daemon
        .docker(&["run", "-d", "--runtime", "logged", &image, "sleep", "100"])
        .ok();
    assert_eq!(daemon.docker(&["exec", &id, "echo", "inside"]).ok(), "inside");
    daemon.docker(&["rm", "-f", &id]).ok();
    let text = fs::read_to_string(&calls).unwrap();
    let verbs = ["create", "start", "exec", "delete"];
    let at = verbs.map(|verb| text.lines().position(|line| line.split(' ').any(|word| word == verb)));
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{at:?} in:\n{text}");
    assert!(text.lines().all(|line| line.contains(&id)), "{text}");
    assert!(
        text.contains(&*daemon.exec_root().join("runtime").to_string_lossy()),
        "its root is ours:\n{text}"
    );
    // Ours is called in the shim's own process unless it is named.
    daemon.docker(&["run", "--rm", &image, "true"]).ok();
    assert_eq!(fs::read_to_string(&calls).unwrap(), text);
    let refused = daemon
        .docker(&["run", "--rm", "--runtime", "nope", &image, "true"])
        .fails(125);
    assert!(refused.contains("nope"), "{refused}");
}

/// `TIERCE_VM_KERNEL`, or the newest kernel that Debian has installed.
fn kernel() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("TIERCE_VM_KERNEL") {
        return Some(path.into());
    }
    let installed = fs::read_dir("/boot").into_iter().flatten().flatten();
    let kernels = installed.map(|entry| entry.path());
    kernels
        .filter(|path| path.to_string_lossy().contains("/vmlinuz-"))
        .max()
}

/// How a machine is run here, or why none can be.
fn accelerator() -> &'static str {
    let usable = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    if usable && !Path::new("/sys/module/kvm_pvm").exists() {
        return "kvm";
    }
    // There a guest's kernel has to be made for it: an ordinary one runs and never says a word.
    println!(
        "emulated: /dev/kvm is not there, or is of a machine that is itself virtual without help of its hardware (kvm_pvm)"
    );
    "tcg"
}

#[test]
fn row_109_a_runtime_of_virtual_machines_runs_the_same_image() {
    if let Some(reason) = missing_tool(&["qemu-system-x86_64", "cpio", "jq"]) {
        eprintln!("{reason}");
        return;
    }
    let Some(kernel) = kernel() else {
        eprintln!("skipped: no kernel in /boot, and TIERCE_VM_KERNEL names none");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (runtime, config) = (directory.path().join("vm"), directory.path().join("daemon.json"));
    let script = format!(
        "#!/bin/sh\nexport VM_KERNEL='{}' VM_ACCELERATOR={}\nexec {}/fixtures/vm-runtime \"$@\"\n",
        kernel.display(),
        accelerator(),
        env!("CARGO_MANIFEST_DIR")
    );
    program(&runtime, &script);
    let runtimes = format!(
        r#"{{"runtimes": {{
            "vm": {{"path": "{0}"}},
            "vm-by-type": {{"runtimeType": "io.containerd.runc.v2", "options": {{"BinaryName": "{0}"}}}}
        }}}}"#,
        runtime.display()
    );
    fs::write(&config, runtimes).unwrap();
    let mut daemon = Daemon::start_with(&["--config-file", &config.to_string_lossy()]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    let release = |runtime: &str| {
        daemon
            .docker(&["run", "--rm", "--runtime", runtime, &image, "uname", "-r"])
            .ok()
    };
    let host = release("tierce");
    let machine = release("vm");
    assert_ne!(machine, host, "it has a kernel of its own");
    let name = kernel.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(name.trim_start_matches("vmlinuz-"), machine);
    // Streams, environment, host name and exit code are those of any container.
    let script = "echo \"$GREETING from $(hostname)\"; echo trouble >&2; exit 7";
    let made = [
        "run",
        "--name",
        "c1",
        "--network",
        "none",
        "--hostname",
        "box",
        "-e",
        "GREETING=good day",
    ];
    let words = [&made[..], &["--runtime", "vm-by-type", &image, "sh", "-c", script]].concat();
    let said = daemon.docker(&words).fails(7);
    assert_eq!(said, "good day from box\ntrouble\n");
    let logs = daemon.docker(&["logs", "c1"]);
    assert_eq!(logs.stdout + &logs.stderr, said);
    assert_eq!(
        daemon.inspect("c1", "{{.State.ExitCode}} {{.HostConfig.Runtime}}"),
        "7 vm-by-type"
    );
    // And it obeys.
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c2",
            "--runtime",
            "vm",
            &image,
            "sh",
            "-c",
            "echo up; sleep 1000",
        ])
        .ok();
    wait_until("the machine is up", Duration::from_mins(2), || {
        daemon.docker(&["logs", "c2"]).ok() == "up"
    });
    daemon.docker(&["kill", "c2"]).ok();
    assert_eq!(daemon.docker(&["wait", "c2"]).ok(), "137");
}

#[test]
fn row_110_containers_of_windows_are_refused_and_row_109_runtimes_that_are_not_there() {
    let (daemon, image) = Daemon::with_busybox();
    let mismatch = |wanted: &str| {
        format!(
            "image with reference {image} was found but its platform (linux/amd64) does not match the specified platform \
             ({wanted})"
        )
    };
    for (platform, status, message) in [
        ("windows", 404, mismatch("windows/amd64")),
        ("windows/arm64", 404, mismatch("windows/arm64")),
        ("linux/arm64", 404, mismatch("linux/arm64")),
        (
            "nope",
            400,
            r#""nope": unknown operating system or architecture: invalid argument"#.to_owned(),
        ),
    ] {
        let body = format!(r#"{{"Image": "{image}", "Cmd": ["true"]}}"#);
        let path = format!("/containers/create?platform={platform}");
        let (code, answer) = daemon.request("POST", &path, Some(&body));
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (code, answer["message"].as_str()),
            (status, Some(&*message)),
            "{platform}"
        );
    }
    let import = "/images/create?fromSrc=-&repo=x&platform=windows";
    let (code, answer) = daemon.request("POST", import, Some(""));
    assert_eq!(
        (code, answer.trim()),
        (400, r#"{"message":"operating system is not supported"}"#)
    );
    // The client pulls on a 404, is given the same image with a warning, and refused again: nothing is left.
    for client in [Daemon::docker, Daemon::tierce] {
        let refused = client(&daemon, &["run", "--rm", "--platform", "windows", &image, "true"]).fails(125);
        assert!(refused.contains(&mismatch("windows/amd64")), "{refused}");
        let refused = client(&daemon, &["run", "--rm", "--runtime", "nope", &image, "true"]).fails(125);
        assert!(refused.contains("unknown or invalid runtime name: nope"), "{refused}");
    }
    assert_eq!(daemon.docker(&["ps", "-aq"]).ok(), "");
}
