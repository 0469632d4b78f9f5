//! The verbs of an OCI runtime, our own in process or a foreign one by its command line.
//!
//! Everything here runs in a child that works for the shim (see [`crate::job`]), and may block.

mod foreign;

use std::path::{Path, PathBuf};

use tierce_oci::runtime::{Process, Resources};
use tierce_runtime::{Console, CreateOptions, Created, ExecOptions, ImageSettings, RestoreOptions, Stdio, Switch};
use tierce_task::options::CheckpointOptions;

use tierce_fault::Fault;

use crate::error::{Doing, Error, Result};
use crate::job::Report;
use foreign::Foreign;

/// Directory in the bundle for what CRIU writes besides images.
const CRIU_WORK: &str = "criu-work";

/// Which runtime, and how it is to be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Runtime {
    /// A foreign one's program; `None` is ours.
    pub(crate) program: Option<PathBuf>,
    /// Directory of its states (`--root`).
    pub(crate) root: PathBuf,
    /// Use the systemd cgroup driver.
    pub(crate) systemd_cgroup: bool,
    /// Do not use `pivot_root`.
    pub(crate) no_pivot: bool,
    /// Keep the session keyring.
    pub(crate) no_new_keyring: bool,
    /// Directory for short-lived sockets; short, for the sake of the kernel's limit on their names.
    pub(crate) sockets: PathBuf,
}

