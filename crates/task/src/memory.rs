//! An in-memory [`Tasks`] for the tests of its callers: nothing runs, processes end when the test or a signal says so.
//!
//! A signal ends a process with 128 + its number; [`MemoryTasks::finish`] ends one with any status.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use tierce_fault::Kind;

use crate::messages::Metrics;
use crate::options::CheckpointOptions;
use crate::{
    Create, Created, Error, Event, EventHub, EventKind, EventReceiver, Exec, Exit, Health, ProcessId, Resources,
    Result, TaskControl, TaskState, TaskStatus, Tasks,
};

#[derive(Debug, Default)]
struct Process {
    pid: u32,
    started: bool,
    exit: Option<Exit>,
}

#[derive(Debug, Default)]
struct Table {
    next_pid: u32,
    processes: BTreeMap<ProcessId, Process>,
    paused: Vec<String>,
    health: BTreeMap<String, Health>,
}

/// The fake.
#[derive(Debug, Default)]
pub struct MemoryTasks {
    table: Mutex<Table>,
    hub: EventHub,
}

impl MemoryTasks {
    /// Without any task.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends a process with `status` and publishes its exit; does nothing to one that has ended.
    pub fn finish(&self, id: &ProcessId, status: u32) {
        self.finish_at(id, status, SystemTime::now());
    }

    /// The same, at another time of the clock.
    pub fn finish_at(&self, id: &ProcessId, status: u32, at: SystemTime) {
        let exit = Exit {
            status,
            at,
            oom_killed: false,
            memory_peak: None,
        };
        match self.table().processes.get_mut(id) {
            Some(process) if process.exit.is_none() => process.exit = Some(exit),
            _ => return,
        }
        let (container, exec) = (id.container.clone(), id.exec.clone());
        self.hub.publish(&Event {
            container,
            exec,
            kind: EventKind::Exited(exit),
        });
    }

    /// Ends a probe of a container, which is so afterwards, and tells of it.
    pub fn probed(&self, container: &str, status: u32, health: Health) {
        self.table().health.insert(container.to_owned(), health);
        for kind in [EventKind::ProbeStarted, EventKind::ProbeEnded(Some(status))] {
            self.hub.publish(&Event {
                container: container.to_owned(),
                exec: Some("probe".to_owned()),
                kind,
            });
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, id: ProcessId) -> Result<u32> {
        let mut table = self.table();
        if table.processes.contains_key(&id) {
            return Err(Error::Exists(id));
        }
        table.next_pid += 1;
        let pid = 1000 + table.next_pid;
        table.processes.insert(
            id,
            Process {
                pid,
                ..Process::default()
            },
        );
        Ok(pid)
    }

    fn state_of(table: &Table, container: &str) -> Option<TaskState> {
        let process = table.processes.get(&ProcessId::init(container))?;
        let status = match process {
            Process { exit: Some(_), .. } => TaskStatus::Stopped,
            Process { started: false, .. } => TaskStatus::Created,
            _ if table.paused.iter().any(|paused| paused == container) => TaskStatus::Paused,
            _ => TaskStatus::Running,
        };
        let execs = table
            .processes
            .keys()
            .filter(|id| id.container == container)
            .filter_map(|id| id.exec.clone());
        Some(TaskState {
            id: container.to_owned(),
            bundle: PathBuf::from("/memory").join(container),
            pid: process.pid,
            status,
            io: PathBuf::from("/memory").join(container).join("io"),
            exit: process.exit,
            execs: execs.collect(),
            health: table.health.get(container).cloned(),
        })
    }

    fn set_paused(&self, container: &str, paused: bool) -> Result<()> {
        self.state(container)?;
        let mut table = self.table();
        table.paused.retain(|other| other != container);
        if paused {
            table.paused.push(container.to_owned());
        }
        Ok(())
    }
}

#[async_trait]
impl Tasks for MemoryTasks {
    async fn create(&self, create: Create) -> Result<Created> {
        let pid = self.insert(ProcessId::init(create.id.clone()))?;
        Ok(Created {
            pid,
            io: self.state(&create.id)?.io,
        })
    }

