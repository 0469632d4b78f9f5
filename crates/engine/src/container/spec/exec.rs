//! The process of an exec instance: the container's own settings with what the request changes.
//! Source: moby `daemon/exec.go`, `daemon/exec_linux.go`.

use super::process::{environment, override_or_append};
use super::security::{CAPABILITIES, DEFAULT_CAPABILITIES};
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
    let name = if request.user.is_empty() { config.user.clone() } else { request.user.clone() };
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
    let environment =
        override_or_append(environment(hostname, request.tty || config.tty, own), &request.environment);
    let cwd = [&request.working_directory, &config.working_dir].into_iter().find(|path| !path.is_empty());
    let names: Vec<String> = if request.privileged {
        CAPABILITIES.iter().map(|name| (*name).to_owned()).collect()
    } else {
        bounding.ok_or_else(|| Error::Conflict(format!("container {} is not running", record.id)))?
    };
    Ok(Process {
        terminal: request.tty,
        console_size: console_size
            .filter(|_| request.tty)
            .map(|(rows, columns)| ConsoleSize { height: rows.into(), width: columns.into() }),
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
    let Some(mask) = parse_bounding(&status) else {
        return Some(DEFAULT_CAPABILITIES.iter().map(|name| (*name).to_owned()).collect());
    };
    Some(
        CAPABILITIES
            .iter()
            .enumerate()
            .filter(|(bit, _)| mask >> bit & 1 == 1)
            .map(|(_, name)| (*name).to_owned())
            .collect(),
    )
}

fn parse_bounding(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_077_the_bounding_set_is_read_from_proc() {
        assert_eq!(parse_bounding("Name:\tx\nCapBnd:\t00000000a80425fb\n"), Some(0xa804_25fb));
        assert!(bounding_set(std::process::id()).is_some());
        let own = 0xa804_25fb_u64;
        assert_eq!(own.count_ones() as usize, DEFAULT_CAPABILITIES.len());
    }
}
