//! What the process of an exec instance is made of, looked up in the running container.

use super::context::{Context, Snapshot, blocking};
use super::links;
use crate::error::{Error, Result};
use crate::exec::ExecCreate;
use std::path::PathBuf;
use std::sync::Arc;
use tierce_oci::runtime::Process;
use tierce_spec::{Exec, bounding_set, user};

/// Makes the process. Looks into the container for its users, and at the running process for its capabilities.
pub(crate) async fn exec_process(
    context: &Context,
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
    let capabilities = if request.privileged {
        None
    } else {
        Some(bounding.ok_or_else(|| Error::Conflict(format!("container {} is not running", record.id)))?)
    };
    // A link that leads nowhere by now is no reason to run nothing.
    let links = links::of(context, snapshot).unwrap_or_default();
    let linked: Vec<_> = links.iter().flat_map(|link| link.environment(&record.name)).collect();
    let exec = Exec {
        config,
        command: &request.command,
        linked: &linked,
        environment: &request.environment,
        working_directory: &request.working_directory,
        user,
        terminal: request.tty.then_some(console_size),
        capabilities,
        no_new_privileges: record.no_new_privileges,
        apparmor_profile: &record.app_armor_profile,
    };
    Ok(exec.process())
}
