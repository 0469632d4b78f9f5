//! The program under the engines of others: podman, containerd, Docker, as Debian has them. Each is skipped where the
//! engine is not installed.

mod bed;

use bed::{Bed, Said, bed, eventually};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).exists());
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

/// A daemon that ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(command: &mut Command, socket: &Path, log: &Path) -> Self {
        let log = std::fs::File::create(log).expect("a log");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log)
            .spawn()
            .expect("spawn");
        eventually("the daemon's socket", || socket.exists());
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

fn said(command: &mut Command) -> Said {
    command.stdin(Stdio::null()).output().expect("execute").into()
}

#[test]
fn podman_runs_executes_and_removes() {
    let Some(bed) = bed() else { return };
    if !installed("podman") {
        return;
    }
    let podman = |words: &[&str]| {
        let mut command = Command::new("podman");
        command.env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1");
        for (flag, name) in [("--root", "storage"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(flag).arg(bed.path().join(name));
        }
        command.args([
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
            "--runtime",
            bed::program(),
        ]);
        said(command.args(words))
    };
    let rootfs = bed.rootfs().display().to_string();
    let run = ["--network", "none", "--rootfs", &rootfs];
    let first = podman(&[&["run", "--rm"], &run[..], &["sh", "-c", "echo said; exit 3"]].concat());
    assert_eq!((first.code, first.out.as_str()), (3, "said\n"), "{first:?}");
    let made = podman(&[&["run", "-d", "--name", &bed.id], &run[..], &["sleep", "60"]].concat());
    assert_eq!(made.code, 0, "{made:?}");
    let inside = podman(&["exec", &bed.id, "sh", "-c", "echo in; exit 4"]);
    assert_eq!((inside.code, inside.out.as_str()), (4, "in\n"), "{inside:?}");
    assert_eq!(podman(&["pause", &bed.id]).code, 0);
    let status = podman(&["inspect", "--format", "{{.State.Status}}", &bed.id]);
    assert_eq!(status.out, "paused\n", "{status:?}");
    assert_eq!(podman(&["unpause", &bed.id]).code, 0);
    let removed = podman(&["rm", "-f", "-t", "0", &bed.id]);
    assert_eq!(removed.code, 0, "{removed:?}");
    let missing = podman(&[&["run", "--rm"], &run[..], &["/nothing"]].concat());
    assert_eq!(missing.code, 127, "{missing:?}");
}

/// containerd with everything of it in the bed.
fn containerd(bed: &Bed) -> (Daemon, std::path::PathBuf) {
    let path = |name: &str| bed.path().join(name);
    let socket = path("containerd.sock");
    let configuration = format!(
        "version = 3\nroot = \"{}\"\nstate = \"{}\"\n[grpc]\naddress = \"{}\"\n",
        path("content").display(),
        path("tasks").display(),
        socket.display(),
    );
    std::fs::write(path("containerd.toml"), configuration).expect("write");
    let mut command = Command::new("containerd");
    command.arg("-c").arg(path("containerd.toml"));
    (Daemon::start(&mut command, &socket, &path("containerd.log")), socket)
}

#[test]
fn containerd_runs_executes_and_removes() {
    let Some(bed) = bed() else { return };
    if !installed("containerd") || !installed("ctr") {
        return;
    }
    let (_daemon, socket) = containerd(&bed);
    let ctr = |words: &[&str]| said(Command::new("ctr").arg("-a").arg(&socket).args(words));
    let rootfs = bed.rootfs().display().to_string();
    let run = ["--runc-binary", bed::program(), "--rootfs", &rootfs, &bed.id];
    let first = ctr(&[&["run", "--rm"], &run[..], &["/bin/sh", "-c", "echo said; exit 3"]].concat());
    assert_eq!((first.code, first.out.as_str()), (3, "said\n"), "{first:?}");
    let made = ctr(&[&["run", "-d"], &run[..], &["/bin/sleep", "60"]].concat());
    assert_eq!(made.code, 0, "{made:?}");
    let words = [
        "task",
        "exec",
        "--exec-id",
        "x",
        &bed.id,
        "/bin/sh",
        "-c",
        "echo in; exit 4",
    ];
    let inside = ctr(&words);
    assert_eq!((inside.code, inside.out.as_str()), (4, "in\n"), "{inside:?}");
    assert_eq!(ctr(&["task", "pause", &bed.id]).code, 0);
    assert!(ctr(&["task", "ls"]).out.contains("PAUSED"));
    assert_eq!(ctr(&["task", "resume", &bed.id]).code, 0);
    assert_eq!(ctr(&["task", "kill", "-s", "KILL", &bed.id]).code, 0);
    eventually("the end", || ctr(&["task", "ls"]).out.contains("STOPPED"));
    let removed = ctr(&["task", "rm", &bed.id]);
    assert!(removed.code == 0 && removed.err.contains("137"), "{removed:?}");
    assert_eq!(ctr(&["container", "rm", &bed.id]).code, 0);
}

#[test]
fn docker_runs_executes_and_removes() {
    let Some(bed) = bed() else { return };
    if !["containerd", "dockerd", "docker", "tar"].into_iter().all(installed) {
        return;
    }
    let (_containerd, containerd) = containerd(&bed);
    let path = |name: &str| bed.path().join(name);
    let socket = path("docker.sock");
    let host = format!("unix://{}", socket.display());
    let mut command = Command::new("dockerd");
    command.arg("--containerd").arg(&containerd).args(["-H", &host]);
    for (flag, name) in [
        ("--data-root", "data"),
        ("--exec-root", "exec"),
        ("--pidfile", "docker.pid"),
    ] {
        command.arg(flag).arg(path(name));
    }
    command.args([
        "--iptables=false",
        "--ip6tables=false",
        "--bridge=none",
        "--storage-driver",
        "vfs",
    ]);
    command.arg("--add-runtime").arg(format!("judged={}", bed::program()));
    let _daemon = Daemon::start(&mut command, &socket, &path("docker.log"));
    let docker = |words: &[&str]| said(Command::new("docker").args(["-H", &host]).args(words));
    eventually("the daemon", || docker(&["version"]).code == 0);
    let archive = path("image.tar").display().to_string();
    let packed = Command::new("tar")
        .args(["-cf", &archive, "-C"])
        .arg(bed.rootfs())
        .arg(".")
        .status();
    assert!(packed.expect("tar").success());
    assert_eq!(docker(&["import", &archive, "image"]).code, 0);
    let run = ["--runtime", "judged", "--network", "none"];
    let first = docker(&[&["run", "--rm"], &run[..], &["image", "sh", "-c", "echo said; exit 3"]].concat());
    assert_eq!((first.code, first.out.as_str()), (3, "said\n"), "{first:?}");
    // Docker's clients get the line discipline of the container's terminal.
    let terminal = docker(&[&["run", "--rm", "-t"], &run[..], &["image", "echo", "said"]].concat());
    assert_eq!(terminal.out, "said\r\n", "{terminal:?}");
    let made = docker(&[&["run", "-d", "--name", &bed.id], &run[..], &["image", "sleep", "60"]].concat());
    assert_eq!(made.code, 0, "{made:?}");
    let inside = docker(&["exec", &bed.id, "sh", "-c", "echo in; exit 4"]);
    assert_eq!((inside.code, inside.out.as_str()), (4, "in\n"), "{inside:?}");
    assert_eq!(docker(&["update", "--pids-limit", "33", &bed.id]).code, 0);
    let removed = docker(&["rm", "-f", &bed.id]);
    assert_eq!(removed.code, 0, "{removed:?}");
    let missing = docker(&[&["run", "--rm"], &run[..], &["image", "/nothing"]].concat());
    assert!(
        missing.code == 127 && missing.err.contains("no such file or directory"),
        "{missing:?}"
    );
}
