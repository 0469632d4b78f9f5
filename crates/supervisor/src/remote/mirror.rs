//! What is known of all tasks of a supervisor elsewhere.
//!
//! Answers to calls and events come over streams of their own, so one may overtake the other. Process ids tell lives of
//! a container apart: what is about another process than the one in the mirror is about an earlier life.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tierce_task::messages::Status;
use tierce_task::services::tasks::Process;
use tierce_task::{Event, EventKind, Exit, Health, ProcessId, TaskState, TaskStatus};
use tokio::sync::watch;

/// What a container that vanished with its supervisor is said to have ended with.
const UNKNOWN: u32 = 255;

#[derive(Debug)]
struct Entry {
    state: TaskState,
    /// How execs ended; those that have not are here, too.
    execs: BTreeMap<String, Option<Exit>>,
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// There is none.
    Nothing,
    Lives,
    Ended(Exit),
}

/// All tasks by container.
#[derive(Debug)]
pub(super) struct Mirror {
    tasks: Mutex<BTreeMap<String, Entry>>,
    /// Containers whose making is asked for: their end may be told before the answer.
    expected: Mutex<BTreeSet<String>>,
    changed: watch::Sender<()>,
    known: AtomicBool,
}

impl Default for Mirror {
    fn default() -> Self {
        Self {
            tasks: Mutex::default(),
            expected: Mutex::default(),
            changed: watch::Sender::new(()),
            known: AtomicBool::new(false),
        }
    }
}

impl Mirror {
    fn tasks(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was ever known.
    pub(super) fn is_fresh(&self) -> bool {
        !self.known.load(Ordering::Relaxed)
    }

    /// From now on, what is not in the mirror is not a task of ours.
    pub(super) fn is_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// To be woken by any change.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn state(&self, container: &str) -> Option<TaskState> {
        self.tasks().get(container).map(state_of)
    }

    pub(super) fn list(&self) -> Vec<TaskState> {
        self.tasks().values().map(state_of).collect()
    }

    pub(super) fn process(&self, process: &ProcessId) -> Known {
        let tasks = self.tasks();
        let exit = tasks.get(&process.container).and_then(|entry| match &process.exec {
            None => Some(&entry.state.exit),
            Some(exec) => entry.execs.get(exec),
        });
        match exit {
            None => Known::Nothing,
            Some(None) => Known::Lives,
            Some(Some(exit)) => Known::Ended(*exit),
        }
    }

    fn expected(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task is about to be asked for, until what this gives is dropped.
    pub(super) fn expect(&self, id: &str) -> Expected<'_> {
        self.expected().insert(id.to_owned());
        Expected {
            mirror: self,
            id: id.to_owned(),
        }
    }

    /// A task was made. Gives its end, where that was told before.
    pub(super) fn created(&self, id: &str, pid: u32, io: PathBuf) -> Option<Exit> {
        let mut tasks = self.tasks();
        let early = tasks.remove(id).filter(|entry| entry.state.pid == pid);
        let mut entry = early.unwrap_or_else(|| bare(id, pid));
        entry.state.io = io;
        let exit = entry.state.exit;
        tasks.insert(id.to_owned(), entry);
        exit
    }

    pub(super) fn set_status(&self, id: &str, status: TaskStatus) {
        if let Some(entry) = self.tasks().get_mut(id)
            && entry.state.status != TaskStatus::Stopped
        {
            entry.state.status = status;
        }
    }

    pub(super) fn set_health(&self, id: &str, health: Option<Health>) {
        if let Some(entry) = self.tasks().get_mut(id) {
            entry.state.health = health;
        }
    }

    /// Notes an exit; `false` when nobody is to be told: it is known, or about an earlier life, or of a process that is
    /// not known: another client's, or [expected](Self::expect) ([`created`](Self::created) will tell).
    pub(super) fn set_exit(&self, process: &ProcessId, pid: u32, exit: Exit) -> bool {
        let mut tasks = self.tasks();
        let new = match &process.exec {
            None => {
                let known = tasks.contains_key(&process.container);
                if !known && !self.expected().contains(&process.container) {
                    return false;
                }
                let entry = tasks
                    .entry(process.container.clone())
                    .or_insert_with(|| bare(&process.container, pid));
                let new = entry.state.exit.is_none() && (entry.state.pid == pid || pid == 0);
                if new {
                    entry.state.exit = Some(exit);
                    entry.state.status = TaskStatus::Stopped;
                }
                new && known
            }
            Some(exec) => tasks
                .get_mut(&process.container)
                .and_then(|entry| entry.execs.get_mut(exec))
                .is_some_and(|known| known.replace(exit).is_none()),
        };
        drop(tasks);
        self.changed.send_replace(());
        new
    }

