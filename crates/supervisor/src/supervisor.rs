//! The supervisor: the life of tasks.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tierce_fault::{Fault, Kind};
use tierce_task::messages::{
    Any, CreateTaskResponse, DeleteRequest, DeleteResponse, Empty, Envelope, ExecOptions, ExecProcessRequest,
    KillRequest, ShutdownRequest, StartRequest, StartResponse,
};
use tierce_task::method::Method;
use tierce_task::{
    Create, Created, Error, EventHub, EventReceiver, Exec, Exit, ProcessId, Result, TaskState, TaskStatus, Tasks,
    TraceId,
};

use crate::client::Client;
use crate::config::Config;
use crate::table::{Table, Task};
use crate::{bundle, convert, launch, watch};

/// Looks after the shims of all containers. See the crate's description.
#[derive(Debug)]
pub struct Supervisor {
    pub(crate) config: Config,
    pub(crate) table: Table,
    pub(crate) hub: EventHub,
    /// Everything that happens, also what was asked for, in the words of containerd.
    pub(crate) journal: EventHub<Envelope>,
    /// For the watchers, which shall not keep it alive.
    pub(crate) this: Weak<Self>,
}

impl Supervisor {
    /// A supervisor without tasks; makes its directories. Tasks of an earlier one come with
    /// [`recover`](Self::recover). Must be called within a tokio runtime.
    pub fn open(config: Config) -> Result<Arc<Self>> {
        for directory in [config.tasks(), config.sockets(), config.runtime_root.clone()] {
            bundle::make_directory(&directory)?;
        }
        Ok(Arc::new_cyclic(|this| Self {
            config,
            table: Table::default(),
            hub: EventHub::new(),
            journal: EventHub::new(),
            this: this.clone(),
        }))
    }

    /// Writes the bundle and starts a shim.
    async fn launch(&self, create: &Create, bundle: &std::path::Path, trace: &TraceId) -> Result<Client> {
        let (config, id, spec) = (self.config.clone(), create.id.clone(), create.spec.clone());
        let (own, trace) = (TraceId::of_container(&id), trace.clone());
        let place = bundle.to_owned();
        let bootstrap = blocking(move || {
            if place.exists() {
                // Of a container that is not in the table: a remnant.
                let _ = launch::delete(&config, &id, &place);
                bundle::remove(&place)?;
            }
            bundle::write(&place, &spec)?;
            if trace != own {
                bundle::write_trace(&place, &trace)?;
            }
            trace.step(8, "the runtime document is stored");
            let bootstrap = launch::start(&config, &id, &place)?;
            bundle::write_bootstrap(&place, &bootstrap)?;
            Ok(bootstrap)
        })
        .await?;
        Client::connect(&create.id, &bootstrap.socket(), bootstrap.version).await
    }

    /// Ends a shim whose container is gone.
    pub(crate) async fn dismiss(&self, id: &str, client: &Client) {
        let request = ShutdownRequest {
            id: id.to_owned(),
            now: true,
        };
        let limit = Some(self.config.short);
        if let Err(error) = client
            .call::<Empty>("shut down", Method::Shutdown, &request, limit)
            .await
        {
            tracing::debug!(container = id, %error, "the shim did not answer its dismissal");
        }
    }

    /// Removes everything a container has left behind on this floor.
    pub(crate) async fn sweep(&self, id: &str, bundle: PathBuf, clean: bool) {
        let (config, name) = (self.config.clone(), id.to_owned());
        let swept = blocking(move || {
            let cleaned = if clean {
                launch::delete(&config, &name, &bundle)
            } else {
                Ok(())
            };
            bundle::remove(&bundle).and(cleaned)
        });
        if let Err(error) = swept.await {
            tracing::warn!(container = id, %error, "not everything of the container could be removed");
        }
    }

