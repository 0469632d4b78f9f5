//! The verbs of an OCI runtime, our own in process or a foreign one by its command line.
//!
//! Everything here runs in a child that works for the shim (see [`crate::job`]), and may block.

mod foreign;

use std::path::{Path, PathBuf};

use tierce_oci::runtime::{Process, Resources};
use tierce_runtime::{Console, CreateOptions, Created, ExecOptions, Stdio};

use crate::error::Result;
use crate::job::Report;
use foreign::Foreign;

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
        let created = tierce_runtime::create(&CreateOptions {
            id: id.to_owned(),
            bundle: bundle.to_owned(),
            root: self.root.clone(),
            console: Console::Return,
            stdio,
            no_pivot: self.no_pivot,
            no_new_keyring: self.no_new_keyring,
            systemd_cgroup: self.systemd_cgroup,
            ..CreateOptions::default()
        })?;
        Ok(created.into())
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

impl From<Created> for Report {
    fn from(created: Created) -> Self {
        Self {
            pid: created.pid as u32,
            pidfd: Some(created.pidfd),
            terminal: created.terminal,
        }
    }
}
