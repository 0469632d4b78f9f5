//! Exec instances: further processes in a running container.
//!
//! Docker's two steps: `create` remembers what is to run, `start` runs it. An instance lives in memory only and is
//! forgotten some time after it ended (dockerd: when its container ends, or five minutes after its own end).

use crate::container::context::{Container, Context, run_to_end};
use crate::container::requests::Attach;
use crate::container::{attach, exec_process, runtime_failure};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tierce_fault::Fault;
use tierce_lifecycle::Status;
use tierce_task::ProcessId;
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// How long an ended instance can still be inspected.
const REMEMBERED: Duration = Duration::from_mins(5);

/// What is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecCreate {
    /// Program and arguments.
    pub command: Vec<String>,
    /// `NAME=value`, added to the container's.
    pub environment: Vec<String>,
    /// `user[:group]`; empty: the container's.
    pub user: String,
    /// Empty: the container's.
    pub working_directory: String,
    /// Give it a terminal.
    pub tty: bool,
    /// First size of the terminal: rows, columns.
    pub console_size: Option<(u16, u16)>,
    /// All capabilities.
    pub privileged: bool,
    /// The client will send stdin.
    pub attach_stdin: bool,
    /// The client wants stdout.
    pub attach_stdout: bool,
    /// The client wants stderr.
    pub attach_stderr: bool,
    /// Keys that detach the client.
    pub detach_keys: Option<String>,
}

/// How to start it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExecStart {
    /// Do not attach.
    pub detach: bool,
    /// First size of the terminal: rows, columns; overrides the one given at create.
    pub console_size: Option<(u16, u16)>,
}

/// An exec instance as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// 64 hex digits.
    pub id: String,
    /// Id of its container.
    pub container: String,
    /// What runs.
    pub request: ExecCreate,
    /// Whether it runs now.
    pub running: bool,
    /// How it ended.
    pub exit_code: Option<i32>,
    /// Host process id; 0 before it was started.
    pub pid: u32,
}

/// The exit code of a process that was killed with its container.
const KILLED: i32 = 128 + 9;

#[derive(Debug)]
struct Entry {
    exec: Exec,
    started: bool,
    ended: Option<Instant>,
}

/// All exec instances of a daemon.
#[derive(Debug, Default)]
pub(crate) struct ExecTable {
    entries: Mutex<HashMap<String, Entry>>,
    /// Rung whenever an instance ended.
    bell: Notify,
}

impl ExecTable {
    // Map operations do not panic, so a poisoned lock is safe to enter.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, exec: Exec) {
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.ended.is_none_or(|ended| ended.elapsed() < REMEMBERED));
        entries.insert(
            exec.id.clone(),
            Entry {
                exec,
                started: false,
                ended: None,
            },
        );
    }

    fn get(&self, id: &str) -> Result<Exec> {
        self.lock()
            .get(id)
            .map(|entry| entry.exec.clone())
            .ok_or_else(|| Error::NoSuchExec(id.to_owned()))
    }

    /// Marks an instance as started, once.
    fn claim(&self, id: &str) -> Result<Exec> {
        let mut entries = self.lock();
        let entry = entries.get_mut(id).ok_or_else(|| Error::NoSuchExec(id.to_owned()))?;
        if entry.ended.is_some() {
            return Err(Error::Conflict(format!("Error: Exec command {id} has already run")));
        }
        if entry.started {
            return Err(Error::Conflict(format!("Error: Exec command {id} is already running")));
        }
        entry.started = true;
        Ok(entry.exec.clone())
    }

    fn running(&self, id: &str, pid: u32) {
        if let Some(entry) = self.lock().get_mut(id)
            && entry.ended.is_none()
        {
            entry.exec.running = true;
            entry.exec.pid = pid;
        }
    }

    /// Records an end, and gives the instance if it was not recorded before.
    pub(crate) fn ended(&self, id: &str, exit_code: i32) -> Option<Exec> {
        let mut entries = self.lock();
        let entry = entries.get_mut(id).filter(|entry| entry.ended.is_none())?;
        entry.exec.running = false;
        entry.exec.exit_code = Some(exit_code);
        entry.ended = Some(Instant::now());
        let exec = entry.exec.clone();
        drop(entries);
        self.bell.notify_waiters();
        Some(exec)
    }

    /// Ids of the instances of a container, sorted.
    pub(crate) fn of(&self, container: &str) -> Vec<String> {
        let mut ids: Vec<String> = self
            .lock()
            .values()
            .filter(|entry| entry.exec.container == container && entry.ended.is_none())
            .map(|entry| entry.exec.id.clone())
            .collect();
        ids.sort();
        ids
    }

    /// The container has ended, and all in it. As with dockerd instances that ran can be asked for yet, while those that
    /// were not started are gone.
    pub(crate) fn all_ended(&self, container: &str) {
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.exec.container != container || entry.started);
        let of_container = entries.values_mut().filter(|entry| entry.exec.container == container);
        for entry in of_container.filter(|entry| entry.ended.is_none()) {
            entry.ended = Some(Instant::now());
            entry.exec.exit_code = Some(KILLED);
            entry.exec.running = false;
        }
        drop(entries);
        self.bell.notify_waiters();
    }

    /// Forgets the instances of a container that is removed.
    pub(crate) fn forget_all(&self, container: &str) {
        self.lock().retain(|_, entry| entry.exec.container != container);
        self.bell.notify_waiters();
    }
}