    async fn delete_task(&self, task: &Arc<Task>) -> Result<Exit> {
        let known = task.state().exit;
        let Some(client) = task.has_shim().then(|| task.client("delete")).transpose()? else {
            self.table.remove(&task.id);
            if let Some(exit) = known {
                self.tell_deleted(&ProcessId::init(&task.id), task.pid, exit);
            }
            self.sweep(&task.id, task.bundle.clone(), false).await;
            return known.ok_or_else(|| Error::NotFound(ProcessId::init(&task.id)));
        };
        let request = DeleteRequest {
            id: task.id.clone(),
            exec_id: String::new(),
        };
        let answer = client
            .call::<DeleteResponse>("delete", Method::Delete, &request, Some(self.config.long))
            .await;
        let answer = match answer {
            // It was deleted for a supervisor before this one, which died before it had heard so.
            Err(error) if error.kind() == Kind::NotFound => None,
            answer => Some(answer?),
        };
        let init = ProcessId::init(&task.id);
        let exit = known.or(answer.as_ref().map(convert::exit_of_delete));
        if let Some(exit) = exit {
            watch::tell_exit(self, task, &init, exit);
        }
        self.table.remove(&task.id);
        if let Some(exit) = exit {
            self.tell_deleted(&init, answer.map_or(task.pid, |answer| answer.pid), exit);
        }
        self.dismiss(&task.id, &client).await;
        self.sweep(&task.id, task.bundle.clone(), false).await;
        exit.ok_or(Error::NotFound(init))
    }
}

/// Runs blocking work off the executor.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Refused {
            kind: Kind::Internal,
            message: format!("the work was cut short: {error}"),
        }),
    }
}

