//! Starting a shim, and having one clean up after a dead one. Blocking; for use on a blocking thread.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tierce_task::bootstrap::Bootstrap;
use tierce_task::{Error, Result};

use crate::config::Config;

fn command(config: &Config, id: &str, bundle: &Path) -> Command {
    let mut command = Command::new(&config.shim);
    command
        .args(["-namespace", &config.namespace, "-id", id])
        .arg("-address")
        .arg(&config.exec_root);
    command.arg("-bundle").arg(bundle);
    command.env_clear().env("TIERCE_SOCKETS", config.sockets());
    if let Some(limit) = config.open_files {
        command.env("TIERCE_OPEN_FILES", limit.to_string());
    }
    // What runtimes and hooks look up programs with.
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.current_dir(bundle).stdin(Stdio::null());
    command
}

/// Executes `start` and reads where the shim listens.
pub(crate) fn start(config: &Config, id: &str, bundle: &Path) -> Result<Bootstrap> {
    let failed = |cause: String| Error::Launch {
        container: id.to_owned(),
        cause,
    };
    let output = command(config, id, bundle).arg("start").output();
    let output = output.map_err(|error| failed(format!("cannot execute {}: {error}", config.shim.display())))?;
    if !output.status.success() {
        return Err(failed(account(&output)));
    }
    Bootstrap::parse(&String::from_utf8_lossy(&output.stdout)).map_err(|error| failed(error.to_string()))
}

/// Executes `delete`: kills what is left of the container, unmounts its root filesystem, removes the sockets.
pub(crate) fn delete(config: &Config, id: &str, bundle: &Path) -> Result<()> {
    let failed = |cause: String| Error::Launch {
        container: id.to_owned(),
        cause,
    };
    let output = command(config, id, bundle).arg("delete").output();
    let output = output.map_err(|error| failed(format!("cannot execute {}: {error}", config.shim.display())))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(account(&output)))
    }
}

/// What the program said, or how it ended.
fn account(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim().trim_start_matches("containerd-shim-tierce-v2: ");
    if text.is_empty() {
        output.status.to_string()
    } else {
        text.to_owned()
    }
}