/// The exec verbs.
#[derive(Clone)]
pub struct Execs {
    pub(crate) context: Arc<Context>,
}

impl Execs {
    /// Remembers what is to run in a running container; returns the instance's id.
    pub fn create(&self, name: &str, request: ExecCreate) -> Result<String> {
        let container = self.context.find(name)?;
        if request.command.is_empty() {
            return Err(Error::Invalid("No exec command specified".to_owned()));
        }
        require_running(&container, name)?;
        if let Some(entry) = request
            .environment
            .iter()
            .find(|entry| entry.starts_with('=') || entry.is_empty())
        {
            return Err(Error::Invalid(format!("invalid environment variable: {entry}")));
        }
        let id = crate::container::name::new_id()?;
        let command = in_events(&request.command);
        self.context.execs.add(Exec {
            id: id.clone(),
            container: container.id.clone(),
            request,
            running: false,
            exit_code: None,
            pid: 0,
        });
        let record = &container.snapshot().record;
        self.context
            .publish(record, &format!("exec_create: {command}"), &[("execID", &id)]);
        Ok(id)
    }

    /// Runs an instance. Unless detached, gives the connected stream: raw bytes with a TTY, Docker's frames without.
    pub async fn start(&self, id: &str, request: ExecStart) -> Result<Option<UnixStream>> {
        let context = Arc::clone(&self.context);
        let id = id.to_owned();
        run_to_end(async move { start(&context, &id, request).await }).await
    }

    /// Waits until the instance has ended and its exit code can be inspected; an unknown one has.
    pub async fn ended(&self, id: &str) {
        loop {
            let mut rung = pin!(self.context.execs.bell.notified());
            // Before the look, so that an end between look and wait is heard.
            rung.as_mut().enable();
            match self.context.execs.get(id) {
                Ok(exec) if exec.exit_code.is_none() => rung.await,
                _ => return,
            }
        }
    }

    /// The instance as it is now.
    pub fn inspect(&self, id: &str) -> Result<Exec> {
        self.context.execs.get(id)
    }

    /// Sets the size of its terminal.
    pub async fn resize(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        let exec = self.context.execs.get(id)?;
        require_running(&*self.context.find(&exec.container)?, &exec.container)?;
        if !exec.running {
            return Err(Error::Conflict(format!("exec process {id} is not started")));
        }
        let process = ProcessId::exec(exec.container, exec.id);
        self.context
            .control
            .resize(&process, rows, columns)
            .await
            .map_err(Error::below)
    }
}

/// A command as dockerd's events have it: the program, a space, the arguments.
pub(crate) fn in_events(command: &[String]) -> String {
    let (program, arguments) = command
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    format!("{program} {}", arguments.join(" "))
}

