//! The process of an exec instance: the container's own settings with what the request changes.
//! Source: moby `daemon/exec.go`, `daemon/exec_linux.go`.

use super::process::{environment, override_or_append};
use super::security::{CAPABILITIES, mask_of, of_mask};
use crate::container::context::{Snapshot, blocking};
use crate::container::user;
use crate::error::{Error, Result};
use crate::exec::ExecCreate;
use std::path::PathBuf;
use std::sync::Arc;
use tierce_oci::runtime::{Capabilities, ConsoleSize, Process};

/// Makes the process. Looks into the container for its users, and at the running process for its capabilities.
pub(crate) async fn exec_process(
    snapshot: &Arc<Snapshot>,
    request: &ExecCreate,
    console_size: Option<(u16, u16)>,
) -> Result<Process> {
    let record = Arc::clone(&snapshot.record);
    let config = &record.config;
    let name = if request.user.is_empty() {
        config.user.clone()
    } else {
        request.user.clone()
    };
    let groups = snapshot.host_config.group_add.clone().unwrap_or_default();
    let pid = record.state.pid;
    let (user, bounding) = blocking(move || {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let user = user::resolve_beneath(&root, &name, &groups)?;
        Ok((user, bounding_set(pid)))
    })
    .await?;
    let hostname = &config.hostname;
    let own = config.env.as_deref().unwrap_or_default();
    let environment = override_or_append(
        environment(hostname, request.tty || config.tty, own),
        &request.environment,
    );
    let cwd = [&request.working_directory, &config.working_dir]
        .into_iter()
        .find(|path| !path.is_empty());
    let names: Vec<String> = if request.privileged {
        CAPABILITIES.iter().map(|name| (*name).to_owned()).collect()
    } else {
        bounding.ok_or_else(|| Error::Conflict(format!("container {} is not running", record.id)))?
    };
    Ok(Process {
        terminal: request.tty,
        console_size: console_size.filter(|_| request.tty).map(|(rows, columns)| ConsoleSize {
            height: rows.into(),
            width: columns.into(),
        }),
        user,
        args: request.command.clone(),
        env: environment,
        cwd: cwd.map_or("/", String::as_str).into(),
        capabilities: Some(Capabilities {
            bounding: names.clone(),
            effective: names.clone(),
            permitted: names,
            ..Capabilities::default()
        }),
        no_new_privileges: record.no_new_privileges,
        apparmor_profile: record.app_armor_profile.clone(),
        ..Process::default()
    })
}

/// The bounding set of the container's first process: what its exec instances may have. `None`: it is gone.
fn bounding_set(pid: u32) -> Option<Vec<String>> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = mask_of(&status, "CapBnd")?;
    Some(of_mask(mask).into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_077_the_bounding_set_of_a_process_is_read() {
        assert!(bounding_set(std::process::id()).is_some());
        assert_eq!(bounding_set(u32::MAX), None);
    }
}
