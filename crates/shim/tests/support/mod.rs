//! A house for shims: a private exec root, a busybox root filesystem, and documents to run in it.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tierce_logs::drivers::{self, Source, Target, json_file};
use tierce_oci::runtime::Spec;
use tierce_supervisor::{Config, Supervisor};
use tierce_task::attach::{Attach, parse_answer};
use tierce_task::{Create, Mount, ProcessId, Tasks};

pub(crate) const SHIM: &str = env!("CARGO_BIN_EXE_containerd-shim-tierce-v2");

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Everything a test needs; what its containers leave behind goes with it.
pub(crate) struct House {
    pub(crate) directory: TempDir,
    pub(crate) rootfs: PathBuf,
}

/// Whether this machine can run containers at all; says why not.
pub(crate) fn can_run() -> bool {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return false;
    }
    if !Path::new("/bin/busybox").exists() {
        println!("skipped: needs a static /bin/busybox");
        return false;
    }
    true
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("ts").tempdir_in("/tmp").unwrap();
        let rootfs = directory.path().join("rootfs");
        for name in ["bin", "proc", "dev", "sys", "tmp", "etc"] {
            fs::create_dir_all(rootfs.join(name)).unwrap();
        }
        fs::copy("/bin/busybox", rootfs.join("bin/busybox")).unwrap();
        for applet in [
            "sh", "true", "false", "cat", "echo", "sleep", "kill", "tty", "stty", "head", "tr", "seq", "yes", "dd",
            "wc", "printf", "id", "ps",
        ] {
            symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
        }
        Self { directory, rootfs }
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(self.directory.path().join("r"), SHIM)
    }

    pub(crate) fn supervisor(&self) -> Arc<Supervisor> {
        Supervisor::open(self.config()).unwrap()
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.directory.path().join("c-json.log")
    }

    /// A container that runs `script` in a shell.
    pub(crate) fn create(&self, script: &str) -> Create {
        self.create_with(&["sh", "-c", script], false)
    }

    pub(crate) fn create_with(&self, words: &[&str], terminal: bool) -> Create {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("t{}-{number}", std::process::id());
        let merged = self.directory.path().join(format!("merged{number}"));
        Create {
            spec: spec(&merged, &id, words, terminal),
            rootfs: vec![Mount {
                kind: "bind".into(),
                source: self.rootfs.display().to_string(),
                target: String::new(),
                options: vec!["rbind".into(), "rprivate".into()],
            }],
            id,
            terminal,
            log: serde_json::to_string(&self.target()).unwrap(),
            ..Create::default()
        }
    }

    fn target(&self) -> Target {
        let files = tierce_logs::Files {
            path: self.log_path(),
            max_files: 1,
            ..tierce_logs::Files::default()
        };
        Target::JsonFile(json_file::Options {
            files,
            ..json_file::Options::default()
        })
    }

    /// The log's text of one stream.
    pub(crate) fn logged(&self, stream: tierce_logs::Stream) -> String {
        let query = tierce_logs::Query::default();
        let mut reader = drivers::read(&Source::JsonFile(self.log_path()), &query).unwrap();
        let mut text = Vec::new();
        while let tierce_logs::Next::Entry(entry) = reader.next(None).unwrap() {
            if entry.stream == stream {
                text.extend(entry.line);
            }
        }
        String::from_utf8(text).unwrap()
    }

    /// Mounts below this house; none must be left.
    pub(crate) fn mounts(&self) -> usize {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let prefix = self.directory.path().to_str().unwrap();
        table.lines().filter(|line| line.contains(prefix)).count()
    }
}

