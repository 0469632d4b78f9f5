//! The program itself: configuration, readiness, sockets, and an answer to every operation of the API.
//!
//! Each daemon has its roots in a temporary directory and a network namespace of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tierced");

/// A daemon of the test's own; ends with it.
struct Daemon {
    directory: TempDir,
    process: Child,
}

impl Daemon {
    fn start(notify: Option<&Path>) -> Self {
        // Short, since socket paths have little room.
        let directory = tempfile::Builder::new().prefix("td").tempdir_in("/tmp").unwrap();
        let process = Self::command(directory.path(), notify).spawn().unwrap();
        let daemon = Self { directory, process };
        // Clients may connect before the parts are open, and then wait.
        Self::wait_for("an answer", || {
            UnixStream::connect(daemon.socket()).is_ok() && daemon.request("GET", "/_ping").0 == 200
        });
        daemon
    }

    fn command(root: &Path, notify: Option<&Path>) -> Command {
        let mut command = Command::new("unshare");
        command.args([
            "--net",
            PROGRAM,
            "--config-file",
            "/dev/null",
            "--shim",
            PROGRAM,
            "--bridge",
            "tdbridge0",
        ]);
        command
            .arg("--data-root")
            .arg(root.join("data"))
            .arg("--exec-root")
            .arg(root.join("exec"));
        command.arg("-H").arg(format!("unix://{}", root.join("sock").display()));
        command
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(notify) = notify {
            command.env("NOTIFY_SOCKET", notify);
        }
        command
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("sock")
    }

    fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no {what} in time");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// See [`request`].
    fn request(&self, method: &str, path: &str) -> (u16, String) {
        request(&self.socket(), method, path)
    }

    /// Asks it to end; gives its status and log.
    fn stop(mut self) -> (i32, String) {
        // By the number of a child that has not been waited for: it can be nobody else's.
        let asked = Command::new("kill")
            .arg(self.process.id().to_string())
            .status()
            .unwrap();
        assert!(asked.success());
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.process.wait().unwrap().code().unwrap_or(-1), log)
    }
}

/// Sends a request without a body and gives status and body of the answer, as far as it comes at once.
fn request(socket: &Path, method: &str, path: &str) -> (u16, String) {
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return (0, String::new());
    };
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A stream that goes on ends by the time limit.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    (
        status,
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default(),
    )
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether daemons can be started here; says why not.
fn can_serve() -> bool {
    let able = Command::new("unshare")
        .args(["--net", "true"])
        .status()
        .is_ok_and(|status| status.success());
    if !able {
        eprintln!("skipped: no right to make a network namespace");
    }
    able
}