/// Refuses a container that can run no command, with the name that it was asked for by.
fn require_running(container: &Container, name: &str) -> Result<()> {
    let record = &container.snapshot().record;
    match record.state.status() {
        Status::Running => Ok(()),
        Status::Paused => Err(Error::Conflict(format!(
            "Container {name} is paused, unpause the container before exec"
        ))),
        Status::Restarting => Err(Error::Conflict(format!(
            "container {} is restarting, wait until the container is running",
            record.id
        ))),
        _ => Err(Error::Conflict(format!("container {} is not running", record.id))),
    }
}

async fn start(context: &Arc<Context>, id: &str, request: ExecStart) -> Result<Option<UnixStream>> {
    let exec = context.execs.get(id)?;
    let container = context
        .by_id(&exec.container)
        .ok_or_else(|| Error::NoSuchExec(id.to_owned()))?;
    require_running(&container, &container.id)?;
    let exec = context.execs.claim(id)?;
    let snapshot = container.snapshot();
    let action = format!("exec_start: {}", in_events(&exec.request.command));
    context.publish(&snapshot.record, &action, &[("execID", id)]);
    match run(context, &container, &exec, request).await {
        Ok(stream) => Ok(stream),
        Err(error) => {
            let code = match &error {
                Error::Runtime { exit_code, .. } => *exit_code,
                _ => 126,
            };
            // Docker keeps the instance, so that the client can ask for the code.
            context.execs.ended(id, code);
            Err(error)
        }
    }
}

async fn run(
    context: &Arc<Context>,
    container: &Container,
    exec: &Exec,
    request: ExecStart,
) -> Result<Option<UnixStream>> {
    let snapshot = container.snapshot();
    let console_size = request.console_size.or(exec.request.console_size);
    let process = exec_process(context, &snapshot, &exec.request, console_size).await?;
    let id = ProcessId::exec(&container.id, &exec.id);
    let failed = |error: tierce_task::Error| runtime_failure("exec failed: ", &error);
    let task = tierce_task::Exec {
        process,
        terminal: exec.request.tty,
        stdin: exec.request.attach_stdin,
        fifos: None,
    };
    let io = context.tasks.exec(&id, task).await.map_err(failed)?;
    let started = async {
        let stream = if request.detach {
            None
        } else {
            let wanted = Attach {
                stdin: exec.request.attach_stdin,
                stdout: exec.request.attach_stdout,
                stderr: exec.request.attach_stderr,
                ..Attach::default()
            };
            Some(attach::connect(&io, &exec.id, wanted).await?.stream)
        };
        let pid = context.tasks.start(&id).await.map_err(failed)?;
        context.execs.running(&exec.id, pid);
        Ok(stream)
    }
    .await;
    if started.is_err()
        && let Err(error) = context.tasks.delete(&id).await
        && error.kind() != tierce_fault::Kind::NotFound
    {
        tracing::warn!(exec = exec.id, %error, "an exec that did not start could not be removed");
    }
    started
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(id: &str) -> Exec {
        Exec {
            id: id.to_owned(),
            container: "c".to_owned(),
            request: ExecCreate::default(),
            running: false,
            exit_code: None,
            pid: 0,
        }
    }

    #[test]
    fn row_077_an_instance_runs_once_and_keeps_its_exit_code() {
        let table = ExecTable::default();
        table.add(exec("e"));
        table.claim("e").unwrap();
        assert!(
            table
                .claim("e")
                .unwrap_err()
                .to_string()
                .ends_with("is already running")
        );
        table.running("e", 42);
        assert_eq!(table.of("c"), ["e"]);
        assert_eq!(table.ended("e", 7).unwrap().exit_code, Some(7));
        assert_eq!(table.ended("e", 8), None);
        assert!(table.claim("e").unwrap_err().to_string().ends_with("has already run"));
        assert_eq!(table.get("e").unwrap().exit_code, Some(7));
        assert!(table.of("c").is_empty());
        table.add(exec("not-started"));
        table.all_ended("c");
        assert_eq!(
            table.get("not-started").unwrap_err().to_string(),
            "No such exec instance: not-started"
        );
        assert_eq!(table.get("e").unwrap().exit_code, Some(7));
        table.forget_all("c");
        assert_eq!(table.get("e").unwrap_err().to_string(), "No such exec instance: e");
    }
}
