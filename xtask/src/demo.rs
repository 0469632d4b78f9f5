//! `cargo xtask demo`: the whole way from a registry to a running web server, each step with its time.
//!
//! Everything is private and temporary: data root, socket, bridge, registry. It is taken away at the end, also after a
//! failure and when the user interrupts.

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tierce_testkit::{Entry, ImageBuilder, Output, Run as _, wait_until};

/// What to show.
#[derive(clap::Args)]
pub(crate) struct Demo {
    /// Folder of the built programs
    #[arg(long, default_value = "target/dist")]
    programs: PathBuf,
    /// Image from a public registry, instead of one made here
    #[arg(long)]
    image: Option<String>,
}

const PAGE: &str = "Hello from a container of Tierce.\n";
const BRIDGE: &str = "tierce-demo0";

impl Demo {
    /// Runs it; returns when everything is cleaned up.
    pub(crate) fn run(&self) -> Result<()> {
        let interrupted = watch_for_interrupts()?;
        let mut stage = Stage::prepare(&self.programs, interrupted)?;
        let result = match &self.image {
            None => web_server(&mut stage),
            Some(image) => any_image(&mut stage, image),
        };
        stage.clean_up();
        result
    }
}

/// The first signal is remembered, so that the step under way ends and the clean-up is done.
pub(crate) fn watch_for_interrupts() -> Result<Arc<AtomicBool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let flag = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("watch for signals")?;
    let told = Arc::clone(&flag);
    std::thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            loop {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                told.store(true, Ordering::Relaxed);
            }
        });
    });
    Ok(flag)
}

fn web_server(stage: &mut Stage) -> Result<()> {
    let page = Entry::File("var/www/index.html", PAGE.into(), 0o644);
    let image = ImageBuilder::busybox().layer(&[page]);
    let registry = stage.step("start Debian's docker-registry on loopback", Stage::start_registry)?;
    let name = format!("{registry}/web:1");
    stage.step("push an image made of busybox-static", |_| push(&image, &name))?;
    stage.show(&["pull", &name])?;
    stage.show(&["images"])?;
    let port = free_port()?;
    let publish = format!("127.0.0.1:{port}:80");
    stage.show(&[
        "run", "-d", "--name", "web", "-p", &publish, &name, "httpd", "-f", "-v", "-p", "80", "-h", "/var/www",
    ])?;
    stage.step(&format!("GET http://127.0.0.1:{port}/"), |_| fetch(port))?;
    stage.show(&["ps"])?;
    stage.show(&[
        "exec",
        "web",
        "sh",
        "-c",
        "hostname; id; cat /proc/1/cmdline | tr '\\0' ' '",
    ])?;
    stage.show(&["logs", "web"])?;
    stage.show(&["run", "--rm", "--network", "none", &name, "true"])?;
    stage.show(&["stop", "-t", "1", "web"])?;
    stage.show(&["rm", "web"])?;
    stage.show(&["rmi", &name])
}

fn any_image(stage: &mut Stage, image: &str) -> Result<()> {
    stage.show(&["pull", image])?;
    stage.show(&["run", "--rm", image, "cat", "/etc/os-release"])?;
    stage.show(&["run", "-d", "--name", "demo", image, "sleep", "60"])?;
    stage.show(&["exec", "demo", "uname", "-a"])?;
    stage.show(&["rm", "-f", "demo"])?;
    stage.show(&["rmi", image])
}

fn push(image: &ImageBuilder, name: &str) -> Result<String> {
    let layout = tempfile::tempdir()?;
    image.write_layout(layout.path());
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"])
        .arg(format!("oci:{}:latest", layout.path().display()))
        .arg(format!("docker://{name}"))
        .run();
    succeed("skopeo", output)
}