impl Drop for House {
    /// A test that failed half way leaves containers; their shims are told by the bundles.
    fn drop(&mut self) {
        let tasks = self.directory.path().join("r/tasks");
        for entry in fs::read_dir(tasks).into_iter().flatten().flatten() {
            if let Ok(pid) = fs::read_to_string(entry.path().join("shim.pid"))
                && let Some(pid) = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            let mut clean = std::process::Command::new(SHIM);
            clean.args(["-namespace", "moby", "-id"]).arg(entry.file_name());
            clean
                .arg("-address")
                .arg(self.directory.path().join("r"))
                .arg("-bundle")
                .arg(entry.path())
                .arg("delete");
            let _ = clean
                .env("TIERCE_SOCKETS", self.directory.path().join("r/s"))
                .current_dir(entry.path())
                .output();
        }
    }
}

pub(crate) fn spec(root: &Path, id: &str, words: &[&str], terminal: bool) -> Spec {
    let document = serde_json::json!({
        "ociVersion": "1.2.0",
        "process": process_json(words, terminal),
        "root": { "path": root },
        "hostname": id,
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
              "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
        ],
        "linux": {
            "cgroupsPath": format!("/tierce-shim-test/{id}"),
            "namespaces": [
                { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }, { "type": "network" },
            ],
        },
    });
    Spec::from_json(document.to_string().as_bytes()).unwrap()
}

fn process_json(words: &[&str], terminal: bool) -> serde_json::Value {
    serde_json::json!({
        "terminal": terminal,
        "user": { "uid": 0, "gid": 0 },
        "args": words,
        "env": ["PATH=/bin", "TERM=xterm"],
        "cwd": "/",
    })
}

pub(crate) fn process(words: &[&str], terminal: bool) -> tierce_oci::runtime::Process {
    serde_json::from_value(process_json(words, terminal)).unwrap()
}

/// An attached client.
pub(crate) struct Client {
    pub(crate) socket: UnixStream,
}

impl Client {
    pub(crate) fn attach(io: &Path, process: &str) -> Self {
        let mut socket = UnixStream::connect(io).unwrap();
        let attach = Attach {
            process: process.into(),
            stdin: true,
            stdout: true,
            stderr: true,
        };
        socket.write_all(attach.to_line().as_bytes()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while socket.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            answer.push(byte[0]);
        }
        let since = parse_answer(str::from_utf8(&answer).unwrap()).unwrap();
        assert!(since.unwrap() <= SystemTime::now());
        Self { socket }
    }

    pub(crate) fn send(&mut self, text: &[u8]) {
        self.socket.write_all(text).unwrap();
    }

    pub(crate) fn end_input(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Everything until the shim hangs up, as it comes.
    pub(crate) fn raw(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.socket.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Everything until the shim hangs up, taken out of its frames: standard output, standard error.
    pub(crate) fn frames(&mut self) -> (String, String) {
        let bytes = self.raw();
        let mut streams = [Vec::new(), Vec::new()];
        let mut rest = &bytes[..];
        while let Some((header, body)) = rest.split_first_chunk::<8>() {
            let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
            assert!(matches!(header[0], 1 | 2), "{header:?}");
            streams[usize::from(header[0] - 1)].extend_from_slice(&body[..length]);
            rest = &body[length..];
        }
        assert!(rest.is_empty());
        let [out, err] = streams.map(|bytes| String::from_utf8(bytes).unwrap());
        (out, err)
    }

    /// Reads until the text so far contains `what`.
    pub(crate) fn read_until(&mut self, what: &str) -> String {
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.contains(what) {
            let count = self.socket.read(&mut buffer).unwrap();
            assert!(count > 0, "the end came before {what:?}: {text:?}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        text
    }
}

/// Creates, starts, waits, deletes; gives the exit status.
pub(crate) async fn run(supervisor: &Supervisor, create: Create) -> u32 {
    let id = ProcessId::init(create.id.clone());
    supervisor.create(create).await.unwrap();
    supervisor.start(&id).await.unwrap();
    let exit = supervisor.wait(&id).await.unwrap();
    assert_eq!(supervisor.delete(&id).await.unwrap(), exit);
    exit.status
}
