//! The life of tasks, asked for over the connection.

use std::path::PathBuf;

use async_trait::async_trait;
use tierce_fault::{Fault as _, Kind};
use tierce_task::messages::{Any, Empty, ExecOptions, MountMessage, Status, WaitResponse};
use tierce_task::options::CreateOptions;
use tierce_task::services::containers::{Container, ContainerId, OneContainer};
use tierce_task::services::tasks::{
    CreateTaskRequest, CreateTaskResponse, DeleteResponse, ExecProcessRequest, ExecProcessResponse, GetResponse,
    KillRequest, Process, ProcessRequest, StartResponse,
};
use tierce_task::services::{RuntimeName, SPEC};
use tierce_task::{
    Create, Created, Error, EventKind, EventReceiver, Exec, Exit, ProcessId, Result, TaskState, TaskStatus, Tasks,
};

use super::link::Link;
use super::mirror::Known;
use super::{Failure, LABEL, Remote};
use crate::convert;

/// SIGKILL.
const KILL: i32 = 9;
/// How often a container is made anew after a break.
const TRIES: usize = 3;

pub(super) fn request_of(process: &ProcessId) -> ProcessRequest {
    ProcessRequest {
        container_id: process.container.clone(),
        exec_id: process.exec_id().to_owned(),
    }
}

