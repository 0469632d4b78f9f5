//! `Tasks`: the running of containers.

use std::path::PathBuf;
use std::time::SystemTime;

use prost::Message as _;
use tierce_fault::Kind;
use tierce_grpc::Status;
use tierce_oci::runtime::{Resources, Spec};
use tierce_task::messages::{Any, Empty, MountMessage, ProcessInfo, Status as Phase, Timestamp};
use tierce_task::options::{CheckpointOptions, CreateOptions, RuncOptions};
use tierce_task::services::containers::Container;
use tierce_task::services::tasks::{
    CheckpointTaskRequest, CreateTaskRequest, CreateTaskResponse, DeleteResponse, ExecProcessRequest,
    ExecProcessResponse, GetResponse, KillRequest, ListPidsResponse, ListTasksResponse, Metric, MetricsRequest,
    MetricsResponse, Process, ProcessRequest, SERVICE, StartResponse, UpdateTaskRequest,
};
use tierce_task::status::Code;
use tierce_task::{
    Create, Error, Exec, Exit, Fifos, HealthCheck, Mount, ProcessId, TaskControl as _, TaskState, TaskStatus,
    Tasks as _, TraceId,
};

use super::containers::{RUNTIME, ids_of};
use super::{Reply, Server, answer, decode, refusal, unknown};

/// The name that `ctr` gives a container unless it is told another: ours behaves as this one does.
const RUNC: &str = "io.containerd.runc.v2";

impl Server {
    pub(super) async fn tasks(&self, method: &str, message: &[u8]) -> Reply {
        let supervisor = &self.supervisor;
        let failed = |error: Error| refusal(&error);
        match method {
            "Create" => self.create_task(decode(message)?).await,
            "Start" => {
                let pid = supervisor.start(&process_of(message)?).await.map_err(failed)?;
                answer(&StartResponse { pid })
            }
            "Delete" => self.delete(ProcessId::init(process_of(message)?.container)).await,
            "DeleteProcess" => self.delete(process_of(message)?).await,
            "Get" => {
                let process = self.process(&process_of(message)?).map_err(failed)?;
                answer(&GetResponse { process: Some(process) })
            }
            "List" => {
                let tasks = supervisor.list();
                answer(&ListTasksResponse {
                    tasks: tasks.iter().map(|task| self.task_message(task)).collect(),
                })
            }
            "Kill" => {
                let request: KillRequest = decode(message)?;
                let signal = i32::try_from(request.signal).unwrap_or(i32::MAX);
                let process = process_id(request.container_id, request.exec_id);
                let killed = supervisor.kill(&process, signal, request.all).await;
                killed.map_err(failed)?;
                answer(&Empty {})
            }
            "Exec" => self.exec(decode(message)?).await,
            "ListPids" => {
                let pids = supervisor.pids(&process_of(message)?.container).await.map_err(failed)?;
                let processes = pids.into_iter().map(|pid| ProcessInfo {
                    pid,
                    ..ProcessInfo::default()
                });
                answer(&ListPidsResponse {
                    processes: processes.collect(),
                })
            }
            "Wait" => {
                let exit = supervisor.wait(&process_of(message)?).await.map_err(failed)?;
                answer(&tierce_task::messages::WaitResponse {
                    exit_status: exit.status,
                    exited_at: Some(exit.at.into()),
                    oom_killed: exit.oom_killed,
                    memory_peak: exit.memory_peak.unwrap_or_default(),
                })
            }
            _ => self.control(method, message).await,
        }
    }

    /// The verbs of [`tierce_task::TaskControl`].
    async fn control(&self, method: &str, message: &[u8]) -> Reply {
        let supervisor = &self.supervisor;
        let done = match method {
            "ResizePty" => {
                let request: tierce_task::messages::ResizePtyRequest = decode(message)?;
                let cells = |number| u16::try_from(number).unwrap_or(u16::MAX);
                let process = process_id(request.id, request.exec_id);
                supervisor
                    .resize(&process, cells(request.height), cells(request.width))
                    .await
            }
            "CloseIO" => {
                let request: tierce_task::messages::CloseIoRequest = decode(message)?;
                supervisor.close_stdin(&process_id(request.id, request.exec_id)).await
            }
            "Pause" => supervisor.pause(&process_of(message)?.container).await,
            "Resume" => supervisor.resume(&process_of(message)?.container).await,
            "Update" => {
                let request: UpdateTaskRequest = decode(message)?;
                let resources = request.resources.map(|any| any.value).unwrap_or_default();
                let resources: Resources =
                    serde_json::from_slice(&resources).map_err(|error| invalid("resources", &error))?;
                supervisor.update(&request.container_id, resources).await
            }
            "Checkpoint" => {
                let request: CheckpointTaskRequest = decode(message)?;
                supervisor
                    .checkpoint(&request.container_id, checkpoint_options(request.options)?)
                    .await
            }
            "Metrics" => return self.metrics(&decode(message)?).await,
            _ => return unknown(SERVICE, method),
        };
        done.map_err(|error| refusal(&error))?;
        answer(&Empty {})
    }

