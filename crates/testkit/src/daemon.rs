//! A `tierced` of a test's own, and the two command lines that drive it.

use crate::leaks;
use crate::supervisor::Supervisor;
use crate::{Host, ImageBuilder, Output, Registry, Run, Snapshot, binary, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What takes milliseconds on an idle machine is waited for so long on a busy one.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A running daemon with its host, its roots and, where asked for, its registry.
///
/// Dropping it removes every container and the daemon; the test fails when anything is left.
#[derive(Debug)]
pub struct Daemon {
    host: Host,
    root: tempfile::TempDir,
    data_root: PathBuf,
    process: Option<Child>,
    /// Its supervisor, where that is a process of its own.
    pub supervisor: Supervisor,
    registry: Option<Registry>,
    /// Flags besides those that keep it apart from others; of use at the next start.
    pub flags: Vec<String>,
    /// Environment variables besides this process's own; of use at the next start.
    pub environment: Vec<(String, String)>,
}

impl Daemon {
    /// Starts one.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with these flags besides those that keep it apart from others.
    pub fn start_with(flags: &[&str]) -> Self {
        start(None, flags)
    }

    /// Starts one that has pulled the busybox image, under the name that is returned.
    pub fn with_busybox() -> (Self, String) {
        let mut daemon = Self::start();
        let name = daemon.add_image(&ImageBuilder::busybox(), "busybox");
        (daemon, name)
    }

    /// Pushes an image to the daemon's registry and pulls it; returns its name.
    pub fn add_image(&mut self, image: &ImageBuilder, name: &str) -> String {
        let name = self.registry().push(image, name);
        self.docker(&["pull", "--quiet", &name]).ok();
        name
    }

    /// The registry beside the daemon; started by the first use.
    pub fn registry(&mut self) -> &Registry {
        self.registry.get_or_insert_with(|| Registry::start(&self.host))
    }

    /// The host that the daemon sees.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The data root.
    pub fn data_root(&self) -> PathBuf {
        self.data_root.clone()
    }

    /// The exec root.
    pub fn exec_root(&self) -> PathBuf {
        self.root.path().join("exec")
    }

    /// The API socket.
    pub fn socket(&self) -> PathBuf {
        self.root.path().join("sock")
    }

    /// Everything the daemon has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root.path().join("log")).unwrap_or_default()
    }

    /// Process id of the daemon.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the daemon runs").id()
    }

    /// `docker ARGUMENTS` on this daemon: the stock client.
    pub fn docker_command(&self) -> Command {
        let mut command = self.host.command("docker");
        // Its own configuration directory: nothing of the user's may change a test.
        command
            .env("DOCKER_CONFIG", self.root.path().join("docker"))
            .env_remove("DOCKER_HOST");
        command.arg("-H").arg(format!("unix://{}", self.socket().display()));
        command
    }

    /// Runs the stock client.
    pub fn docker(&self, arguments: &[&str]) -> Output {
        self.docker_command().args(arguments).run()
    }

    /// `tierce ARGUMENTS` on this daemon: our client.
    pub fn tierce_command(&self) -> Command {
        let mut command = self.host.command(binary("tierce"));
        command
            .env("DOCKER_CONFIG", self.root.path().join("tierce"))
            .env_remove("DOCKER_HOST");
        command.arg("-H").arg(format!("unix://{}", self.socket().display()));
        command
    }

    /// `events` of everything up to now, with these further arguments, by `client` ([`Self::docker`], [`Self::tierce`]).
    ///
    /// The command lines cut `--until 0s` to the whole second, which leaves out what happened in this one: the moment
    /// asked for is the next second, and the client waits for it.
    #[track_caller]
    pub fn events(&self, client: fn(&Self, &[&str]) -> Output, arguments: &[&str]) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let until = (now.expect("a time after 1970").as_secs() + 1).to_string();
        let range = ["events", "--since", "10m", "--until", &until];
        client(self, &[&range, arguments].concat()).ok()
    }

    /// Runs our client.
    pub fn tierce(&self, arguments: &[&str]) -> Output {
        self.tierce_command().args(arguments).run()
    }

    /// One field of `docker inspect`.
    pub fn inspect(&self, object: &str, template: &str) -> String {
        self.docker(&["inspect", "--format", template, object]).ok()
    }

    /// A raw request; gives status and body.
    pub fn request(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--max-time",
            "30",
            "--request",
            method,
            "--write-out",
            "\n%{http_code}",
        ]);
        command.arg("--unix-socket").arg(self.socket());
        if let Some(body) = body {
            command.args(["--header", "Content-Type: application/json", "--data-binary", body]);
        }
        let text = command.arg(format!("http://d{path}")).run().ok();
        let (body, status) = text.rsplit_once('\n').expect("a status after the body");
        (status.parse().expect("a status"), body.to_owned())
    }

    /// `kill -9`.
    pub fn crash(&mut self) {
        let mut process = self.process.take().expect("the daemon runs");
        process.kill().expect("kill the daemon");
        process.wait().expect("reap the daemon");
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = Pid::from_child(&process);
            kill_process(pid, Signal::TERM).expect("ask the daemon to end");
            wait_until("the daemon ends", PATIENCE, || {
                process.try_wait().expect("wait").is_some()
            });
        }
    }

    /// Starts it again on the same roots.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Starts it, after [`Self::crash`] or [`Self::stop`], and its supervisor where that is apart and does not live.
    pub fn launch(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.root.path().join("log"))
            .expect("open the log");
        let mut command = self.host.command(binary("tierced"));
        command
            .arg("--data-root")
            .arg(self.data_root())
            .arg("--exec-root")
            .arg(self.exec_root());
        command.arg("-H").arg(format!("unix://{}", self.socket().display()));
        command.args([
            "--config-file",
            "/dev/null",
            "--cgroup-parent",
            &format!("/{}", self.cgroup_parent()),
            "--debug",
        ]);
        command.args(&self.flags).envs(self.environment.iter().cloned());
        if self.supervisor.apart {
            if self.supervisor.pid() == 0 && !self.supervisor.late {
                self.supervisor.launch();
            }
            command.arg("--containerd").arg(self.supervisor.socket());
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        self.process = Some(command.spawn().expect("start tierced"));
        wait_until("the daemon answers", PATIENCE, || {
            let ended = self.process.as_mut().expect("it was started").try_wait().expect("wait");
            assert!(
                ended.is_none(),
                "the daemon ended at once: {}",
                fs::read_to_string(self.root.path().join("log")).unwrap_or_default()
            );
            std::os::unix::net::UnixStream::connect(self.root.path().join("sock")).is_ok()
        });
    }

    /// The control group under which its containers are.
    pub fn cgroup_parent(&self) -> String {
        name_of(self.root.path())
    }

    /// Waits until the daemon has nothing on the machine but itself; panics with what is left.
    #[track_caller]
    pub fn wait_until_nothing_is_left(&self) {
        let start = std::time::Instant::now();
        while self.traces() != Snapshot::default() {
            if start.elapsed() > PATIENCE {
                self.traces().assert_empty();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the daemon has on the machine now, itself left out.
    pub fn traces(&self) -> Snapshot {
        Snapshot::of(&[
            &self.data_root.to_string_lossy(),
            &format!("{}/exec", name_of(self.root.path())),
            // The parent itself stays, as Docker's does.
            &format!("{}/", self.cgroup_parent()),
        ])
        .without_process(self.process.as_ref().map_or(0, Child::id))
        .without_process(self.supervisor.pid())
    }
}

/// Starts one, with its data root on another file system where one is given.
pub(crate) fn start(disk: Option<&Path>, flags: &[&str]) -> Daemon {
    let root = new_root();
    // The name tells whose mounts are whose, see `traces`.
    let data_root = disk.map(|disk| disk.join(name_of(root.path())).join("data"));
    let mut daemon = prepare(root, data_root, flags);
    daemon.launch();
    daemon
}

/// A daemon whose supervisor is a process of its own, and that has pulled the busybox image; and the image's name.
pub fn daemon_with_supervisor() -> (Daemon, String) {
    let mut daemon = prepare(new_root(), None, &[]);
    daemon.supervisor.apart = true;
    daemon.launch();
    let name = daemon.add_image(&ImageBuilder::busybox(), "busybox");
    (daemon, name)
}

/// A daemon that is not started yet ([`Daemon::launch`]), on a data root that others use too. That is not removed with it.
pub fn daemon_on(data_root: &Path) -> Daemon {
    prepare(new_root(), Some(data_root.to_owned()), &[])
}

fn new_root() -> tempfile::TempDir {
    // Socket paths have little room, so the roots lie right under /tmp.
    tempfile::Builder::new()
        .prefix("tt")
        .tempdir_in("/tmp")
        .expect("a temporary directory")
}

fn prepare(root: tempfile::TempDir, data_root: Option<PathBuf>, flags: &[&str]) -> Daemon {
    let host = Host::new();
    Daemon {
        supervisor: Supervisor::new(root.path(), &host),
        host,
        data_root: data_root.unwrap_or_else(|| root.path().join("data")),
        root,
        process: None,
        registry: None,
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        environment: Vec::new(),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the daemon ---\n{}", self.log());
        }
        if self.process.is_some() {
            if self.supervisor.apart && self.supervisor.pid() == 0 {
                self.supervisor.launch();
            }
            let all = self.docker(&["ps", "--all", "--quiet", "--no-trunc"]);
            let ids: Vec<&str> = all.stdout.split_whitespace().collect();
            if !ids.is_empty() {
                self.docker(&[&["rm", "--force", "--volumes"], ids.as_slice()].concat());
            }
            self.stop();
        }
        self.supervisor.stop();
        self.registry.take();
        if !std::thread::panicking() {
            self.wait_until_nothing_is_left();
            // The kernel takes a network namespace apart after its last process is gone.
            wait_until("no container's cable is left", PATIENCE, || {
                !self.host.links().iter().any(|link| link.starts_with("veth"))
            });
        }
        leaks::remove_group_everywhere(&self.cgroup_parent());
    }
}