    pub(super) fn add_exec(&self, process: &ProcessId) {
        if let Some(entry) = self.tasks().get_mut(&process.container) {
            entry.execs.entry(process.exec_id().to_owned()).or_default();
        }
    }

    pub(super) fn remove_exec(&self, process: &ProcessId) {
        if let Some(entry) = self.tasks().get_mut(&process.container) {
            entry.execs.remove(process.exec_id());
        }
        self.changed.send_replace(());
    }

    /// A task is gone; one with another process is a later one. 0: whichever it is.
    pub(super) fn remove(&self, id: &str, pid: u32) {
        let mut tasks = self.tasks();
        if tasks.get(id).is_some_and(|entry| pid == 0 || entry.state.pid == pid) {
            tasks.remove(id);
        }
        drop(tasks);
        self.changed.send_replace(());
    }

    /// Takes the states of all tasks over, and gives what happened since they were known.
    pub(super) fn catch_up(&self, present: &[Process], first: bool) -> Vec<Event> {
        let mut tasks = self.tasks();
        let mut events = Vec::new();
        let mut before = std::mem::take(&mut *tasks);
        for task in present {
            let old = before.remove(&task.id);
            // One whose shim has died meanwhile has no process any more.
            let old = old.filter(|old| old.state.pid == task.pid || task.pid == 0);
            let mut entry = entry_of(task);
            if let Some(old) = old {
                if entry.state.exit.is_some() && old.state.exit.is_none() {
                    events.extend(entry.state.exit.map(|exit| ended(ProcessId::init(&task.id), exit)));
                }
                // What ended was told with all that is known of its end.
                entry.state.exit = old.state.exit.or(entry.state.exit);
                // Execs of others are not ours to look after.
                entry.execs.retain(|exec, _| old.execs.contains_key(exec));
                for (exec, known) in &old.execs {
                    let present = entry.execs.get(exec).copied();
                    let exit = present.unwrap_or_else(|| Some(vanished()));
                    if let (None, Some(exit)) = (known, exit) {
                        events.push(ended(ProcessId::exec(&task.id, exec), exit));
                    }
                }
            } else if !first {
                events.extend(entry.state.exit.map(|exit| ended(ProcessId::init(&task.id), exit)));
            }
            tasks.insert(task.id.clone(), entry);
        }
        for (id, gone) in before {
            if gone.state.exit.is_none() {
                events.push(ended(ProcessId::init(id), vanished()));
            }
        }
        drop(tasks);
        self.changed.send_replace(());
        events
    }
}

/// As long as it lives, a task of this container is awaited.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    mirror: &'a Mirror,
    id: String,
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.mirror.expected().remove(&self.id);
    }
}

fn vanished() -> Exit {
    Exit {
        status: UNKNOWN,
        at: std::time::SystemTime::now(),
        oom_killed: false,
        memory_peak: None,
    }
}

fn ended(process: ProcessId, exit: Exit) -> Event {
    Event {
        container: process.container,
        exec: process.exec,
        kind: EventKind::Exited(exit),
    }
}

fn bare(id: &str, pid: u32) -> Entry {
    Entry {
        state: TaskState {
            id: id.to_owned(),
            bundle: PathBuf::new(),
            pid,
            status: TaskStatus::Created,
            io: PathBuf::new(),
            exit: None,
            execs: Vec::new(),
            health: None,
        },
        execs: BTreeMap::new(),
    }
}

fn state_of(entry: &Entry) -> TaskState {
    TaskState {
        execs: entry.execs.keys().cloned().collect(),
        ..entry.state.clone()
    }
}

fn entry_of(task: &Process) -> Entry {
    let mut entry = bare(&task.id, task.pid);
    entry.state.bundle = PathBuf::from(&task.bundle);
    entry.state.io = PathBuf::from(&task.io);
    entry.state.status = match task.status() {
        Status::Unknown | Status::Created => TaskStatus::Created,
        Status::Running => TaskStatus::Running,
        Status::Paused | Status::Pausing => TaskStatus::Paused,
        Status::Stopped => TaskStatus::Stopped,
    };
    entry.state.exit = exit_of(task);
    entry.state.health = task.health.clone().map(Into::into);
    entry.execs = task.execs.iter().map(|exec| (exec.id.clone(), exit_of(exec))).collect();
    entry
}

