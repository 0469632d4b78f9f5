//! The supervisor of a test's daemon as a process of its own.
//!
//! `TIERCE_TEST_SUPERVISOR=apart` gives every [`crate::Daemon`] one, so that any test can be run that way.

use crate::daemon::PATIENCE;
use crate::{Host, binary, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where it is, and its process while it runs.
#[derive(Debug)]
pub struct Supervisor {
    /// Whether the daemon uses one, from its next start on.
    pub apart: bool,
    /// Environment variables besides this process's own; of use at the next start.
    pub environment: Vec<(String, String)>,
    /// Whether the daemon is started without it; its turn comes later.
    pub late: bool,
    process: Option<Child>,
    /// Of all that the daemon has.
    root: PathBuf,
    namespace: String,
}

impl Supervisor {
    pub(crate) fn new(root: &Path, host: &Host) -> Self {
        Self {
            environment: Vec::new(),
            late: false,
            apart: std::env::var_os("TIERCE_TEST_SUPERVISOR").is_some_and(|value| value == "apart"),
            process: None,
            root: root.to_owned(),
            namespace: format!("--net=/run/netns/{}", host.name()),
        }
    }

    /// Its process id; 0 while it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.root.join("supervisor.sock")
    }

    /// Directory of its database.
    pub fn root(&self) -> PathBuf {
        self.root.join("supervisor")
    }

    /// The ids of the containers in its database.
    pub fn records(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root().join("containers"))
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut ids: Vec<String> = names
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect();
        ids.sort();
        ids
    }

    /// A command that starts it, and logs where the daemon does.
    pub fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args([&self.namespace, "--"]).arg(binary("tierce-supervisor"));
        command.arg("--root").arg(self.root());
        command.arg("--state").arg(self.root.join("exec"));
        command.arg("--address").arg(self.socket());
        command.args(["--log-level", "debug"]);
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Starts it.
    pub fn launch(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.root.join("log"))
            .expect("open the log");
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        self.process = Some(command.spawn().expect("start tierce-supervisor"));
        wait_until("the supervisor answers", PATIENCE, || {
            let process = self.process.as_mut().expect("it was started");
            let ended = process.try_wait().expect("wait");
            assert!(
                ended.is_none(),
                "the supervisor ended at once: {}",
                fs::read_to_string(self.root.join("log")).unwrap_or_default()
            );
            std::os::unix::net::UnixStream::connect(self.socket()).is_ok()
        });
    }

    /// `kill -9`.
    pub fn crash(&mut self) {
        let mut process = self.process.take().expect("the supervisor runs");
        process.kill().expect("kill the supervisor");
        process.wait().expect("reap the supervisor");
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = Pid::from_child(&process);
            kill_process(pid, Signal::TERM).expect("ask the supervisor to end");
            wait_until("the supervisor ends", PATIENCE, || {
                process.try_wait().expect("wait").is_some()
            });
        }
    }
}