impl Runtime {
    fn foreign<'a>(&'a self, id: &'a str, bundle: &'a Path) -> Option<Foreign<'a>> {
        self.program.as_deref().map(|program| Foreign {
            program,
            runtime: self,
            id,
            bundle,
        })
    }

    /// Makes the container; its init waits for [`Self::start`].
    pub(crate) fn create(&self, id: &str, bundle: &Path, terminal: bool, stdio: Stdio) -> Result<Report> {
        if let Some(foreign) = self.foreign(id, bundle) {
            return foreign.create(terminal, stdio);
        }
        let created = tierce_runtime::create(&self.create_options(id, bundle, stdio))?;
        Ok(created.into())
    }

    fn create_options(&self, id: &str, bundle: &Path, stdio: Stdio) -> CreateOptions {
        CreateOptions {
            id: id.to_owned(),
            bundle: bundle.to_owned(),
            root: self.root.clone(),
            console: Console::Return,
            stdio,
            no_pivot: self.no_pivot,
            no_new_keyring: self.no_new_keyring,
            systemd_cgroup: self.systemd_cgroup,
            ..CreateOptions::default()
        }
    }

    /// Makes the container from the files of a checkpoint; its processes run.
    pub(crate) fn restore(&self, id: &str, bundle: &Path, images: &Path, stdio: Stdio) -> Result<Report> {
        with_criu_work(bundle, "restore.log", |work| {
            if let Some(foreign) = self.foreign(id, bundle) {
                return foreign.restore(images, work, stdio);
            }
            let restoring = RestoreOptions {
                images: ImageSettings {
                    directory: images.to_owned(),
                    work: Some(work.to_owned()),
                    ..ImageSettings::default()
                },
                ..RestoreOptions::default()
            };
            let created = tierce_runtime::restore(&self.create_options(id, bundle, stdio), &restoring)?;
            Ok(created.into())
        })
    }

    /// Writes the container's processes to files.
    pub(crate) fn checkpoint(&self, id: &str, bundle: &Path, images: &Path, options: &CheckpointOptions) -> Result<()> {
        with_criu_work(bundle, "dump.log", |work| {
            let work = if options.work_path.is_empty() {
                work
            } else {
                Path::new(&options.work_path)
            };
            if let Some(foreign) = self.foreign(id, bundle) {
                return foreign.checkpoint(images, work, options);
            }
            let switches = [
                (!options.exit, Switch::LeaveRunning),
                (options.open_tcp, Switch::TcpEstablished),
                (options.external_unix_sockets, Switch::ExternalUnixSockets),
                (options.terminal, Switch::ShellJob),
                (options.file_locks, Switch::FileLocks),
            ];
            let wanted = switches.into_iter().filter(|(wanted, _)| *wanted);
            Ok(tierce_runtime::checkpoint(tierce_runtime::CheckpointOptions {
                id: id.to_owned(),
                root: self.root.clone(),
                images: ImageSettings {
                    directory: images.to_owned(),
                    work: Some(work.to_owned()),
                    switches: wanted.map(|(_, switch)| switch).collect(),
                    ..ImageSettings::default()
                },
                ..tierce_runtime::CheckpointOptions::default()
            })?)
        })
    }

    /// Starts the user's program.
    pub(crate) fn start(&self, id: &str, bundle: &Path) -> Result<()> {
        match self.foreign(id, bundle) {
            Some(foreign) => foreign.simple(&["start"]),
            None => Ok(tierce_runtime::start(&self.root, id)?),
        }
    }

    /// Makes and starts a further process.
    pub(crate) fn exec(&self, id: &str, bundle: &Path, process: Process, stdio: Stdio) -> Result<Report> {
        if let Some(foreign) = self.foreign(id, bundle) {
            return foreign.exec(&process, stdio);
        }
        let created = tierce_runtime::exec(&ExecOptions {
            id: id.to_owned(),
            root: self.root.clone(),
            process,
            console: Console::Return,
            stdio,
            ..ExecOptions::default()
        })?;
        Ok(created.into())
    }

    /// Sends a signal to the init, or to all processes.
    pub(crate) fn kill(&self, id: &str, bundle: &Path, signal: i32, all: bool) -> Result<()> {
        match self.foreign(id, bundle) {
            Some(foreign) if all => foreign.kill_all(signal),
            Some(foreign) => foreign.kill(signal),
            None => Ok(tierce_runtime::kill(&self.root, id, signal, all)?),
        }
    }

    /// Forgets the container and removes its cgroup; with `force` kills what is left in it.
    pub(crate) fn delete(&self, id: &str, bundle: &Path, force: bool) -> Result<()> {
        match self.foreign(id, bundle) {
            Some(foreign) if force => foreign.simple(&["delete", "--force"]),
            Some(foreign) => foreign.simple(&["delete"]),
            None => Ok(tierce_runtime::delete(&self.root, id, force)?),
        }
    }

    /// Freezes the container.
    pub(crate) fn pause(&self, id: &str, bundle: &Path) -> Result<()> {
        match self.foreign(id, bundle) {
            Some(foreign) => foreign.simple(&["pause"]),
            None => Ok(tierce_runtime::pause(&self.root, id)?),
        }
    }

    /// Thaws it.
    pub(crate) fn resume(&self, id: &str, bundle: &Path) -> Result<()> {
        match self.foreign(id, bundle) {
            Some(foreign) => foreign.simple(&["resume"]),
            None => Ok(tierce_runtime::resume(&self.root, id)?),
        }
    }

    /// Changes its limits.
    pub(crate) fn update(&self, id: &str, bundle: &Path, resources: &Resources) -> Result<()> {
        match self.foreign(id, bundle) {
            Some(foreign) => foreign.update(resources),
            None => Ok(tierce_runtime::update(&self.root, id, resources)?),
        }
    }
}

/// Gives CRIU a directory for its log while it works. A failure is told with the last error in the log, since CRIU's
/// answer is only a number, and the log goes with the bundle.
fn with_criu_work<T>(bundle: &Path, log: &str, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let directory = bundle.join(CRIU_WORK);
    std::fs::create_dir_all(&directory).on("create directory", &directory)?;
    let done = work(&directory).map_err(|error| {
        let log = std::fs::read(directory.join(log)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        match log.lines().rev().find(|line| line.contains("Error (")) {
            Some(cause) => Error::refused(error.kind(), format!("{error}: {}", cause.trim())),
            None => error,
        }
    });
    // It is gone with the bundle at the latest.
    let _ = std::fs::remove_dir_all(&directory);
    done
}

impl From<Created> for Report {
    fn from(created: Created) -> Self {
        Self {
            pid: created.pid as u32,
            pidfd: Some(created.pidfd),
            terminal: created.terminal,
            stand_in: 0,
        }
    }
}
