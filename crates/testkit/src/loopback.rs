//! The real registry, Debian's `docker-registry`.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PROGRAM: &str = "docker-registry";
const PATIENCE: Duration = Duration::from_secs(20);

/// How the registry shall run.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// Certificate and key for TLS, PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Certificate authority of client certificates, PEM file.
    pub client_authority: Option<PathBuf>,
    /// An htpasswd file (bcrypt) for basic authentication.
    pub htpasswd: Option<PathBuf>,
}

/// A running registry. It and its data go when this is dropped.
pub struct DockerRegistry {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl DockerRegistry {
    /// Starts a registry on a loopback port, or says why there is none on this machine.
    ///
    /// # Panics
    /// When it is installed and does not start.
    pub fn start(options: &RegistryOptions) -> Result<Self, String> {
        if Command::new(PROGRAM).arg("--version").output().is_err() {
            return Err(format!("{PROGRAM} is not installed"));
        }
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        // Another process may take the port between our look and its start; then we try the next.
        for _ in 0..5 {
            let port = free_port();
            let configuration = directory.path().join("config.yml");
            fs::write(&configuration, configure(directory.path(), port, options)).map_err(|error| error.to_string())?;
            let file = |name: &str| fs::File::create(directory.path().join(name)).map_err(|error| error.to_string());
            let mut process = Command::new(PROGRAM)
                .arg("serve")
                .arg(&configuration)
                .stdin(Stdio::null())
                .stdout(file("access")?)
                .stderr(file("log")?)
                .spawn()
                .map_err(|error| error.to_string())?;
            if listens(&mut process, &directory.path().join("log")) {
                return Ok(Self {
                    process,
                    port,
                    directory,
                });
            }
            drop(process.kill());
            drop(process.wait());
        }
        let mut log = String::new();
        drop(fs::File::open(directory.path().join("log")).and_then(|mut file| file.read_to_string(&mut log)));
        panic!("{PROGRAM} does not start: {log}");
    }

    /// `127.0.0.1:port`.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Requests that the registry answered so far: `GET /v2/a/manifests/b 200`.
    pub fn trace(&self) -> Vec<String> {
        let log = fs::read_to_string(self.directory.path().join("access")).unwrap_or_default();
        log.lines().filter_map(access_line).collect()
    }

    /// The directory of the registry's blobs and names.
    pub fn storage(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A line of Apache's combined format, which the access log has.
fn access_line(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let mut words = request.split(' ');
    Some(format!(
        "{} {} {}",
        words.next()?,
        words.next()?,
        rest.split(' ').next()?
    ))
}

fn configure(directory: &Path, port: u16, options: &RegistryOptions) -> String {
    let mut text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n",
        directory.join("data").display()
    );
    if let Some(htpasswd) = &options.htpasswd {
        let _ = write!(
            text,
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            htpasswd.display()
        );
    }
    let _ = write!(text, "http:\n  addr: 127.0.0.1:{port}\n");
    if let Some((certificate, key)) = &options.tls {
        let _ = write!(
            text,
            "  tls:\n    certificate: {}\n    key: {}\n",
            certificate.display(),
            key.display()
        );
        if let Some(authority) = &options.client_authority {
            let _ = write!(text, "    clientcas:\n      - {}\n", authority.display());
        }
    }
    text
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("cannot listen: {error}"));
    listener
        .local_addr()
        .unwrap_or_else(|error| panic!("no address: {error}"))
        .port()
}

/// Waits until the registry says that it listens. A connection would not tell: it might lead to another process.
fn listens(process: &mut Child, log: &Path) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if !matches!(process.try_wait(), Ok(None)) {
            return false;
        }
        if fs::read_to_string(log).is_ok_and(|log| log.contains("listening on")) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}
