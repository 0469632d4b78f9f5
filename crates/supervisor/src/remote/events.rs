//! What the supervisor tells without being asked.

use prost::Message;
use tierce_task::messages::{
    Envelope, TaskCreate, TaskDelete, TaskExit, TaskOom, TaskPaused, TaskProbeEnded, TaskProbeStarted, TaskResumed,
};
use tierce_task::services::tasks::Process;
use tierce_task::{Event, EventKind, Exit, ProcessId, TaskStatus};

use super::Remote;

/// The event of an envelope; nonsense becomes an event about nobody.
fn read<M: Message + Default>(envelope: &Envelope) -> M {
    let bytes = envelope.event.as_ref().map(|any| &any.value[..]).unwrap_or_default();
    M::decode(bytes).unwrap_or_default()
}

impl Remote {
    /// Takes the states of all tasks over, and tells what ended while they were not known.
    pub(super) fn catch_up(&self, present: &[Process], first: bool) {
        for event in self.mirror.catch_up(present, first) {
            tracing::debug!(container = event.container, "it ended while the supervisor was away");
            self.hub.publish(&event);
        }
    }

    /// Brings the mirror up to date, and tells the engine what it has to know.
    pub(super) fn take_in(&self, envelope: &Envelope) {
        if envelope.namespace != self.config.namespace {
            return;
        }
        let topic = envelope.topic.as_str();
        if topic == Envelope::EXIT.0 {
            self.ended(read(envelope));
        } else if topic == Envelope::DELETE.0 {
            let event: TaskDelete = read(envelope);
            if event.id.is_empty() || event.id == event.container_id {
                self.mirror.remove(&event.container_id, event.pid);
            } else {
                self.mirror.remove_exec(&ProcessId::exec(event.container_id, event.id));
            }
        } else if topic == Envelope::CREATE.0 {
            let event: TaskCreate = read(envelope);
            let given_up = self.doubtful().contains(&event.container_id);
            if given_up {
                self.take_back_later(&event.container_id);
            }
        } else if topic == Envelope::PAUSED.0 {
            let event: TaskPaused = read(envelope);
            self.mirror.set_status(&event.container_id, TaskStatus::Paused);
        } else if topic == Envelope::RESUMED.0 {
            let event: TaskResumed = read(envelope);
            self.mirror.set_status(&event.container_id, TaskStatus::Running);
        } else if topic == Envelope::OOM.0 {
            let event: TaskOom = read(envelope);
            self.publish(event.container_id, None, EventKind::OutOfMemory);
        } else if topic == Envelope::PROBE_STARTED.0 {
            let event: TaskProbeStarted = read(envelope);
            self.publish(event.container_id, Some(event.probe_id), EventKind::ProbeStarted);
        } else if topic == Envelope::PROBE_ENDED.0 {
            let event: TaskProbeEnded = read(envelope);
            self.mirror
                .set_health(&event.container_id, event.health.map(Into::into));
            let kind = EventKind::ProbeEnded(event.exit_status);
            self.publish(event.container_id, Some(event.probe_id), kind);
        }
    }

    fn ended(&self, event: TaskExit) {
        let process = ProcessId {
            exec: Some(event.id).filter(|id| !id.is_empty() && *id != event.container_id),
            container: event.container_id,
        };
        let exit = Exit {
            status: event.exit_status,
            at: event.exited_at.map_or_else(std::time::SystemTime::now, Into::into),
            oom_killed: event.oom_killed,
            memory_peak: Some(event.memory_peak).filter(|peak| *peak > 0),
        };
        if self.mirror.set_exit(&process, event.pid, exit) {
            self.publish(process.container, process.exec, EventKind::Exited(exit));
        }
    }

    pub(super) fn publish(&self, container: String, exec: Option<String>, kind: EventKind) {
        self.hub.publish(&Event { container, exec, kind });
    }
}
