//! A foreign OCI runtime (runc, crun, youki, runsc), executed with runc's command line.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio as Redirect};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Deserialize;
use tierce_fault::Kind;
use tierce_oci::runtime::{Process, Resources};
use tierce_runtime::Stdio;
use tierce_sys::passing;
use tierce_task::options::CheckpointOptions;

use super::Runtime;
use crate::error::{Doing, Error, Result};
use crate::job::Report;

/// How long a runtime may take to hand over the terminal once it is running.
const TERMINAL: Duration = Duration::from_secs(10);

/// One container of a foreign runtime.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foreign<'a> {
    pub(super) program: &'a Path,
    pub(super) runtime: &'a Runtime,
    pub(super) id: &'a str,
    pub(super) bundle: &'a Path,
}

/// A line of the runtime's log.
#[derive(Deserialize)]
struct LogLine {
    #[serde(default)]
    level: String,
    #[serde(default)]
    msg: String,
}

impl Foreign<'_> {
    fn log(&self) -> PathBuf {
        self.bundle.join("runtime.log")
    }

    fn command(&self, words: &[&str]) -> Command {
        let _ = fs::remove_file(self.log());
        let mut command = Command::new(self.program);
        command
            .arg("--root")
            .arg(&self.runtime.root)
            .arg("--log")
            .arg(self.log())
            .args(["--log-format", "json"]);
        if self.runtime.systemd_cgroup {
            command.arg("--systemd-cgroup");
        }
        command
            .args(words)
            .current_dir(self.bundle)
            .stdin(Redirect::null())
            .stdout(Redirect::null());
        command.stderr(Redirect::null());
        command
    }

    /// Runs a verb that takes the id last and gives nothing back.
    pub(super) fn simple(&self, words: &[&str]) -> Result<()> {
        let child = self.spawn(self.command(words).arg(self.id))?;
        self.wait(child, words)
    }

    pub(super) fn kill(&self, signal: i32) -> Result<()> {
        let child = self.spawn(self.command(&["kill"]).arg(self.id).arg(signal.to_string()))?;
        self.wait(child, &["kill"])
    }

    pub(super) fn kill_all(&self, signal: i32) -> Result<()> {
        let child = self.spawn(self.command(&["kill", "--all"]).arg(self.id).arg(signal.to_string()))?;
        self.wait(child, &["kill", "--all"])
    }

    pub(super) fn create(&self, terminal: bool, stdio: Stdio) -> Result<Report> {
        fs::create_dir_all(&self.runtime.root).on("create directory", &self.runtime.root)?;
        let bundle = self.bundle.as_os_str();
        let mut options = vec![OsStr::new("--bundle"), bundle];
        if self.runtime.no_pivot {
            options.push(OsStr::new("--no-pivot"));
        }
        if self.runtime.no_new_keyring {
            options.push(OsStr::new("--no-new-keyring"));
        }
        self.make("create", &options, terminal, stdio)
    }

    pub(super) fn restore(&self, images: &Path, work: &Path, stdio: Stdio) -> Result<Report> {
        fs::create_dir_all(&self.runtime.root).on("create directory", &self.runtime.root)?;
        let mut options = vec![OsStr::new("--detach"), OsStr::new("--bundle"), self.bundle.as_os_str()];
        options.extend([OsStr::new("--image-path"), images.as_os_str()]);
        options.extend([OsStr::new("--work-path"), work.as_os_str()]);
        if self.runtime.no_pivot {
            options.push(OsStr::new("--no-pivot"));
        }
        self.make("restore", &options, false, stdio)
    }

    pub(super) fn checkpoint(&self, images: &Path, work: &Path, options: &CheckpointOptions) -> Result<()> {
        let mut command = self.command(&["checkpoint", "--image-path"]);
        command.arg(images).arg("--work-path").arg(work);
        let flags = [
            (!options.exit, "--leave-running"),
            (options.open_tcp, "--tcp-established"),
            (options.external_unix_sockets, "--ext-unix-sk"),
            (options.terminal, "--shell-job"),
            (options.file_locks, "--file-locks"),
        ];
        command.args(flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag));
        let child = self.spawn(command.arg(self.id))?;
        self.wait(child, &["checkpoint"])
    }

    pub(super) fn exec(&self, process: &Process, stdio: Stdio) -> Result<Report> {
        let document = self.bundle.join(format!("process.{}.json", std::process::id()));
        let json = serde_json::to_vec(process).map_err(|error| Error::refused(Kind::Internal, error.to_string()))?;
        fs::write(&document, json).on("write", &document)?;
        let options = [OsStr::new("--detach"), OsStr::new("--process"), document.as_os_str()];
        let made = self.make("exec", &options, process.terminal, stdio);
        let _ = fs::remove_file(&document);
        made
    }

    pub(super) fn update(&self, resources: &Resources) -> Result<()> {
        let document = self.bundle.join("resources.json");
        let json = serde_json::to_vec(resources).map_err(|error| Error::refused(Kind::Internal, error.to_string()))?;
        fs::write(&document, json).on("write", &document)?;
        let child = self.spawn(self.command(&["update", "--resources"]).arg(&document).arg(self.id))?;
        let updated = self.wait(child, &["update"]);
        let _ = fs::remove_file(&document);
        updated
    }

    /// Runs a verb that makes a process.
    fn make(&self, verb: &str, options: &[&OsStr], terminal: bool, stdio: Stdio) -> Result<Report> {
        let pid_file = self.bundle.join(format!("{verb}.{}.pid", std::process::id()));
        let mut command = self.command(&[verb]);
        command.args(options).arg("--pid-file").arg(&pid_file);
        let console = terminal.then(|| self.console_socket()).transpose()?;
        if let Some((path, _)) = &console {
            command.arg("--console-socket").arg(path);
        } else {
            let redirect = |fd: Option<OwnedFd>| fd.map_or_else(Redirect::null, Redirect::from);
            command
                .stdin(redirect(stdio.stdin))
                .stdout(redirect(stdio.stdout))
                .stderr(redirect(stdio.stderr));
        }
        let made = self.spawn(command.arg(self.id)).and_then(|child| {
            // Our copies of the process's ends go with the command.
            drop(command);
            let terminal = console.as_ref().map(|(_, listener)| self.receive(listener)).transpose();
            self.wait(child, &[verb])?;
            let (pid, stand_in) = read_pids(&pid_file)?;
            let pidfd = Pid::from_raw(pid as i32).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
            Ok(Report {
                pid,
                pidfd,
                terminal: terminal?.flatten(),
                stand_in,
            })
        });
        let _ = fs::remove_file(&pid_file);
        if let Some((path, _)) = &console {
            let _ = fs::remove_file(path);
        }
        made
    }

    /// Listens where the runtime shall send the terminal.
    fn console_socket(&self) -> Result<(PathBuf, UnixListener)> {
        let path = self.runtime.sockets.join(format!("{}.pty", std::process::id()));
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).on("listen for a terminal on", &path)?;
        Ok((path, listener))
    }

    /// The terminal that the runtime sends; `None` if it does not connect at all: it has then failed, and says why.
    fn receive(&self, listener: &UnixListener) -> Result<Option<OwnedFd>> {
        let mut ready = [rustix::event::PollFd::new(listener, rustix::event::PollFlags::IN)];
        let limit = rustix::event::Timespec {
            tv_sec: TERMINAL.as_secs() as i64,
            tv_nsec: 0,
        };
        if !matches!(rustix::event::poll(&mut ready, Some(&limit)), Ok(1)) {
            return Ok(None);
        }
        let what = || format!("take the terminal of {}", self.id);
        let (connection, _) = listener.accept().doing(what)?;
        let (_, files) = passing::receive(connection.as_fd(), &mut [0; 4096]).doing(what)?;
        Ok(files.into_iter().next())
    }

    fn spawn(&self, command: &mut Command) -> Result<Child> {
        command.spawn().on("execute runtime", self.program)
    }

    fn wait(&self, mut child: Child, words: &[&str]) -> Result<()> {
        let status = child.wait().on("wait for runtime", self.program)?;
        if status.success() {
            return Ok(());
        }
        let cause = self.last_error().unwrap_or_else(|| status.to_string());
        let lower = cause.to_ascii_lowercase();
        let kind = if lower.contains("does not exist") || lower.contains("no such process") {
            Kind::NotFound
        } else if lower.contains("not running") || lower.contains("already exists") {
            Kind::Conflict
        } else if lower.contains("executable file not found") || lower.contains("no such file") {
            Kind::NotFound
        } else if lower.contains("permission denied") {
            Kind::Forbidden
        } else {
            Kind::Internal
        };
        let program = self.program.file_name().unwrap_or_default().to_string_lossy();
        Err(Error::refused(
            kind,
            format!("{program} {} failed: {cause}", words.join(" ")),
        ))
    }

    /// The last error in the runtime's log.
    fn last_error(&self) -> Option<String> {
        let log = fs::read_to_string(self.log()).ok()?;
        let lines = log
            .lines()
            .rev()
            .filter_map(|line| serde_json::from_str::<LogLine>(line).ok());
        lines
            .into_iter()
            .find(|line| line.level == "error" || line.level == "fatal")
            .map(|line| line.msg)
    }
}

/// The process that was made, and the child of ours that stands in for it; 0: there is none.
fn read_pids(path: &Path) -> Result<(u32, u32)> {
    let text = fs::read_to_string(path).on("read", path)?;
    let mut words = text.split_whitespace();
    let mut pid = || {
        let number: u32 = words.next()?.parse().ok()?;
        (number > 1 && i32::try_from(number).is_ok()).then_some(number)
    };
    let none = || Error::refused(Kind::DataLoss, format!("{} holds no pid: {text:?}", path.display()));
    Ok((pid().ok_or_else(none)?, pid().unwrap_or_default()))
}
