//! Between the values of the trait and the messages of the protocol.

use std::path::Path;
use std::time::SystemTime;

use tierce_task::messages::{
    CreateTaskRequest, DeleteResponse, HealthOptions, MountMessage, StateResponse, Status, WaitResponse,
};
use tierce_task::options::CreateOptions;
use tierce_task::{Create, Error, Exit, Mount, Result, TaskStatus};

use crate::config::Config;

pub(crate) fn create_request(config: &Config, create: &Create, bundle: &Path) -> Result<CreateTaskRequest> {
    let malformed = |error: serde_json::Error| Error::Malformed {
        what: "process document",
        cause: error.to_string(),
    };
    let options = CreateOptions {
        stdin: create.stdin,
        stdin_once: create.stdin_once,
        runtime: create
            .runtime
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        runtime_root: config.runtime_root.display().to_string(),
        systemd_cgroup: create.systemd_cgroup,
        log: create.log.clone(),
        health: create
            .health
            .as_ref()
            .map(HealthOptions::try_from)
            .transpose()
            .map_err(malformed)?,
    };
    Ok(CreateTaskRequest {
        id: create.id.clone(),
        bundle: bundle.display().to_string(),
        rootfs: create.rootfs.iter().map(mount_message).collect(),
        terminal: create.terminal,
        options: Some(options.to_any()),
        ..CreateTaskRequest::default()
    })
}

fn mount_message(mount: &Mount) -> MountMessage {
    MountMessage {
        kind: mount.kind.clone(),
        source: mount.source.clone(),
        target: mount.target.clone(),
        options: mount.options.clone(),
    }
}

pub(crate) fn exit_of_wait(answer: &WaitResponse) -> Exit {
    let at = answer.exited_at.map_or_else(SystemTime::now, SystemTime::from);
    Exit {
        status: answer.exit_status,
        at,
        oom_killed: answer.oom_killed,
        memory_peak: (answer.memory_peak > 0).then_some(answer.memory_peak),
    }
}

pub(crate) fn exit_of_delete(answer: &DeleteResponse) -> Exit {
    let at = answer.exited_at.map_or_else(SystemTime::now, SystemTime::from);
    Exit {
        status: answer.exit_status,
        at,
        oom_killed: answer.oom_killed,
        memory_peak: None,
    }
}

/// The status of a task, and its exit if it has ended.
pub(crate) fn status_of(answer: &StateResponse) -> (TaskStatus, Option<Exit>) {
    let status = match answer.status() {
        Status::Created | Status::Unknown => TaskStatus::Created,
        Status::Running => TaskStatus::Running,
        Status::Paused | Status::Pausing => TaskStatus::Paused,
        Status::Stopped => TaskStatus::Stopped,
    };
    let at = answer.exited_at.map_or_else(SystemTime::now, SystemTime::from);
    let exit = Exit {
        status: answer.exit_status,
        at,
        oom_killed: answer.oom_killed,
        memory_peak: None,
    };
    (status, (status == TaskStatus::Stopped).then_some(exit))
}