    async fn start(&self, id: &ProcessId) -> Result<u32> {
        let mut table = self.table();
        let process = table.processes.get_mut(id).ok_or_else(|| Error::NotFound(id.clone()))?;
        process.started = true;
        Ok(process.pid)
    }

    async fn exec(&self, id: &ProcessId, _exec: Exec) -> Result<PathBuf> {
        let io = self.state(&id.container)?.io;
        self.insert(id.clone())?;
        Ok(io)
    }

    async fn kill(&self, id: &ProcessId, signal: i32, _all: bool) -> Result<()> {
        match self.table().processes.get(id) {
            Some(process) if process.exit.is_none() => {}
            _ => return Err(Error::NotFound(id.clone())),
        }
        if signal != 0 {
            self.finish(id, 128 + signal.unsigned_abs());
        }
        Ok(())
    }

    async fn delete(&self, id: &ProcessId) -> Result<Exit> {
        let mut table = self.table();
        let process = table.processes.get(id).ok_or_else(|| Error::NotFound(id.clone()))?;
        let exit = match process.exit {
            Some(exit) => exit,
            None if !process.started => Exit {
                status: 137,
                at: SystemTime::now(),
                oom_killed: false,
                memory_peak: None,
            },
            None => {
                return Err(Error::Refused {
                    kind: Kind::Conflict,
                    message: format!("{id} is running"),
                });
            }
        };
        match id.exec {
            Some(_) => drop(table.processes.remove(id)),
            None => table.processes.retain(|other, _| other.container != id.container),
        }
        Ok(exit)
    }

    async fn wait(&self, id: &ProcessId) -> Result<Exit> {
        let mut events = self.subscribe();
        loop {
            match self.table().processes.get(id) {
                None => return Err(Error::NotFound(id.clone())),
                Some(Process { exit: Some(exit), .. }) => return Ok(*exit),
                Some(_) => {}
            }
            events.recv().await;
        }
    }

    fn state(&self, container: &str) -> Result<TaskState> {
        Self::state_of(&self.table(), container).ok_or_else(|| Error::NotFound(ProcessId::init(container)))
    }

    fn list(&self) -> Vec<TaskState> {
        let table = self.table();
        let inits = table.processes.keys().filter(|id| id.exec.is_none());
        inits.filter_map(|id| Self::state_of(&table, &id.container)).collect()
    }

    fn subscribe(&self) -> EventReceiver {
        self.hub.subscribe()
    }
}

#[async_trait]
impl TaskControl for MemoryTasks {
    async fn resize(&self, id: &ProcessId, _rows: u16, _columns: u16) -> Result<()> {
        self.state(&id.container).map(drop)
    }

    async fn close_stdin(&self, id: &ProcessId) -> Result<()> {
        self.state(&id.container).map(drop)
    }

    async fn pause(&self, container: &str) -> Result<()> {
        self.set_paused(container, true)
    }

    async fn resume(&self, container: &str) -> Result<()> {
        self.set_paused(container, false)
    }

    async fn update(&self, container: &str, _resources: Resources) -> Result<()> {
        self.state(container).map(drop)
    }

    async fn stats(&self, container: &str) -> Result<Metrics> {
        self.state(container).map(|_| Metrics {
            version: 2,
            ..Metrics::default()
        })
    }

    async fn checkpoint(&self, container: &str, options: CheckpointOptions) -> Result<()> {
        self.state(container)?;
        let file = PathBuf::from(options.image_path).join("inventory.img");
        std::fs::write(&file, container).map_err(|source| Error::Bundle {
            verb: "write",
            path: file,
            source,
        })?;
        if options.exit {
            self.finish(&ProcessId::init(container), 137);
        }
        Ok(())
    }

    async fn pids(&self, container: &str) -> Result<Vec<u32>> {
        self.state(container).map(|state| vec![state.pid])
    }
}
