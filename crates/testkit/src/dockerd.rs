//! The real dockerd on a data root of a test's own, with a containerd that it starts itself.

use crate::leaks;
use crate::{Host, Output, Run, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Docker's start takes seconds on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Names the words that start a dockerd, such as `nsenter --mount=/run/other/mnt dockerd`. A dockerd in another mount
/// namespace must see the data root at the same path.
const VARIABLE: &str = "TIERCE_DOCKERD";

/// A dockerd with its directory; stopped with this value.
#[derive(Debug)]
pub struct Dockerd {
    words: Vec<String>,
    host: String,
    /// Sockets, logs, exec root.
    place: tempfile::TempDir,
    data_root: PathBuf,
    process: Option<Child>,
}

impl Dockerd {
    /// One that is not started yet, on a data root; or the reason why there is none on this machine.
    ///
    /// - `place`: a directory that dockerd sees too; a directory for its sockets is made there.
    ///
    /// # Errors
    /// `skipped: …`
    pub fn on(host: &Host, place: &Path, data_root: &Path) -> Result<Self, String> {
        let words = match std::env::var(VARIABLE) {
            Ok(words) => words.split_whitespace().map(str::to_owned).collect(),
            Err(_) => {
                vec![installed().ok_or_else(|| format!("skipped: no dockerd is installed, nor named by {VARIABLE}"))?]
            }
        };
        Ok(Self {
            words,
            host: host.name().to_owned(),
            place: tempfile::Builder::new()
                .prefix("dd")
                .tempdir_in(place)
                .expect("a temporary directory"),
            data_root: data_root.to_owned(),
            process: None,
        })
    }

    /// Starts it and waits until it answers.
    pub fn launch(&mut self) {
        let path = |name: &str| self.place.path().join(name);
        let log = fs::File::options().create(true).append(true).open(path("log"));
        let log = log.expect("open the log");
        // Newer ones would otherwise keep images in containerd's store.
        fs::write(path("daemon.json"), r#"{"features":{"containerd-snapshotter":false}}"#).expect("write a file");
        let programs = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("nsenter");
        command
            .env("PATH", format!("{programs}:/usr/local/sbin:/usr/sbin:/sbin"))
            .arg(format!("--net=/run/netns/{}", self.host))
            .arg("--")
            .args(&self.words)
            .arg("--data-root")
            .arg(&self.data_root)
            .arg("--exec-root")
            .arg(path("x"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--config-file")
            .arg(path("daemon.json"))
            .args(["--cgroup-parent", &format!("/{}", self.group())])
            .args(["--storage-driver", "overlay2"])
            .arg("--host")
            .arg(format!("unix://{}", path("sock").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let mut process = command.spawn().expect("start dockerd");
        wait_until("dockerd answers", PATIENCE, || {
            let ended = process.try_wait().expect("wait");
            assert!(ended.is_none(), "dockerd ended at once: {}", self.log());
            self.docker(&["version"]).code == 0
        });
        self.process = Some(process);
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        // `nsenter` became dockerd.
        kill_process(Pid::from_child(&process), Signal::TERM).expect("ask dockerd to end");
        wait_until("dockerd ends", PATIENCE, || process.try_wait().expect("wait").is_some());
    }

    /// Runs the stock client on it.
    pub fn docker(&self, arguments: &[&str]) -> Output {
        Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.host))
            .args(["--", "docker", "-H"])
            .arg(format!("unix://{}", self.place.path().join("sock").display()))
            .args(arguments)
            .env("DOCKER_CONFIG", self.place.path().join("docker"))
            .env_remove("DOCKER_HOST")
            .run()
    }

    /// `28.5.2` or what it is.
    pub fn version(&self) -> String {
        self.docker(&["version", "--format", "{{.Server.Version}}"]).ok()
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    fn group(&self) -> String {
        let name = self.place.path().file_name().expect("a name");
        name.to_string_lossy().into_owned()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of dockerd ---\n{}", self.log());
        }
        self.stop();
        leaks::remove_group_everywhere(&self.group());
    }
}

/// The dockerd of this machine.
fn installed() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut found = places.map(|directory| directory.join("dockerd"));
    Some(found.find(|program| program.is_file())?.to_string_lossy().into_owned())
}