/// How a process ended, if it did.
pub(super) fn exit_of(process: &Process) -> Option<Exit> {
    (process.status() == Status::Stopped).then(|| Exit {
        status: process.exit_status,
        at: process.exited_at.map_or_else(std::time::SystemTime::now, Into::into),
        oom_killed: process.oom_killed,
        memory_peak: Some(process.memory_peak).filter(|peak| *peak > 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(status: u32) -> Exit {
        Exit {
            status,
            at: std::time::UNIX_EPOCH,
            oom_killed: false,
            memory_peak: None,
        }
    }

    fn task(id: &str, pid: u32, ended: Option<u32>) -> Process {
        Process {
            id: id.to_owned(),
            pid,
            status: if ended.is_some() {
                Status::Stopped
            } else {
                Status::Running
            } as i32,
            exit_status: ended.unwrap_or_default(),
            ..Process::default()
        }
    }

    fn told(events: &[Event]) -> Vec<(String, u32)> {
        let status = |event: &Event| match event.kind {
            EventKind::Exited(exit) => exit.status,
            _ => 0,
        };
        events
            .iter()
            .map(|event| (event.exec.clone().unwrap_or(event.container.clone()), status(event)))
            .collect()
    }

    #[test]
    fn row_091_an_end_may_come_before_the_beginning_and_is_told_once() {
        let mirror = Mirror::default();
        let init = ProcessId::init("c");
        let _expected = mirror.expect("c");
        assert!(!mirror.set_exit(&init, 7, exit(3)));
        assert_eq!(mirror.created("c", 7, PathBuf::from("/io")), Some(exit(3)));
        mirror.set_status("c", TaskStatus::Running);
        let state = mirror.state("c").unwrap();
        assert_eq!(
            (state.status, state.exit, state.io),
            (TaskStatus::Stopped, Some(exit(3)), "/io".into())
        );
        assert!(!mirror.set_exit(&init, 7, exit(3)));
    }

    /// The engine would take it for the end of the next one.
    #[test]
    fn row_091_the_end_of_a_container_that_was_taken_back_is_not_told() {
        let mirror = Mirror::default();
        let _expected = mirror.expect("c");
        assert!(!mirror.set_exit(&ProcessId::init("c"), 7, exit(137)));
        assert_eq!(mirror.created("c", 8, PathBuf::new()), None);
        assert_eq!(mirror.process(&ProcessId::init("c")), Known::Lives);
    }

    #[test]
    fn row_098_the_end_of_a_task_of_somebody_else_is_no_task_of_ours() {
        let mirror = Mirror::default();
        drop(mirror.expect("theirs"));
        assert!(!mirror.set_exit(&ProcessId::init("theirs"), 7, exit(0)));
        assert_eq!(mirror.list(), []);
    }

    #[test]
    fn row_091_news_of_an_earlier_life_change_nothing() {
        let mirror = Mirror::default();
        assert_eq!(mirror.created("c", 8, PathBuf::new()), None);
        assert!(!mirror.set_exit(&ProcessId::init("c"), 7, exit(3)));
        mirror.remove("c", 7);
        assert_eq!(mirror.process(&ProcessId::init("c")), Known::Lives);
        mirror.remove("c", 8);
        assert_eq!(mirror.process(&ProcessId::init("c")), Known::Nothing);
    }

    #[test]
    fn row_091_what_happened_during_an_absence_is_told_afterwards() {
        let mirror = Mirror::default();
        for (id, pid) in [("lives", 1), ("ended", 2), ("gone", 3), ("again", 4)] {
            assert_eq!(mirror.created(id, pid, PathBuf::new()), None);
        }
        for exec in ["e-lives", "e-ended", "e-gone"] {
            mirror.add_exec(&ProcessId::exec("lives", exec));
        }
        let mut lives = task("lives", 1, None);
        lives.execs = vec![
            task("e-lives", 11, None),
            task("e-ended", 12, Some(5)),
            task("e-foreign", 13, Some(6)),
        ];
        let events = mirror.catch_up(&[lives, task("ended", 2, Some(9)), task("again", 40, None)], false);
        let mut told = told(&events);
        told.sort();
        let expected = [("e-ended", 5), ("e-gone", 255), ("ended", 9), ("gone", 255)];
        assert_eq!(told, expected.map(|(id, status)| (id.to_owned(), status)));
        assert_eq!(mirror.state("lives").unwrap().execs, ["e-ended", "e-lives"]);
        // Its shim died after its end was known.
        assert!(
            mirror
                .catch_up(&[task("ended", 0, Some(137))], false)
                .iter()
                .all(|event| event.container != "ended")
        );
        assert!(mirror.state("gone").is_none());
    }

    #[test]
    fn row_091_at_first_everything_is_taken_over_and_nothing_told() {
        let mirror = Mirror::default();
        let mut with_exec = task("c", 1, None);
        with_exec.execs = vec![task("e", 2, Some(0))];
        assert!(mirror.catch_up(&[with_exec, task("d", 3, Some(1))], true).is_empty());
        assert_eq!(mirror.list().len(), 2);
        let exec = mirror.process(&ProcessId::exec("c", "e"));
        assert!(matches!(exec, Known::Ended(exit) if exit.status == 0));
    }
}