    /// What runs in a namespace that is not ours: nothing.
    pub(super) fn tasks_elsewhere(&self, method: &str) -> Reply {
        match method {
            "List" => answer(&ListTasksResponse::default()),
            "Metrics" => answer(&MetricsResponse::default()),
            _ => Err(self.elsewhere()),
        }
    }

    async fn create_task(&self, request: CreateTaskRequest) -> Reply {
        if request.checkpoint.is_some() {
            let text = "a checkpoint in the store of contents is not served, for there is none: give its directory, \
                        criu_image_path, in the options";
            return Err(Status::new(Status::UNIMPLEMENTED, text));
        }
        let id = request.container_id.clone();
        let container = self.with_records(move |records| records.get(&id)).await?;
        let create = wanted(request, container)?;
        let id = create.id.clone();
        let created = self.supervisor.create(create).await.map_err(|error| refusal(&error))?;
        answer(&CreateTaskResponse {
            container_id: id,
            pid: created.pid,
            io: created.io.display().to_string(),
        })
    }

    async fn exec(&self, request: ExecProcessRequest) -> Reply {
        let spec = request.spec.map(|any| any.value).unwrap_or_default();
        let process = serde_json::from_slice(&spec).map_err(|error| invalid("process document", &error))?;
        if request.exec_id.is_empty() {
            let text = "cannot add a process without a name";
            return Err(Status::new(Code::InvalidArgument as i32, text));
        }
        let fifos = Fifos {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
        };
        let exec = Exec {
            process,
            terminal: request.terminal,
            stdin: request.options.is_some_and(|options| options.stdin),
            fifos: request.options.is_none().then_some(fifos),
        };
        let id = ProcessId::exec(request.container_id, request.exec_id);
        let io = self.supervisor.exec(&id, exec).await.map_err(|error| refusal(&error))?;
        answer(&ExecProcessResponse {
            io: io.display().to_string(),
        })
    }

    async fn delete(&self, process: ProcessId) -> Reply {
        let task = self.supervisor.table.get(&process.container);
        let pid = task
            .ok()
            .and_then(|task| task.process(&process))
            .map_or(0, |(pid, _)| pid);
        let exit = self
            .supervisor
            .delete(&process)
            .await
            .map_err(|error| refusal(&error))?;
        answer(&DeleteResponse {
            id: process.exec.unwrap_or(process.container),
            pid,
            exit_status: exit.status,
            exited_at: Some(exit.at.into()),
            oom_killed: exit.oom_killed,
        })
    }

    async fn metrics(&self, request: &MetricsRequest) -> Reply {
        let ids = ids_of(&request.filters)?;
        let mut metrics = Vec::new();
        for task in self.supervisor.list() {
            if !ids.is_empty() && !ids.contains(&task.id) {
                continue;
            }
            match self.supervisor.reading(&task.id, request.full).await {
                Ok(data) => metrics.push(Metric {
                    timestamp: Some(SystemTime::now().into()),
                    id: task.id,
                    data: Some(data),
                }),
                // One of many that cannot be measured does not keep the others away.
                Err(error) if ids.is_empty() => tracing::debug!(container = task.id, %error, "no metrics"),
                Err(error) => return Err(refusal(&error)),
            }
        }
        answer(&MetricsResponse { metrics })
    }

    /// A process as containerd shows it.
    fn process(&self, id: &ProcessId) -> tierce_task::Result<Process> {
        let task = self.supervisor.table.get(&id.container)?;
        if id.exec.is_none() {
            return Ok(self.task_message(&task.state()));
        }
        let (pid, exit) = task.process(id).ok_or_else(|| Error::NotFound(id.clone()))?;
        Ok(exec_message(id, pid, exit))
    }

    fn task_message(&self, state: &TaskState) -> Process {
        let phase = match state.status {
            TaskStatus::Created => Phase::Created,
            TaskStatus::Running => Phase::Running,
            TaskStatus::Paused => Phase::Paused,
            TaskStatus::Stopped => Phase::Stopped,
        };
        let task = self.supervisor.table.get(&state.id).ok();
        let execs = state.execs.iter().filter_map(|exec| {
            let id = ProcessId::exec(&state.id, exec);
            let (pid, exit) = task.as_ref()?.process(&id)?;
            Some(exec_message(&id, pid, exit))
        });
        Process {
            id: state.id.clone(),
            pid: state.pid,
            io: state.io.display().to_string(),
            bundle: state.bundle.display().to_string(),
            execs: execs.collect(),
            health: state.health.as_ref().map(Into::into),
            ..ended(phase, state.exit)
        }
    }
}