#[async_trait]
impl Tasks for Supervisor {
    async fn create(&self, create: Create) -> Result<Created> {
        bundle::check_id(&create.id)?;
        let reservation = self.table.reserve(&create.id)?;
        let bundle = self.config.tasks().join(&create.id);
        let trace = create
            .trace
            .clone()
            .unwrap_or_else(|| TraceId::of_container(&create.id));
        let client = match self.launch(&create, &bundle, &trace).await {
            Ok(client) => client,
            Err(error) => {
                self.sweep(&create.id, bundle, true).await;
                return Err(error);
            }
        };
        trace.step(10, "the task is made: it has its shim");
        let limit = Some(self.config.long);
        let asked = async {
            let request = convert::create_request(&self.config, &create, &bundle)?;
            client
                .call::<CreateTaskResponse>("create", Method::Create, &request, limit)
                .await
        };
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(error) => {
                self.dismiss(&create.id, &client).await;
                self.sweep(&create.id, bundle, true).await;
                return Err(error);
            }
        };
        let io = PathBuf::from(&answer.io);
        trace.step(11, "the shim has called create of the runtime");
        let (place, made) = (
            bundle.clone(),
            bundle::Made {
                pid: answer.pid,
                io: io.clone(),
            },
        );
        if let Err(error) = blocking(move || bundle::write_made(&place, &made)).await {
            // Only a restart that finds the shim silent would miss it.
            tracing::warn!(container = create.id, %error, "a task is not written down");
        }
        let task = Arc::new(Task::new(
            create.id.clone(),
            bundle,
            io.clone(),
            answer.pid,
            Some(client),
        ));
        reservation.fill(task.clone());
        self.tell_created(&create, &task);
        watch::shim(self, &task);
        watch::process(self, &task, ProcessId::init(&task.id));
        Ok(Created { pid: answer.pid, io })
    }

    async fn start(&self, process: &ProcessId) -> Result<u32> {
        let task = self.table.get(&process.container)?;
        let request = StartRequest {
            id: task.id.clone(),
            exec_id: process.exec_id().to_owned(),
        };
        let client = task.client("start")?;
        if process.exec.is_none() {
            task.trace.step(12, "the task is started");
        }
        let answer = client
            .call::<StartResponse>("start", Method::Start, &request, Some(self.config.long))
            .await?;
        if process.exec.is_none() {
            task.trace.step(13, "the shim has called start of the runtime");
            task.set_status(TaskStatus::Running);
        } else {
            task.set_pid(process.exec_id(), answer.pid);
        }
        self.tell_started(&task, process, answer.pid);
        if process.exec.is_some() {
            watch::process(self, &task, process.clone());
        }
        Ok(answer.pid)
    }

    async fn exec(&self, process: &ProcessId, exec: Exec) -> Result<PathBuf> {
        let task = self.table.get(&process.container)?;
        let Some(name) = &process.exec else {
            let message = "cannot add a process without a name".to_owned();
            return Err(Error::Refused {
                kind: Kind::Invalid,
                message,
            });
        };
        bundle::check_id(name)?;
        let document = serde_json::to_vec(&exec.process).map_err(|error| Error::Malformed {
            what: "process document",
            cause: error.to_string(),
        })?;
        let fifos = exec.fifos.clone().unwrap_or_default();
        let request = ExecProcessRequest {
            id: task.id.clone(),
            exec_id: name.clone(),
            terminal: exec.terminal,
            spec: Some(Any {
                type_url: "types.containerd.io/opencontainers/runtime-spec/1/Process".into(),
                value: document,
            }),
            options: exec.fifos.is_none().then_some(ExecOptions { stdin: exec.stdin }),
            stdin: fifos.stdin,
            stdout: fifos.stdout,
            stderr: fifos.stderr,
        };
        if !task.add_exec(name) {
            return Err(Error::Exists(process.clone()));
        }
        let client = task.client("exec in")?;
        let added = client
            .call::<Empty>("exec in", Method::Exec, &request, Some(self.config.short))
            .await;
        if let Err(error) = added {
            task.remove_exec(name);
            return Err(error);
        }
        self.tell_exec_added(process);
        Ok(task.io.clone())
    }

    async fn kill(&self, process: &ProcessId, signal: i32, all: bool) -> Result<()> {
        let task = self.table.get(&process.container)?;
        let request = KillRequest {
            id: task.id.clone(),
            exec_id: process.exec_id().to_owned(),
            signal: signal.unsigned_abs(),
            all,
        };
        if !task.has_shim() {
            return Err(Error::NotFound(process.clone()));
        }
        let client = task.client("kill")?;
        client
            .call::<Empty>("kill", Method::Kill, &request, Some(self.config.short))
            .await
            .map(drop)
    }

    async fn delete(&self, process: &ProcessId) -> Result<Exit> {
        let task = self.table.get(&process.container)?;
        let Some(exec) = &process.exec else {
            return self.delete_task(&task).await;
        };
        let known = task.exit(process).ok_or_else(|| Error::NotFound(process.clone()))?;
        let known = *known.borrow();
        let pid = task.process(process).map_or(0, |(pid, _)| pid);
        if !task.has_shim() {
            task.remove_exec(exec);
            if let Some(exit) = known {
                self.tell_deleted(process, pid, exit);
            }
            return known.ok_or_else(|| Error::NotFound(process.clone()));
        }
        let request = DeleteRequest {
            id: task.id.clone(),
            exec_id: exec.clone(),
        };
        let client = task.client("delete")?;
        let answer = client
            .call::<DeleteResponse>("delete", Method::Delete, &request, Some(self.config.short))
            .await;
        if answer
            .as_ref()
            .map_or_else(|error| error.kind() == Kind::NotFound, |_| true)
        {
            task.remove_exec(exec);
        }
        let exit = known.unwrap_or(convert::exit_of_delete(&answer?));
        self.tell_deleted(process, pid, exit);
        Ok(exit)
    }

    async fn wait(&self, process: &ProcessId) -> Result<Exit> {
        let task = self.table.get(&process.container)?;
        let mut exit = task.exit(process).ok_or_else(|| Error::NotFound(process.clone()))?;
        drop(task);
        // An error: the process was deleted without having ended (an exec that was never started).
        let known = exit
            .wait_for(Option::is_some)
            .await
            .map_err(|_| Error::NotFound(process.clone()))?;
        known.ok_or_else(|| Error::NotFound(process.clone()))
    }

    fn state(&self, container: &str) -> Result<TaskState> {
        self.table.get(container).map(|task| task.state())
    }

    fn list(&self) -> Vec<TaskState> {
        self.table.all().iter().map(|task| task.state()).collect()
    }

    fn subscribe(&self) -> EventReceiver {
        self.hub.subscribe()
    }
}