fn validate(arguments: &[&str], file: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("daemon.json");
    std::fs::write(&path, file).unwrap();
    Command::new(PROGRAM)
        .arg("--validate")
        .arg("--config-file")
        .arg(path)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn row_094_validate_tells_what_is_wrong_by_name() {
    let good = validate(
        &["--data-root", "/x"],
        r#"{"storage-driver": "overlay2", "log-level": "warn"}"#,
    );
    assert!(good.status.success());
    assert_eq!(String::from_utf8_lossy(&good.stdout), "configuration OK\n");
    for (arguments, file, name) in [
        (
            &["--debug"][..],
            r#"{"debug": false}"#,
            "debug: (from flag: true, from file: false)",
        ),
        (&[][..], r#"{"no-such-key": 1}"#, "no-such-key"),
        (&[][..], r#"{"hosts": ["nowhere"]}"#, "nowhere"),
        (&[][..], "{", "invalid JSON: EOF while parsing an object"),
        (&[][..], "[]", "it is no JSON object"),
        (
            &["--userns-remap", "default"][..],
            "{}",
            "userns-remap: user namespaces are not remapped",
        ),
    ] {
        let bad = validate(arguments, file);
        let text = String::from_utf8_lossy(&bad.stderr).into_owned();
        assert!(!bad.status.success() && text.contains(name), "{text}");
    }
}

#[test]
fn row_094_called_as_dockerd_it_answers_to_that_name() {
    let directory = tempfile::tempdir().unwrap();
    let dockerd = directory.path().join("dockerd");
    std::os::unix::fs::symlink(PROGRAM, &dockerd).unwrap();
    let run = |arguments: &[&str]| Command::new(&dockerd).args(arguments).output().unwrap();
    let wrong = run(&["--nope"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&wrong.stderr),
        "unknown flag: --nope\nSee 'dockerd --help'.\n"
    );
    let help = run(&["--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.contains("Usage: dockerd [OPTIONS]"), "{help}");
    for heading in ["Accepted without effect:", "Refused:"] {
        assert!(help.contains(heading), "{help}");
    }
    assert!(String::from_utf8_lossy(&run(&["--version"]).stdout).starts_with("Tierce version "));
    // Docker's own example of a configuration file passes, its certificates, programs and HTTPS proxy aside.
    let mut example: serde_json::Value = serde_json::from_str(include_str!("docker-daemon.json")).unwrap();
    let keys = example.as_object_mut().unwrap();
    for key in ["tls", "tlsverify", "runtimes", "proxies"] {
        keys.remove(key);
    }
    let file = directory.path().join("daemon.json");
    std::fs::write(&file, example.to_string()).unwrap();
    let valid = run(&["--validate", "--config-file", file.to_str().unwrap()]);
    assert_eq!(
        String::from_utf8_lossy(&valid.stdout),
        "configuration OK\n",
        "{}",
        String::from_utf8_lossy(&valid.stderr)
    );
}

#[test]
fn row_095_readiness_is_told_and_the_end_is_clean() {
    if !can_serve() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let notify = UnixDatagram::bind(&path).unwrap();
    notify.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let daemon = Daemon::start(Some(&path));
    let mut buffer = [0; 64];
    let length = notify.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1");
    let root = daemon.directory.path().to_owned();
    let pid = std::fs::read_to_string(root.join("exec/tierced.pid")).unwrap();
    assert_eq!(pid, daemon.process.id().to_string());
    // A second one on the same roots is refused, and does no harm to the first.
    let second = Daemon::command(&root, None).output().unwrap();
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        !second.status.success() && text.contains("another daemon works there"),
        "{text}"
    );
    assert_eq!(daemon.request("GET", "/_ping"), (200, "OK".to_owned()));
    let socket = daemon.socket();
    let (status, log) = daemon.stop();
    assert_eq!(status, 0, "{log}");
    assert!(!socket.exists());
    let length = notify.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"STOPPING=1");
}

/// Serves on a socket that the service manager has opened, and on two of its own.
#[test]
fn row_095_it_listens_on_sockets_that_are_handed_over_and_on_several_hosts() {
    if !can_serve() {
        return;
    }
    let directory = tempfile::Builder::new().prefix("td").tempdir_in("/tmp").unwrap();
    let root = directory.path();
    let handed_over = UnixListener::bind(root.join("handed-over")).unwrap();
    rustix::io::fcntl_setfd(&handed_over, rustix::io::FdFlags::empty()).unwrap();
    let second = format!("unix://{}", root.join("second").display());
    let daemon = Daemon::command(root, None);
    let mut manager = Command::new("sh");
    // The number of a process stays the same over `exec`.
    let script = format!(
        "exec 3<&{}; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"",
        handed_over.as_raw_fd()
    );
    manager
        .args(["-c", &script, "sh"])
        .arg(daemon.get_program())
        .args(daemon.get_args());
    manager.args(["-H", "fd://", "-H", &second]).env_remove("NOTIFY_SOCKET");
    manager
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let process = manager.spawn().unwrap();
    let daemon = Daemon { directory, process };
    Daemon::wait_for("an answer", || daemon.request("GET", "/_ping").0 == 200);
    for socket in ["handed-over", "second", "sock"] {
        let socket = daemon.directory.path().join(socket);
        assert_eq!(
            request(&socket, "GET", "/_ping"),
            (200, "OK".to_owned()),
            "{}",
            socket.display()
        );
    }
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn row_095_a_process_id_file_of_another_daemon_is_respected() {
    if !can_serve() {
        return;
    }
    let first = Daemon::start(None);
    let other = tempfile::Builder::new().prefix("td").tempdir_in("/tmp").unwrap();
    let pidfile = first.directory.path().join("exec/tierced.pid");
    let second = Daemon::command(other.path(), None)
        .arg("--pidfile")
        .arg(&pidfile)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&second.stderr),
        format!(
            "failed to start daemon, ensure docker is not running or delete {}: process with PID {} is still running\n",
            pidfile.display(),
            first.process.id()
        )
    );
    assert_eq!(first.request("GET", "/_ping").0, 200);
}

/// The operations of API 1.51, and those that clients use though it does not list them.
const OPERATIONS: &[(&str, &str)] = &[
    ("GET", "/containers/json"),
    ("POST", "/containers/create"),
    ("GET", "/containers/x/json"),
    ("GET", "/containers/x/top"),
    ("GET", "/containers/x/logs?stdout=1"),
    ("GET", "/containers/x/changes"),
    ("GET", "/containers/x/export"),
    ("GET", "/containers/x/stats"),
    ("POST", "/containers/x/resize?h=1&w=1"),
    ("POST", "/containers/x/start"),
    ("POST", "/containers/x/stop"),
    ("POST", "/containers/x/restart"),
    ("POST", "/containers/x/kill"),
    ("POST", "/containers/x/update"),
    ("POST", "/containers/x/rename?name=y"),
    ("POST", "/containers/x/pause"),
    ("POST", "/containers/x/unpause"),
    ("POST", "/containers/x/attach"),
    ("GET", "/containers/x/attach/ws"),
    ("POST", "/containers/x/wait"),
    ("DELETE", "/containers/x"),
    ("HEAD", "/containers/x/archive?path=/"),
    ("GET", "/containers/x/archive?path=/"),
    ("PUT", "/containers/x/archive?path=/"),
    ("POST", "/containers/prune"),
    ("GET", "/images/json"),
    ("POST", "/build"),
    ("POST", "/build/prune"),
    ("POST", "/images/create"),
    ("GET", "/images/a/b:c/json"),
    ("GET", "/images/a/b:c/history"),
    ("POST", "/images/a/b:c/push"),
    ("POST", "/images/a/b:c/tag?repo=d"),
    ("DELETE", "/images/a/b:c"),
    ("GET", "/images/search?term=x"),
    ("POST", "/images/prune"),
    ("POST", "/auth"),
    ("GET", "/info"),
    ("GET", "/version"),
    ("GET", "/_ping"),
    ("HEAD", "/_ping"),
    ("POST", "/commit"),
    ("GET", "/events?until=1"),
    ("GET", "/system/df"),
    ("GET", "/images/a/get"),
    ("GET", "/images/get"),
    ("POST", "/images/load"),
    ("POST", "/containers/x/exec"),
    ("POST", "/exec/x/start"),
    ("POST", "/exec/x/resize?h=1&w=1"),
    ("GET", "/exec/x/json"),
    ("GET", "/volumes"),
    ("POST", "/volumes/create"),
    ("GET", "/volumes/x"),
    ("PUT", "/volumes/x"),
    ("DELETE", "/volumes/x"),
    ("POST", "/volumes/prune"),
    ("GET", "/networks"),
    ("GET", "/networks/x"),
    ("DELETE", "/networks/x"),
    ("POST", "/networks/create"),
    ("POST", "/networks/x/connect"),
    ("POST", "/networks/x/disconnect"),
    ("POST", "/networks/prune"),
    ("GET", "/plugins"),
    ("GET", "/plugins/privileges"),
    ("POST", "/plugins/pull"),
    ("GET", "/plugins/x/json"),
    ("DELETE", "/plugins/x"),
    ("POST", "/plugins/x/enable"),
    ("POST", "/plugins/x/disable"),
    ("POST", "/plugins/x/upgrade"),
    ("POST", "/plugins/create"),
    ("POST", "/plugins/x/push"),
    ("POST", "/plugins/x/set"),
    ("GET", "/nodes"),
    ("GET", "/nodes/x"),
    ("DELETE", "/nodes/x"),
    ("POST", "/nodes/x/update"),
    ("GET", "/swarm"),
    ("POST", "/swarm/init"),
    ("POST", "/swarm/join"),
    ("POST", "/swarm/leave"),
    ("POST", "/swarm/update"),
    ("GET", "/swarm/unlockkey"),
    ("POST", "/swarm/unlock"),
    ("GET", "/services"),
    ("POST", "/services/create"),
    ("GET", "/services/x"),
    ("DELETE", "/services/x"),
    ("POST", "/services/x/update"),
    ("GET", "/services/x/logs"),
    ("GET", "/tasks"),
    ("GET", "/tasks/x"),
    ("GET", "/tasks/x/logs"),
    ("GET", "/secrets"),
    ("POST", "/secrets/create"),
    ("GET", "/secrets/x"),
    ("DELETE", "/secrets/x"),
    ("POST", "/secrets/x/update"),
    ("GET", "/configs"),
    ("POST", "/configs/create"),
    ("GET", "/configs/x"),
    ("DELETE", "/configs/x"),
    ("POST", "/configs/x/update"),
    ("GET", "/distribution/x/json"),
    ("POST", "/session"),
    ("POST", "/grpc"),
    ("POST", "/build/cancel"),
    ("GET", "/containers/x/checkpoints"),
    ("OPTIONS", "/info"),
];

#[test]
fn row_087_every_operation_has_an_answer_of_its_own() {
    if !can_serve() {
        return;
    }
    let daemon = Daemon::start(None);
    for (method, path) in OPERATIONS {
        for prefix in ["", "/v1.24", "/v1.51"] {
            let (status, body) = daemon.request(method, &format!("{prefix}{path}"));
            assert!(status >= 200, "{method} {prefix}{path}: no answer");
            assert!(!body.contains("page not found"), "{method} {prefix}{path}: {body}");
            // Docker Hub cannot be reached from here; dockerd answers so too.
            let unreachable = body.contains(": dial tcp: ");
            assert!(status != 500 || unreachable, "{method} {prefix}{path}: {body}");
        }
    }
    let (status, body) = daemon.request("GET", "/nodes");
    assert!(
        status == 503 && body.contains("This node is not a swarm manager."),
        "{status} {body}"
    );
    assert_eq!(
        daemon.request("GET", "/nonexistent"),
        (404, "{\"message\":\"page not found\"}\n".to_owned())
    );
    assert_eq!(daemon.request("DELETE", "/info").0, 404);
}

#[test]
fn row_093_info_and_version_have_dockers_members() {
    if !can_serve() {
        return;
    }
    let daemon = Daemon::start(None);
    let document = |path: &str| {
        let (status, body) = daemon.request("GET", path);
        assert_eq!(status, 200, "{body}");
        // The body may be chunked.
        let json = &body[body.find(['{', '[']).unwrap()..=body.rfind(['}', ']']).unwrap()];
        serde_json::from_str::<serde_json::Value>(json).unwrap()
    };
    let info = document("/info");
    for member in [
        "ID",
        "Containers",
        "Driver",
        "DriverStatus",
        "Plugins",
        "CgroupVersion",
        "NCPU",
        "MemTotal",
        "Swarm",
    ] {
        assert!(info.get(member).is_some(), "{member}");
    }
    assert_eq!(document("/info")["ID"], info["ID"]);
    assert_eq!(document("/version")["ApiVersion"], "1.51");
    assert_eq!(document("/version")["MinAPIVersion"], "1.24");
    assert_eq!(document("/containers/json"), serde_json::json!([]));
    assert_eq!(document("/images/json"), serde_json::json!([]));
    let networks = document("/networks");
    let names: Vec<_> = networks
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|network| network["Name"].as_str())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}
