//! A bed for tests: a bundle with a busybox root file system in a temporary directory, and the built program.
#![allow(dead_code, unreachable_pub)] // each test file uses its part of this module

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

const BUSYBOX: &str = "/bin/busybox";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A bundle, a state directory, and an id that nobody else has.
pub struct Bed {
    directory: tempfile::TempDir,
    pub id: String,
    pub config: Value,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: unquoted(&String::from_utf8_lossy(&output.stderr)),
        }
    }
}

/// Errors are log lines; what is quoted within them reads better, and is looked for, as it was.
pub fn unquoted(lines: &str) -> String {
    lines.replace("\\\"", "\"").replace("\\n", "\n")
}

/// The bed, or `None` with the reason printed where this machine cannot have one.
pub fn bed() -> Option<Bed> {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return None;
    }
    if !Path::new(BUSYBOX).exists() {
        println!("skipped: needs {BUSYBOX} (busybox-static)");
        return None;
    }
    let directory = tempfile::tempdir().expect("a directory");
    // A container in a user namespace must be able to reach its root.
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    let bin = directory.path().join("bundle/rootfs/bin");
    std::fs::create_dir_all(&bin).expect("mkdir");
    copy_program(BUSYBOX.as_ref(), &bin.join("busybox"));
    for applet in [
        "sh", "true", "false", "ls", "cat", "mount", "id", "sleep", "env", "hostname", "stat", "echo", "touch",
        "mkdir", "readlink", "grep", "kill", "head", "tail", "mknod", "tty", "ps", "ipcs", "wc", "pwd", "rm",
    ] {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("link");
    }
    let bundle = directory.path().join("bundle");
    let output = Command::new(program())
        .arg("spec")
        .arg("--bundle")
        .arg(&bundle)
        .output()
        .expect("spec");
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read(bundle.join("config.json")).expect("config.json");
    let mut config: Value = serde_json::from_slice(&text).expect("JSON");
    config["process"]["terminal"] = json!(false);
    config["process"]["rlimits"] = json!([]);
    // What `spec` writes depends on the machine; the tests are to find the same everywhere.
    let namespaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
    namespaces.retain(|one| one["type"] != "cgroup");
    namespaces.push(json!({"type": "cgroup"}));
    let id = format!(
        "tierce-test-{}-{:04}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    Some(Bed { directory, id, config })
}

/// Copies a program. A process of its own writes it: a descriptor of ours, open for writing, would be inherited by the
/// processes that other tests start meanwhile, and a program that is open for writing cannot be executed.
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "copy {}", from.display());
}

/// The program under test.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_tierce-runtime")
}

impl Bed {
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn rootfs(&self) -> PathBuf {
        self.path().join("bundle/rootfs")
    }

    /// Sets the program of the container.
    pub fn args(&mut self, args: &[&str]) -> &mut Self {
        self.config["process"]["args"] = json!(args);
        self
    }

    /// Sets a shell script as program.
    pub fn script(&mut self, script: &str) -> &mut Self {
        self.args(&["sh", "-c", script])
    }

    /// Gives the process these capabilities in all sets but the ambient.
    pub fn capabilities(&mut self, names: &[&str]) -> &mut Self {
        self.config["process"]["capabilities"] =
            json!({"bounding": names, "effective": names, "permitted": names, "inheritable": []});
        self
    }

    /// Writes the document.
    pub fn write(&self) {
        let path = self.path().join("bundle/config.json");
        std::fs::write(path, self.config.to_string()).expect("write config.json");
    }

    /// A command of the program with this bed's state directory.
    pub fn command(&self) -> Command {
        self.command_of(program())
    }

    pub fn command_of(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--root")
            .arg(self.path().join("state"))
            .current_dir(self.path().join("bundle"));
        command.env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS");
        command
    }

    /// Runs a verb with the id behind its flags.
    pub fn verb(&self, words: &[&str]) -> Said {
        self.command()
            .args(words)
            .arg(&self.id)
            .output()
            .expect("execute")
            .into()
    }

    /// Runs the container in the foreground.
    pub fn run(&self) -> Said {
        self.write();
        self.verb(&["run"])
    }

    /// Creates and starts it in the background; its output goes nowhere.
    pub fn start(&self) {
        self.create();
        let said = self.verb(&["start"]);
        assert_eq!(said.code, 0, "{said:?}");
    }

    /// Creates it.
    pub fn create(&self) {
        self.write();
        self.create_quietly();
    }

    /// Creates it of the document as it is; its output goes nowhere.
    pub fn create_quietly(&self) {
        let status = self
            .command()
            .args(["create", &self.id])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .expect("create");
        assert!(status.success());
    }

    /// Executes a process in it.
    pub fn exec(&self, words: &[&str]) -> Said {
        self.command()
            .arg("exec")
            .arg(&self.id)
            .args(words)
            .output()
            .expect("execute")
            .into()
    }

    /// A member of the state document.
    pub fn state(&self, member: &str) -> Value {
        let said = self.verb(&["state"]);
        assert_eq!(said.code, 0, "{said:?}");
        serde_json::from_str::<Value>(&said.out).expect("JSON")[member].clone()
    }

    /// What is left of the container on this machine: its state, mounts, control groups, processes and keyrings. The
    /// kernel takes some of these back a moment after a process is dead, so this asks for a while before it tells.
    pub fn traces(&self) -> Vec<String> {
        let mut traces = Vec::new();
        for _ in 0..200 {
            traces.clear();
            if self.path().join("state").join(&self.id).exists() {
                traces.push("state directory".to_owned());
            }
            let left = tierce_testkit::Snapshot::of(&[&self.id, &self.path().display().to_string()]);
            if !left.is_empty() {
                traces.push(format!("{left:?}"));
            }
            if traces.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        traces
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.command().args(["delete", "--force", &self.id]).output();
        if !std::thread::panicking() {
            assert_eq!(self.traces(), Vec::<String>::new(), "the test leaves something");
        }
    }
}

/// Waits until something is so, at most five seconds.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    for _ in 0..500 {
        if check() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what} did not come");
}