fn exec_message(id: &ProcessId, pid: u32, exit: Option<Exit>) -> Process {
    let phase = match (exit, pid) {
        (Some(_), _) => Phase::Stopped,
        (None, 0) => Phase::Created,
        (None, _) => Phase::Running,
    };
    Process {
        container_id: id.container.clone(),
        id: id.exec_id().to_owned(),
        pid,
        ..ended(phase, exit)
    }
}

/// How far a process is, and how it ended.
fn ended(phase: Phase, exit: Option<Exit>) -> Process {
    Process {
        status: phase as i32,
        exit_status: exit.map_or(0, |exit| exit.status),
        exited_at: exit.map(|exit| Timestamp::from(exit.at)),
        oom_killed: exit.is_some_and(|exit| exit.oom_killed),
        memory_peak: exit.and_then(|exit| exit.memory_peak).unwrap_or_default(),
        ..Process::default()
    }
}

fn invalid(what: &str, error: &dyn std::fmt::Display) -> Status {
    let text = format!("the {what} cannot be read: {error}");
    Status::new(Code::InvalidArgument as i32, text)
}

fn process_id(container: String, exec: String) -> ProcessId {
    ProcessId {
        container,
        exec: Some(exec).filter(|exec| !exec.is_empty()),
    }
}

fn process_of(message: &[u8]) -> Result<ProcessId, Status> {
    let request: ProcessRequest = decode(message)?;
    Ok(process_id(request.container_id, request.exec_id))
}

/// What a task shall be: the record says what, the request how it is mounted and where its streams go.
fn wanted(request: CreateTaskRequest, container: Container) -> Result<Create, Status> {
    let runtime = container.runtime.unwrap_or_default();
    if !matches!(runtime.name.as_str(), RUNTIME | RUNC) {
        let text = format!("runtime {:?} is not known here, only {RUNTIME}", runtime.name);
        return Err(Status::new(Code::InvalidArgument as i32, text));
    }
    let spec = container.spec.unwrap_or_default().value;
    let spec: Spec = serde_json::from_slice(&spec).map_err(|error| invalid("runtime document", &error))?;
    let mut create = Create {
        id: request.container_id,
        spec,
        rootfs: request.rootfs.into_iter().map(mount_of).collect(),
        terminal: request.terminal,
        trace: TraceId::parse(&request.trace),
        fifos: Some(Fifos {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
        }),
        ..Create::default()
    };
    if let Some(options) = request.options.or(runtime.options) {
        read_options(&options, &mut create)?;
    }
    Ok(create)
}

fn read_options(any: &Any, create: &mut Create) -> Result<(), Status> {
    let path = |name: String| Some(PathBuf::from(name)).filter(|name| !name.as_os_str().is_empty());
    match any.name() {
        CreateOptions::NAME => {
            let options = CreateOptions::decode(&any.value[..]).map_err(|error| invalid("options", &error))?;
            let health = options.health.map(HealthCheck::try_from).transpose();
            create.fifos = None;
            create.stdin = options.stdin;
            create.stdin_once = options.stdin_once;
            create.log = options.log;
            create.runtime = path(options.runtime);
            create.systemd_cgroup = options.systemd_cgroup;
            create.checkpoint = path(options.checkpoint);
            create.health = health.map_err(|error| invalid("health check", &error))?;
        }
        RuncOptions::NAME => {
            let options = RuncOptions::decode(&any.value[..]).map_err(|error| invalid("options", &error))?;
            create.runtime = path(options.binary_name);
            create.systemd_cgroup = options.systemd_cgroup;
            create.checkpoint = path(options.criu_image_path);
        }
        other => {
            let error = Error::Refused {
                kind: Kind::Invalid,
                message: format!("options of the type {other:?} are not known here"),
            };
            return Err(refusal(&error));
        }
    }
    Ok(())
}

/// Where to and how a checkpoint is written. Without a directory it would be for containerd's store of contents.
fn checkpoint_options(any: Option<Any>) -> Result<CheckpointOptions, Status> {
    let any = any
        .filter(|any| any.name() == CheckpointOptions::NAME)
        .unwrap_or_default();
    let options = CheckpointOptions::decode(&any.value[..]).map_err(|error| invalid("options", &error))?;
    if options.image_path.is_empty() {
        let text = "a checkpoint without a directory is not served, for there is no store of contents: give one, \
                    image_path, in the options";
        return Err(Status::new(Status::UNIMPLEMENTED, text));
    }
    Ok(options)
}

fn mount_of(message: MountMessage) -> Mount {
    Mount {
        kind: message.kind,
        source: message.source,
        target: message.target,
        options: message.options,
    }
}
