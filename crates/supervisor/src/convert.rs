//! Between the values of the trait and the messages of the protocol.

use std::path::Path;
use std::time::SystemTime;

use tierce_task::messages::{
    Any, CreateTaskRequest, DeleteResponse, HealthOptions, MountMessage, StateResponse, Status, WaitResponse,
};
use tierce_task::options::{CreateOptions, RuncOptions};
use tierce_task::{Create, Error, Exit, Mount, Result, TaskStatus};

use crate::config::Config;

pub(crate) fn create_request(config: &Config, create: &Create, bundle: &Path) -> Result<CreateTaskRequest> {
    let runtime = create.runtime.as_ref().map(|path| path.display().to_string());
    let runtime_root = config.runtime_root.display().to_string();
    if let Some(fifos) = &create.fifos {
        let options = RuncOptions {
            binary_name: runtime.unwrap_or_default(),
            root: runtime_root,
            systemd_cgroup: create.systemd_cgroup,
            ..RuncOptions::default()
        };
        return Ok(CreateTaskRequest {
            stdin: fifos.stdin.clone(),
            stdout: fifos.stdout.clone(),
            stderr: fifos.stderr.clone(),
            options: Some(Any::pack(RuncOptions::NAME, &options)),
            ..bare_request(create, bundle)
        });
    }
    let options = CreateOptions {
        stdin: create.stdin,
        stdin_once: create.stdin_once,
        runtime: runtime.unwrap_or_default(),
        runtime_root,
        systemd_cgroup: create.systemd_cgroup,
        log: create.log.clone(),
        health: health_options(create)?,
        checkpoint: String::new(),
    };
    Ok(CreateTaskRequest {
        options: Some(options.to_any()),
        ..bare_request(create, bundle)
    })
}

/// How its health is probed, for the wire.
pub(crate) fn health_options(create: &Create) -> Result<Option<HealthOptions>> {
    let options = create.health.as_ref().map(HealthOptions::try_from);
    options.transpose().map_err(|error| Error::Malformed {
        what: "process document",
        cause: error.to_string(),
    })
}

fn bare_request(create: &Create, bundle: &Path) -> CreateTaskRequest {
    CreateTaskRequest {
        id: create.id.clone(),
        bundle: bundle.display().to_string(),
        rootfs: create.rootfs.iter().map(mount_message).collect(),
        terminal: create.terminal,
        checkpoint: checkpoint_of(create),
        ..CreateTaskRequest::default()
    }
}

/// Where it is restored from; empty: nowhere.
pub(crate) fn checkpoint_of(create: &Create) -> String {
    let path = create.checkpoint.as_ref();
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

pub(crate) fn mount_message(mount: &Mount) -> MountMessage {
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
