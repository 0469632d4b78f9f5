//! Our runtime under those who know only runc's command line: podman, containerd and Docker Engine, the real ones.
//!
//! They start daemons, so they run only when `TIERCE_PEERS=1` says that this machine is there for it.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tierce_testkit::binary;

/// Where Debian's busybox-static is.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// A directory of its own for one peer, with a root file system in it.
struct Place {
    directory: tempfile::TempDir,
    daemon: Option<Child>,
}

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// Its output, if it succeeded.
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out.trim().replace('\r', "")
    }
}

/// A place for a peer whose programs are there; `None` with the reason printed otherwise.
fn place(programs: &[&str]) -> Option<Place> {
    if std::env::var_os("TIERCE_PEERS").is_none() {
        println!("skipped: TIERCE_PEERS=1 lets foreign container engines be started");
        return None;
    }
    let needed = [programs, &["script", "timeout", "busybox"]].concat();
    if let Some(reason) = tierce_testkit::missing_tool(&needed) {
        println!("{reason}");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let root = directory.path().join("rootfs");
    for name in ["bin", "proc", "sys", "dev", "tmp", "etc", "run"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    let busybox = BUSYBOX.iter().find(|path| Path::new(path).exists()).unwrap();
    std::fs::copy(busybox, root.join("bin/busybox")).unwrap();
    for applet in ["sh", "echo", "sleep", "tty", "id"] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    Some(Place {
        directory,
        daemon: None,
    })
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same as a word of a command line.
    fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Starts a daemon and waits for its socket.
    fn serve(&mut self, command: &mut Command, socket: &str) {
        let log = std::fs::File::create(self.path("log")).unwrap();
        command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null());
        self.daemon = Some(command.spawn().unwrap());
        for _ in 0..200 {
            if std::os::unix::net::UnixStream::connect(self.path(socket)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{}", std::fs::read_to_string(self.path("log")).unwrap());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let _ = daemon.wait();
        }
    }
}

/// A client with the words that all its calls begin with.
struct Client(Vec<String>);

impl Client {
    fn call(&self, words: &[&str]) -> Said {
        let output = Command::new("timeout")
            .arg("60")
            .args(&self.0)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same on a terminal.
    fn on_terminal(&self, words: &[&str]) -> Said {
        let line: Vec<String> = self
            .0
            .iter()
            .map(String::as_str)
            .chain(words.iter().copied())
            .map(|word| format!("'{word}'"))
            .collect();
        Self(vec!["script".into(), "-qec".into()]).call(&[&line.join(" "), "/dev/null"])
    }
}

/// What podman and docker have in common, on a container named `one` that sleeps.
fn manage(client: &Client, run: &[&str]) {
    let said = |words: &[&str]| client.call(words).ok();
    let with = |more: &[&'static str], args: &[&'static str]| -> Said {
        let words: Vec<&str> = [&["run"], more, run, args].concat();
        client.call(&words)
    };
    assert_eq!(with(&["--rm"], &["echo", "hello"]).ok(), "hello");
    assert_eq!(with(&["--rm"], &["sh", "-c", "exit 7"]).code, 7);
    let missing = with(&["--rm"], &["missing"]);
    assert!(
        missing.code == 127 && missing.err.contains("executable file not found in $PATH"),
        "{missing:?}"
    );
    with(&["--detach", "--name", "one"], &["sleep", "100"]).ok();
    let further = client.call(&["exec", "one", "sh", "-c", "id -u; exit 3"]);
    assert_eq!((further.code, further.out.trim()), (3, "0"), "{further:?}");
    assert!(
        client
            .on_terminal(&["exec", "-it", "one", "tty"])
            .ok()
            .contains("/dev/pts/0")
    );
    said(&["pause", "one"]);
    let status = said(&["ps", "--all", "--format", "{{.Status}}"]);
    // Thawed before anything can fail: a frozen process cannot even be killed.
    said(&["unpause", "one"]);
    assert!(status.contains("Paused"), "{status}");
    let stats = said(&["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "one"]);
    assert!(stats.ends_with("one 1"), "{stats}");
    assert!(said(&["top", "one"]).contains("sleep 100"));
    said(&["kill", "one"]);
    assert!(said(&["wait", "one"]).ends_with("137"));
    said(&["rm", "one"]);
}

#[test]
fn podman_runs_it() {
    let Some(place) = place(&["podman", "conmon"]) else {
        return;
    };
    let runtime = binary("tierce-runtime").display().to_string();
    let [root, run_root, temporary] = ["root", "run", "tmp"].map(|name| place.word(name));
    let words = [
        "podman",
        "--root",
        &root,
        "--runroot",
        &run_root,
        "--tmpdir",
        &temporary,
        "--runtime",
        &runtime,
        "--cgroup-manager",
        "cgroupfs",
        "--events-backend",
        "file",
    ];
    let client = Client(words.map(str::to_owned).to_vec());
    manage(&client, &["--network", "none", "--rootfs", &place.word("rootfs")]);
    assert_eq!(client.call(&["ps", "--all", "--quiet"]).ok(), "");
}

#[test]
fn docker_engine_runs_it() {
    let Some(mut place) = place(&["dockerd", "containerd", "docker"]) else {
        return;
    };
    let host = format!("unix://{}", place.word("socket"));
    let mut daemon = Command::new("dockerd");
    daemon.args([
        "--host",
        &host,
        "--data-root",
        &place.word("data"),
        "--exec-root",
        &place.word("exec"),
    ]);
    daemon.args([
        "--pidfile",
        &place.word("pid"),
        "--bridge",
        "none",
        "--iptables=false",
        "--ip6tables=false",
    ]);
    daemon.args(["--storage-driver", "vfs"]);
    daemon
        .arg("--add-runtime")
        .arg(format!("tierce={}", binary("tierce-runtime").display()));
    place.serve(&mut daemon, "socket");
    let client = Client(["docker", "--host", &host].map(str::to_owned).to_vec());
    let archive = place.word("archive");
    let packed = Command::new("tar")
        .args(["-C", &place.word("rootfs"), "-cf", &archive, "."])
        .status();
    assert!(packed.unwrap().success());
    client.call(&["import", &archive, "image"]).ok();
    let run = ["--runtime", "tierce", "--network", "none", "image"];
    manage(&client, &run);
    client
        .call(&[&["run", "--detach", "--name", "two"], &run[..], &["sleep", "100"]].concat())
        .ok();
    client
        .call(&[
            "update",
            "--memory",
            "64m",
            "--memory-swap",
            "64m",
            "--cpus",
            "0.5",
            "two",
        ])
        .ok();
    let usage = client
        .call(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "two"])
        .ok();
    assert!(usage.ends_with("/ 64MiB"), "{usage}");
    client.call(&["rm", "--force", "two"]).ok();
}

#[test]
fn containerd_runs_it() {
    let Some(mut place) = place(&["containerd", "ctr"]) else {
        return;
    };
    let (socket, document) = (place.word("socket"), place.path("config.toml"));
    let text = format!(
        "version = 3\nroot = \"{}\"\nstate = \"{}\"\n[grpc]\naddress = \"{socket}\"\n[ttrpc]\naddress = \"{socket}.ttrpc\"\n",
        place.word("root"),
        place.word("state")
    );
    std::fs::write(&document, text).unwrap();
    place.serve(Command::new("containerd").arg("--config").arg(&document), "socket");
    let client = Client(["ctr", "--address", &socket].map(str::to_owned).to_vec());
    let (runtime, rootfs) = (binary("tierce-runtime").display().to_string(), place.word("rootfs"));
    let run = |flags: &[&str], id: &str, args: &[&str]| -> Vec<String> {
        let words = [
            &["run"],
            flags,
            &["--runc-binary", &runtime, "--rootfs", &rootfs, id],
            args,
        ]
        .concat();
        words.into_iter().map(str::to_owned).collect()
    };
    let call = |words: &[String]| client.call(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(call(&run(&["--rm"], "k1", &["/bin/echo", "hello"])).ok(), "hello");
    assert_eq!(call(&run(&["--rm"], "k2", &["/bin/sh", "-c", "exit 7"])).code, 7);
    let terminal = run(&["--rm", "--tty"], "k3", &["/bin/tty"]);
    let terminal: Vec<&str> = terminal.iter().map(String::as_str).collect();
    assert!(client.on_terminal(&terminal).ok().contains("/dev/pts/0"));
    call(&run(&["--detach"], "k4", &["/bin/sleep", "100"])).ok();
    let task = |words: &[&str]| client.call(&[&["task"], words].concat()).ok();
    assert_eq!(
        task(&["exec", "--exec-id", "e1", "k4", "/bin/echo", "further"]),
        "further"
    );
    task(&["pause", "k4"]);
    let status = task(&["ls"]);
    task(&["resume", "k4"]);
    assert!(status.contains("PAUSED"), "{status}");
    assert!(task(&["metrics", "k4"]).contains("pids.current"));
    task(&["kill", "--signal", "KILL", "k4"]);
    for _ in 0..100 {
        if task(&["ls"]).contains("STOPPED") {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let deleted = client.call(&["task", "rm", "k4"]);
    assert!(
        deleted.code == 0 || deleted.err.contains("exit with non-zero exit code 137"),
        "{deleted:?}"
    );
    client.call(&["container", "rm", "k4"]).ok();
}