impl Remote {
    /// Writes the record that the task is made from; one that is left of an earlier life is replaced.
    async fn record(&self, create: &Create) -> Result<()> {
        let malformed = |error: serde_json::Error| Error::Malformed {
            what: "runtime document",
            cause: error.to_string(),
        };
        let container = Container {
            id: create.id.clone(),
            labels: [(LABEL.to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into(),
            runtime: Some(RuntimeName {
                name: "io.containerd.tierce.v2".to_owned(),
                options: None,
            }),
            spec: Some(Any {
                type_url: SPEC.to_owned(),
                value: serde_json::to_vec(&create.spec).map_err(malformed)?,
            }),
            ..Container::default()
        };
        let request = OneContainer {
            container: Some(container),
        };
        let asked = self.short(
            "create",
            &create.id,
            "/containerd.services.containers.v1.Containers/Create",
        );
        match self.call::<OneContainer>(asked, &request).await {
            Err(error) if error.kind() == Kind::Conflict => {
                self.forget(&create.id).await;
                self.call::<OneContainer>(asked, &request).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }

    /// Removes a record. One that stays is removed with the next connection.
    async fn forget(&self, id: &str) {
        let asked = self.short("forget", id, "/containerd.services.containers.v1.Containers/Delete");
        let request = ContainerId { id: id.to_owned() };
        if let Err(error) = self.call::<Empty>(asked, &request).await {
            tracing::debug!(container = id, %error, "a container's record could not be removed");
        }
    }

    /// What became of a process, after the connection broke.
    async fn look(&self, verb: &'static str, process: &ProcessId) -> Result<Process> {
        let asked = self.short(verb, &process.container, "/containerd.services.tasks.v1.Tasks/Get");
        let answer: GetResponse = self.call(asked, &request_of(process)).await?;
        answer.process.ok_or_else(|| Error::NotFound(process.clone()))
    }

    /// Removes what is left of a container that was given up.
    async fn remove_remnant(&self, id: &str) -> Result<()> {
        let init = ProcessId::init(id);
        // What is dead already needs no signal, and no wait.
        let _killed = self.kill(&init, KILL, true).await;
        let asked = self.short("wait for", id, "/containerd.services.tasks.v1.Tasks/Wait");
        let _ended: Result<WaitResponse> = self.call(asked, &request_of(&init)).await;
        match self.delete(&init).await {
            Err(error) if error.kind() != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// A creation was given up while the supervisor may still be at it.
    pub(super) fn take_back_later(&self, id: &str) {
        let (this, id) = (self.this.clone(), id.to_owned());
        tokio::spawn(async move {
            let Some(this) = this.upgrade() else { return };
            match this.remove_remnant(&id).await {
                Ok(()) => drop(this.doubtful().remove(&id)),
                Err(error) => {
                    tracing::warn!(container = id, %error, "a container that was given up could not be removed");
                }
            }
        });
    }

    /// Sees to it that nothing is left of an earlier life of a container.
    async fn make_room(&self, id: &str) -> Result<()> {
        let known = self.mirror.state(id).map(|task| task.status);
        if matches!(known, Some(TaskStatus::Running | TaskStatus::Paused)) {
            return Err(Error::Exists(ProcessId::init(id)));
        }
        let doubtful = self.doubtful().contains(id);
        if doubtful || known.is_some() {
            self.remove_remnant(id).await?;
            self.doubtful().remove(id);
        }
        Ok(())
    }
}

fn create_request(create: &Create) -> Result<CreateTaskRequest> {
    let options = CreateOptions {
        stdin: create.stdin,
        stdin_once: create.stdin_once,
        runtime: create
            .runtime
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        // The supervisor has its own.
        runtime_root: String::new(),
        systemd_cgroup: create.systemd_cgroup,
        log: create.log.clone(),
        health: convert::health_options(create)?,
        checkpoint: convert::checkpoint_of(create),
    };
    let rootfs: Vec<MountMessage> = create.rootfs.iter().map(convert::mount_message).collect();
    Ok(CreateTaskRequest {
        container_id: create.id.clone(),
        rootfs,
        terminal: create.terminal,
        options: Some(options.to_any()),
        trace: create.trace.as_ref().map(ToString::to_string).unwrap_or_default(),
        ..CreateTaskRequest::default()
    })
}

#[async_trait]
impl Tasks for Remote {
    async fn create(&self, create: Create) -> Result<Created> {
        let request = create_request(&create)?;
        let asked = self.long("create", &create.id, "/containerd.services.tasks.v1.Tasks/Create");
        let mut after = 0;
        self.make_room(&create.id).await?;
        let _expected = self.mirror.expect(&create.id);
        let mut tries = TRIES;
        loop {
            self.record(&create).await?;
            let (number, outcome) = self.call_once::<CreateTaskResponse>(asked, &request, after).await;
            match outcome {
                Ok(answer) => {
                    let io = PathBuf::from(answer.io);
                    if let Some(exit) = self.mirror.created(&create.id, answer.pid, io.clone()) {
                        self.publish(create.id.clone(), None, EventKind::Exited(exit));
                    }
                    self.doubtful().remove(&create.id);
                    return Ok(Created { pid: answer.pid, io });
                }
                Err(Failure::Broke(error)) => {
                    // The next connection removes what was made, before anything else is asked for.
                    self.doubtful().insert(create.id.clone());
                    after = number;
                    tries -= 1;
                    if tries == 0 {
                        return Err(error);
                    }
                }
                Err(failure) => {
                    let error = Error::from(failure);
                    if matches!(error, Error::Timeout { .. }) {
                        self.take_back_later(&create.id);
                    } else {
                        self.forget(&create.id).await;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn start(&self, process: &ProcessId) -> Result<u32> {
        let asked = self.long("start", &process.container, "/containerd.services.tasks.v1.Tasks/Start");
        let mut after = 0;
        let pid = loop {
            let (number, outcome) = self
                .call_once::<StartResponse>(asked, &request_of(process), after)
                .await;
            match outcome {
                Ok(answer) => break answer.pid,
                Err(Failure::Broke(_)) => {
                    after = number;
                    let found = self.look("start", process).await?;
                    if !matches!(found.status(), Status::Created | Status::Unknown) {
                        break found.pid;
                    }
                }
                Err(failure) => return Err(failure.into()),
            }
        };
        if process.exec.is_none() {
            self.mirror.set_status(&process.container, TaskStatus::Running);
        }
        Ok(pid)
    }

    async fn exec(&self, process: &ProcessId, exec: Exec) -> Result<PathBuf> {
        let document = serde_json::to_vec(&exec.process).map_err(|error| Error::Malformed {
            what: "process document",
            cause: error.to_string(),
        })?;
        let request = ExecProcessRequest {
            container_id: process.container.clone(),
            terminal: exec.terminal,
            spec: Some(Any {
                type_url: "types.containerd.io/opencontainers/runtime-spec/1/Process".into(),
                value: document,
            }),
            exec_id: process.exec_id().to_owned(),
            options: Some(ExecOptions { stdin: exec.stdin }),
            ..ExecProcessRequest::default()
        };
        let asked = self.short(
            "exec in",
            &process.container,
            "/containerd.services.tasks.v1.Tasks/Exec",
        );
        let mut after = 0;
        loop {
            let (number, outcome) = self.call_once::<ExecProcessResponse>(asked, &request, after).await;
            let io = match outcome {
                Ok(answer) => PathBuf::from(answer.io),
                Err(Failure::Broke(_)) => {
                    after = number;
                    match self.look("exec in", process).await {
                        Ok(_) => self.state(&process.container)?.io,
                        Err(error) if error.kind() == Kind::NotFound => continue,
                        Err(error) => return Err(error),
                    }
                }
                Err(failure) => return Err(failure.into()),
            };
            self.mirror.add_exec(process);
            return Ok(io);
        }
    }

    async fn kill(&self, process: &ProcessId, signal: i32, all: bool) -> Result<()> {
        let request = KillRequest {
            container_id: process.container.clone(),
            exec_id: process.exec_id().to_owned(),
            signal: signal.unsigned_abs(),
            all,
        };
        // A signal that came twice is the same as one that came once and was pending.
        let asked = self.short("kill", &process.container, "/containerd.services.tasks.v1.Tasks/Kill");
        self.call::<Empty>(asked, &request).await.map(drop)
    }

    async fn delete(&self, process: &ProcessId) -> Result<Exit> {
        let known = match self.mirror.process(process) {
            Known::Ended(exit) => Some(exit),
            Known::Lives | Known::Nothing => None,
        };
        let method = match process.exec {
            None => "/containerd.services.tasks.v1.Tasks/Delete",
            Some(_) => "/containerd.services.tasks.v1.Tasks/DeleteProcess",
        };
        let asked = self.long("delete", &process.container, method);
        let answer = self.call::<DeleteResponse>(asked, &request_of(process)).await;
        let gone = match &answer {
            Ok(_) => true,
            Err(error) => error.kind() == Kind::NotFound,
        };
        if matches!(answer, Err(Error::Away { .. })) && process.exec.is_none() {
            // Nobody will ask for it again: it is deleted with the next connection.
            self.doubtful().insert(process.container.clone());
        }
        if gone && process.exec.is_some() {
            self.mirror.remove_exec(process);
        } else if gone {
            let pid = answer.as_ref().map_or(0, |answer| answer.pid);
            self.mirror.remove(&process.container, pid);
            self.forget(&process.container).await;
        }
        let answer = match (answer, known) {
            // Carried out before the connection broke.
            (Err(error), Some(known)) if error.kind() == Kind::NotFound => return Ok(known),
            (answer, _) => answer?,
        };
        Ok(known.unwrap_or_else(|| Exit {
            status: answer.exit_status,
            at: answer.exited_at.map_or_else(std::time::SystemTime::now, Into::into),
            oom_killed: answer.oom_killed,
            memory_peak: None,
        }))
    }

    async fn wait(&self, process: &ProcessId) -> Result<Exit> {
        let mut changed = self.mirror.watch();
        loop {
            changed.mark_unchanged();
            match self.mirror.process(process) {
                Known::Nothing => return Err(Error::NotFound(process.clone())),
                Known::Ended(exit) => return Ok(exit),
                Known::Lives => {}
            }
            if changed.changed().await.is_err() {
                return Err(Error::NotFound(process.clone()));
            }
        }
    }

    fn state(&self, container: &str) -> Result<TaskState> {
        let known = self.mirror.state(container);
        known.ok_or_else(|| Error::NotFound(ProcessId::init(container)))
    }

    fn list(&self) -> Vec<TaskState> {
        self.mirror.list()
    }

    fn absence(&self) -> Option<String> {
        match &*self.link.borrow() {
            Link::Up { .. } => None,
            other => Some(format!(
                "the supervisor at {} is away: {}",
                self.config.address.display(),
                other.cause()
            )),
        }
    }

    fn subscribe(&self) -> EventReceiver {
        self.hub.subscribe()
    }
}
