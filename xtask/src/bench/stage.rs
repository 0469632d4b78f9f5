//! What the rows are played on: a private `tierced`, an image that every engine has pulled from the same registry, a
//! bundle. All of it is taken away at the end, whatever happened.

use super::contestant::Engine;
use super::measure::run;
use crate::demo::end;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tierce_testkit::ImageBuilder;
use tierce_testkit::loopback::{DockerRegistry, RegistryOptions};

/// The stage; dropping it cleans up.
pub(super) struct Stage {
    // Fields are dropped from the first to the last: programs end before their folders go.
    daemon: Option<PrivateDaemon>,
    registry: Option<DockerRegistry>,
    /// Folder of our programs.
    pub(super) programs: PathBuf,
    /// On the disk: images, containers, bundle.
    disk: tempfile::TempDir,
    /// In memory where `/run` is: sockets, states of runtimes.
    memory: tempfile::TempDir,
    /// Ours first.
    pub(super) engines: Vec<Engine>,
    /// The image, once there is one.
    pub(super) image: Option<String>,
    /// Less of what can be done in any amount.
    pub(super) small: bool,
    interrupted: Arc<AtomicBool>,
}

impl Stage {
    /// Folders only; nothing runs yet.
    pub(super) fn new(programs: &Path, scratch: &Path, interrupted: Arc<AtomicBool>) -> Result<Self> {
        let programs = fs::canonicalize(programs)
            .with_context(|| format!("the programs are not in {}: run `make build`", programs.display()))?;
        let memory = if Path::new("/run").is_dir() { "/run" } else { "/tmp" };
        Ok(Self {
            daemon: None,
            registry: None,
            programs,
            disk: tempfile::Builder::new().prefix("bench-").tempdir_in(scratch)?,
            memory: tempfile::Builder::new().prefix("tierce-bench-").tempdir_in(memory)?,
            engines: Vec::new(),
            image: None,
            small: false,
            interrupted,
        })
    }

    /// A path on the disk for whatever a row needs.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.disk.path().join(name)
    }

    /// Folder for the states of runtimes.
    pub(super) fn states(&self) -> PathBuf {
        self.memory.path().join("states")
    }

    /// An error once the user has interrupted.
    pub(super) fn go_on(&self) -> Result<()> {
        ensure!(!self.interrupted.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }

    /// Starts our daemon and gives every engine the image.
    pub(super) fn open_engines(&mut self) -> Result<()> {
        let daemon = PrivateDaemon::prepare(&self.programs, self.disk.path(), self.memory.path(), 0);
        let daemon = self.daemon.insert(daemon);
        daemon.start()?;
        self.engines.push(Engine::tierce(&self.programs, &daemon.socket()));
        self.engines.extend(Engine::peers());
        let registry = DockerRegistry::start(&RegistryOptions::default()).map_err(anyhow::Error::msg)?;
        let image = format!("{}/tierce-bench:{}", registry.authority(), std::process::id());
        self.registry = Some(registry);
        push(&ImageBuilder::busybox(), &image)?;
        self.image = Some(image.clone());
        for engine in &self.engines {
            engine.pull(&image)?;
        }
        Ok(())
    }

    /// A second daemon of ours, not started.
    pub(super) fn spare_daemon(&self) -> PrivateDaemon {
        PrivateDaemon::prepare(&self.programs, self.disk.path(), self.memory.path(), 1)
    }

    /// Process of our daemon.
    pub(super) fn daemon_process(&self) -> Option<u32> {
        self.daemon.as_ref()?.child.as_ref().map(Child::id)
    }

    /// Makes a bundle that runs `true` in a busybox root, with the document of `tierce-runtime spec`.
    pub(super) fn bundle(&self) -> Result<PathBuf> {
        self.bundle_of("bundle", &["/bin/true"])
    }

    /// The same for a program that does nothing.
    pub(super) fn idle_bundle(&self) -> Result<PathBuf> {
        self.bundle_of("idle", &["/bin/busybox", "sleep", "100000"])
    }

    fn bundle_of(&self, name: &str, program: &[&str]) -> Result<PathBuf> {
        let bundle = self.disk.path().join(name);
        if bundle.exists() {
            return Ok(bundle);
        }
        let root = bundle.join("rootfs");
        for directory in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir_all(root.join(directory))?;
        }
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        fs::copy(
            busybox.context("busybox-static is not installed")?,
            root.join("bin/busybox"),
        )?;
        for name in ["true", "sh"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name))?;
        }
        run(Command::new(self.programs.join("tierce-runtime"))
            .args(["spec", "--bundle"])
            .arg(&bundle))?;
        let path = bundle.join("config.json");
        let mut document: Value = serde_json::from_slice(&fs::read(&path)?).context("parse config.json")?;
        document["process"]["terminal"] = json!(false);
        document["process"]["args"] = json!(program);
        fs::write(&path, serde_json::to_vec_pretty(&document)?)?;
        Ok(bundle)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Each step is tried whatever became of those before it; what fails is told.
        let tell = |result: Result<String>| {
            if let Err(error) = result {
                eprintln!("clean-up: {error:#}");
            }
        };
        if let Some(image) = &self.image {
            for engine in &self.engines {
                match engine.run(&["ps", "-aq", "--filter", &format!("ancestor={image}")]) {
                    Ok(ids) => {
                        let ids: Vec<String> = ids.split_whitespace().map(str::to_owned).collect();
                        tell(engine.remove(&ids).map(|()| String::new()));
                    }
                    Err(error) => tell(Err(error)),
                }
                // It may never have got there.
                let _ = engine.run(&["rmi", image]);
            }
        }
    }
}

