//! What is known of all tasks, in memory.
//!
//! Locks are held for a few instructions and never across an `await`, so that a question never waits for a shim.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tierce_task::{Error, Exit, Health, ProcessId, Result, TaskState, TaskStatus, TraceId};
use tokio::sync::watch;

use crate::bundle;
use crate::client::Client;

/// One process: its exit, once known.
#[derive(Debug)]
pub(crate) struct Process {
    exit: watch::Sender<Option<Exit>>,
    /// Of an exec that was started.
    pid: Option<u32>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            exit: watch::Sender::new(None),
            pid: None,
        }
    }
}

/// One task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    pub(crate) io: PathBuf,
    pub(crate) pid: u32,
    /// What joins its steps in the log.
    pub(crate) trace: TraceId,
    /// `None`: the shim is dead, what it left behind is cleaned up.
    client: Mutex<Option<Client>>,
    status: Mutex<TaskStatus>,
    init: Process,
    execs: Mutex<BTreeMap<String, Process>>,
    health: Mutex<Option<Health>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Task {
    pub(crate) fn new(id: String, bundle: PathBuf, io: PathBuf, pid: u32, client: Option<Client>) -> Self {
        Self {
            trace: bundle::read_trace(&bundle).unwrap_or_else(|| TraceId::of_container(&id)),
            id,
            bundle,
            io,
            pid,
            client: Mutex::new(client),
            status: Mutex::new(TaskStatus::Created),
            init: Process::default(),
            execs: Mutex::default(),
            health: Mutex::default(),
        }
    }

    /// The connection to its shim, for `verb`.
    pub(crate) fn client(&self, verb: &'static str) -> Result<Client> {
        lock(&self.client).clone().ok_or_else(|| Error::Disconnected {
            verb,
            container: self.id.clone(),
            cause: "its shim has died".to_owned(),
        })
    }

    /// Replaces the connection; `None`: the shim is dead.
    pub(crate) fn set_client(&self, client: Option<Client>) {
        *lock(&self.client) = client;
    }

    pub(crate) fn has_shim(&self) -> bool {
        lock(&self.client).is_some()
    }

    pub(crate) fn set_status(&self, status: TaskStatus) {
        let mut present = lock(&self.status);
        // Nothing comes after the end: an answer may be slower than the exit.
        if *present != TaskStatus::Stopped {
            *present = status;
        }
    }

    /// Notes what the shim says of its health.
    pub(crate) fn set_health(&self, health: Option<Health>) {
        *lock(&self.health) = health;
    }

    /// Notes an exec. `false` if there is one of that name.
    pub(crate) fn add_exec(&self, exec: &str) -> bool {
        let mut execs = lock(&self.execs);
        if execs.contains_key(exec) {
            return false;
        }
        execs.insert(exec.to_owned(), Process::default());
        true
    }

    /// Notes that an exec was started.
    pub(crate) fn set_pid(&self, exec: &str, pid: u32) {
        if let Some(process) = lock(&self.execs).get_mut(exec) {
            process.pid = Some(pid);
        }
    }

    /// Process id of a process, 0 of an exec that was not started, and how it ended.
    pub(crate) fn process(&self, process: &ProcessId) -> Option<(u32, Option<Exit>)> {
        match &process.exec {
            None => Some((self.pid, *self.init.exit.borrow())),
            Some(exec) => {
                let execs = lock(&self.execs);
                let exec = execs.get(exec)?;
                Some((exec.pid.unwrap_or_default(), *exec.exit.borrow()))
            }
        }
    }

    pub(crate) fn remove_exec(&self, exec: &str) {
        lock(&self.execs).remove(exec);
    }

    /// Names of all its processes.
    pub(crate) fn processes(&self) -> Vec<ProcessId> {
        let execs = lock(&self.execs);
        let execs = execs.keys().map(|exec| ProcessId::exec(&self.id, exec));
        std::iter::once(ProcessId::init(&self.id)).chain(execs).collect()
    }

    /// Notes an exit. `false` if it was known, or the process is not.
    pub(crate) fn set_exit(&self, process: &ProcessId, exit: Exit) -> bool {
        let set = |process: &Process| {
            process.exit.send_if_modified(|known| {
                let new = known.is_none();
                *known = known.or(Some(exit));
                new
            })
        };
        match &process.exec {
            None => {
                // Both under one lock: who hears of the exit sees the status.
                let mut status = lock(&self.status);
                *status = TaskStatus::Stopped;
                set(&self.init)
            }
            Some(exec) => lock(&self.execs).get(exec).is_some_and(set),
        }
    }

    /// To wait for an exit.
    pub(crate) fn exit(&self, process: &ProcessId) -> Option<watch::Receiver<Option<Exit>>> {
        match &process.exec {
            None => Some(self.init.exit.subscribe()),
            Some(exec) => lock(&self.execs).get(exec).map(|process| process.exit.subscribe()),
        }
    }

    pub(crate) fn state(&self) -> TaskState {
        let status = lock(&self.status);
        TaskState {
            id: self.id.clone(),
            bundle: self.bundle.clone(),
            pid: self.pid,
            status: *status,
            io: self.io.clone(),
            exit: *self.init.exit.borrow(),
            execs: lock(&self.execs).keys().cloned().collect(),
            health: lock(&self.health).clone(),
        }
    }
}

/// All tasks by container.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// `None`: being created.
    tasks: Mutex<BTreeMap<String, Option<Arc<Task>>>>,
}

impl Table {
    /// Keeps a name for a task being created; it is free again when the reservation is dropped unused.
    pub(crate) fn reserve<'a>(&'a self, id: &str) -> Result<Reservation<'a>> {
        let mut tasks = lock(&self.tasks);
        if tasks.contains_key(id) {
            return Err(Error::Exists(ProcessId::init(id)));
        }
        tasks.insert(id.to_owned(), None);
        Ok(Reservation {
            table: self,
            id: id.to_owned(),
        })
    }

    pub(crate) fn get(&self, container: &str) -> Result<Arc<Task>> {
        let task = lock(&self.tasks).get(container).cloned().flatten();
        task.ok_or_else(|| Error::NotFound(ProcessId::init(container)))
    }

    /// Whether there is a task of that name, or one is being made.
    pub(crate) fn is_taken(&self, container: &str) -> bool {
        lock(&self.tasks).contains_key(container)
    }

    pub(crate) fn remove(&self, container: &str) {
        lock(&self.tasks).remove(container);
    }

    /// Whether this very task is still in the table.
    pub(crate) fn holds(&self, task: &Arc<Task>) -> bool {
        lock(&self.tasks)
            .get(&task.id)
            .is_some_and(|held| held.as_ref().is_some_and(|held| Arc::ptr_eq(held, task)))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Task>> {
        lock(&self.tasks).values().flatten().cloned().collect()
    }
}

/// A name kept for a task.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    table: &'a Table,
    id: String,
}

impl Reservation<'_> {
    /// Puts the task into the table.
    pub(crate) fn fill(self, task: Arc<Task>) {
        lock(&self.table.tasks).insert(self.id.clone(), Some(task));
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut tasks = lock(&self.table.tasks);
        if tasks.get(&self.id).is_some_and(Option::is_none) {
            tasks.remove(&self.id);
        }
    }
}
