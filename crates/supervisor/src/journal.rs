//! What happens to tasks, told in the words of containerd to whoever listens at the supervisor's socket.
//!
//! The engine hears of what it did not ask for by [`EventHub`](tierce_task::EventHub) in the same process; here is
//! everything, in the order in which it happened.

use std::time::SystemTime;

use prost::Message;
use tierce_task::messages::{
    Any, Envelope, TaskCheckpointed, TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit, TaskIo,
    TaskPaused, TaskResumed, TaskStart,
};
use tierce_task::{Create, EventReceiver, Exit, ProcessId};

use crate::convert;
use crate::supervisor::Supervisor;
use crate::table::Task;

impl Supervisor {
    /// Everything that happens from now on.
    pub(crate) fn follow_journal(&self) -> EventReceiver<Envelope> {
        self.journal.subscribe()
    }

    /// Tells of an event; `what` is its topic and the name of its type.
    pub(crate) fn announce(&self, (topic, name): (&str, &str), event: &impl Message) {
        if self.journal.is_watched() {
            self.journal.publish(&Envelope {
                timestamp: Some(SystemTime::now().into()),
                namespace: self.config.namespace.clone(),
                topic: topic.to_owned(),
                event: Some(Any::pack(name, event)),
            });
        }
    }

    pub(crate) fn tell_created(&self, create: &Create, task: &Task) {
        let io = create.fifos.clone().unwrap_or_default();
        let event = TaskCreate {
            container_id: task.id.clone(),
            bundle: task.bundle.display().to_string(),
            rootfs: create.rootfs.iter().map(convert::mount_message).collect(),
            io: Some(TaskIo {
                stdin: io.stdin,
                stdout: io.stdout,
                stderr: io.stderr,
                terminal: create.terminal,
            }),
            checkpoint: convert::checkpoint_of(create),
            pid: task.pid,
        };
        self.announce(Envelope::CREATE, &event);
    }

    pub(crate) fn tell_started(&self, task: &Task, process: &ProcessId, pid: u32) {
        let container_id = process.container.clone();
        match &process.exec {
            None => {
                let pid = task.pid;
                self.announce(Envelope::START, &TaskStart { container_id, pid });
            }
            Some(exec) => {
                let exec_id = exec.clone();
                let event = TaskExecStarted {
                    container_id,
                    exec_id,
                    pid,
                };
                self.announce(Envelope::EXEC_STARTED, &event);
            }
        }
    }

    pub(crate) fn tell_exec_added(&self, process: &ProcessId) {
        let event = TaskExecAdded {
            container_id: process.container.clone(),
            exec_id: process.exec_id().to_owned(),
        };
        self.announce(Envelope::EXEC_ADDED, &event);
    }

    pub(crate) fn tell_exited(&self, task: &Task, process: &ProcessId, exit: Exit) {
        let event = TaskExit {
            container_id: task.id.clone(),
            id: process.exec.clone().unwrap_or_else(|| task.id.clone()),
            pid: task.process(process).map_or(0, |(pid, _)| pid),
            exit_status: exit.status,
            exited_at: Some(exit.at.into()),
            oom_killed: exit.oom_killed,
            memory_peak: exit.memory_peak.unwrap_or_default(),
        };
        self.announce(Envelope::EXIT, &event);
    }

    pub(crate) fn tell_deleted(&self, process: &ProcessId, pid: u32, exit: Exit) {
        let event = TaskDelete {
            container_id: process.container.clone(),
            pid,
            exit_status: exit.status,
            exited_at: Some(exit.at.into()),
            id: process.exec_id().to_owned(),
        };
        self.announce(Envelope::DELETE, &event);
    }

    pub(crate) fn tell_paused(&self, container: &str) {
        let container_id = container.to_owned();
        self.announce(Envelope::PAUSED, &TaskPaused { container_id });
    }

    pub(crate) fn tell_checkpointed(&self, container: &str, checkpoint: String) {
        let container_id = container.to_owned();
        let event = TaskCheckpointed {
            container_id,
            checkpoint,
        };
        self.announce(Envelope::CHECKPOINTED, &event);
    }

    pub(crate) fn tell_resumed(&self, container: &str) {
        let container_id = container.to_owned();
        self.announce(Envelope::RESUMED, &TaskResumed { container_id });
    }
}