fn fetch(port: u16) -> Result<String> {
    let mut answer = String::new();
    for _ in 0..100 {
        // The server needs a moment to listen.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            answer.clear();
            if stream.read_to_string(&mut answer).is_ok() && answer.ends_with(PAGE) {
                return Ok(PAGE.to_owned());
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("the page did not come through the published port; last answer: {answer:?}")
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn succeed(what: &str, output: Output) -> Result<String> {
    ensure!(
        output.code == 0,
        "{what} ended with code {}: {}{}",
        output.code,
        output.stdout,
        output.stderr
    );
    Ok(output.stdout + &output.stderr)
}

/// A daemon and a registry on roots of their own.
struct Stage {
    programs: PathBuf,
    root: tempfile::TempDir,
    daemon: Option<Child>,
    registry: Option<Child>,
    interrupted: Arc<AtomicBool>,
}

impl Stage {
    fn prepare(programs: &Path, interrupted: Arc<AtomicBool>) -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "containers need root: run it as root, or with sudo"
        );
        let programs = std::fs::canonicalize(programs)
            .with_context(|| format!("the programs are not in {}: run `make build`", programs.display()))?;
        let root = tempfile::Builder::new().prefix("tierce-demo-").tempdir_in("/tmp")?;
        let mut stage = Self {
            programs,
            root,
            daemon: None,
            registry: None,
            interrupted,
        };
        if let Err(error) = stage.step("start tierced on a private data root and socket", Self::start_daemon) {
            stage.clean_up();
            return Err(error);
        }
        Ok(stage)
    }

    /// Does one step and prints it with its time.
    fn step(&mut self, title: &str, act: impl FnOnce(&mut Self) -> Result<String>) -> Result<String> {
        ensure!(!self.interrupted.load(Ordering::Relaxed), "interrupted");
        let start = Instant::now();
        let output = act(self);
        let time = start.elapsed().as_secs_f64() * 1000.0;
        let output = output.with_context(|| format!("failed to {title}"))?;
        println!("\x1b[1m{time:8.1} ms\x1b[0m  {title}");
        for line in output.lines() {
            println!("             {line}");
        }
        ensure!(!self.interrupted.load(Ordering::Relaxed), "interrupted");
        Ok(output)
    }

    /// Runs our command line and shows what it prints.
    fn show(&mut self, words: &[&str]) -> Result<()> {
        let title = format!("tierce {}", words.join(" "));
        self.step(&title, |stage| succeed("tierce", stage.tierce(words)))
            .map(drop)
    }

    fn tierce(&self, words: &[&str]) -> Output {
        Command::new(self.programs.join("tierce"))
            .arg("-H")
            .arg(self.socket())
            .args(words)
            .run()
    }

    fn socket(&self) -> String {
        format!("unix://{}/sock", self.root.path().display())
    }

    fn start_daemon(&mut self) -> Result<String> {
        let root = self.root.path().to_owned();
        let log = File::create(root.join("log"))?;
        let child = Command::new(self.programs.join("tierced"))
            .arg("--data-root")
            .arg(root.join("data"))
            .arg("--exec-root")
            .arg(root.join("exec"))
            .args(["-H", &self.socket(), "--config-file", "/dev/null"])
            .args([
                "--bridge",
                BRIDGE,
                "--firewall-table",
                "tierce-demo",
                "--interface-prefix",
                "tdemo",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the demo, which ends the daemon itself.
            .process_group(0)
            .spawn()?;
        self.daemon = Some(child);
        for _ in 0..2000 {
            if self.tierce(&["version"]).code == 0 {
                return Ok(String::new());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!(
            "tierced does not answer; its log:\n{}",
            std::fs::read_to_string(root.join("log")).unwrap_or_default()
        )
    }

    fn start_registry(&mut self) -> Result<String> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let config = self.root.path().join("registry.yml");
        let data = self.root.path().join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
            data.display()
        );
        std::fs::write(&config, text)?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("start docker-registry")?;
        self.registry = Some(child);
        wait_until("the registry answers", Duration::from_secs(20), || {
            TcpStream::connect(&address).is_ok()
        });
        Ok(address)
    }

    /// Removes the containers, ends the programs, removes the bridge. Goes on whatever fails.
    fn clean_up(mut self) {
        let all = self.tierce(&["ps", "-aq"]);
        let ids: Vec<&str> = all.stdout.split_whitespace().collect();
        if !ids.is_empty() {
            self.tierce(&[&["rm", "-f", "-v"], ids.as_slice()].concat());
        }
        for child in [self.daemon.take(), self.registry.take()].into_iter().flatten() {
            end(child);
        }
        Command::new("ip").args(["link", "delete", BRIDGE]).run();
        Command::new("nft").args(["delete", "table", "ip", "tierce-demo"]).run();
        println!("             cleaned up");
    }
}

/// Asks a program to end, and insists after five seconds.
pub(crate) fn end(mut child: Child) {
    // It may have ended already.
    let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    let start = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}