/// A `tierced` apart from every other on the machine.
pub(super) struct PrivateDaemon {
    programs: PathBuf,
    data: PathBuf,
    memory: PathBuf,
    number: u8,
    child: Option<Child>,
}

impl PrivateDaemon {
    fn prepare(programs: &Path, disk: &Path, memory: &Path, number: u8) -> Self {
        Self {
            programs: programs.to_owned(),
            data: disk.join(format!("data{number}")),
            memory: memory.to_owned(),
            number,
            child: None,
        }
    }

    fn socket(&self) -> PathBuf {
        self.memory.join(format!("sock{}", self.number))
    }

    fn bridge(&self) -> String {
        format!("tierce-bench{}", self.number)
    }

    /// Starts it; gives the time until it has answered its first `GET /_ping`.
    pub(super) fn start(&mut self) -> Result<Duration> {
        let log = self.memory.join(format!("log{}", self.number));
        let file = File::create(&log)?;
        let mut command = Command::new(self.programs.join("tierced"));
        command
            .arg("--data-root")
            .arg(&self.data)
            .arg("--exec-root")
            .arg(self.memory.join(format!("exec{}", self.number)))
            .args(["-H", &format!("unix://{}", self.socket().display())])
            .args(["--config-file", "/dev/null", "--bridge", &self.bridge()])
            .args(["--firewall-table", &self.bridge()])
            .args(["--interface-prefix", &format!("tbench{}", self.number)])
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // Ctrl-C is for the benchmark, which ends the daemon itself.
            .process_group(0);
        let start = Instant::now();
        let child = self.child.insert(command.spawn().context("start tierced")?);
        loop {
            if ping(&self.memory.join(format!("sock{}", self.number))).is_ok() {
                return Ok(start.elapsed());
            }
            if start.elapsed() > Duration::from_secs(20) || child.try_wait()?.is_some() {
                bail!(
                    "tierced does not answer; its log:\n{}",
                    fs::read_to_string(log).unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Asks it to end, and waits.
    pub(super) fn stop(&mut self) {
        if let Some(child) = self.child.take() {
            end(child);
        }
    }
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        self.stop();
        // What it leaves for its next start goes too; there is none.
        let _ = run(Command::new("ip").args(["link", "delete", &self.bridge()]));
        for family in ["ip", "ip6"] {
            let _ = run(Command::new("nft").args(["delete", "table", family, &self.bridge()]));
        }
    }
}

fn ping(socket: &Path) -> Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    ensure!(&answer == b"HTTP/1.1 200", "the daemon is not ready");
    Ok(())
}

fn push(image: &ImageBuilder, name: &str) -> Result<()> {
    let layout = tempfile::tempdir()?;
    image.write_layout(layout.path());
    copy_layout(layout.path(), "latest", name)
}

/// Puts an image of an OCI layout into a registry.
pub(super) fn copy_layout(layout: &Path, image: &str, name: &str) -> Result<()> {
    let mut command = Command::new("skopeo");
    command
        .args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"])
        .arg(format!("oci:{}:{image}", layout.display()))
        .arg(format!("docker://{name}"));
    run(&mut command).map(drop)
}
