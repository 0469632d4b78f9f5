//! Watching shims and processes: one tokio task for each.

use std::sync::Arc;
use std::time::SystemTime;

use prost::Message;
use tierce_task::messages::{Envelope, TaskProbeEnded, TaskProbeStarted, WaitRequest, WaitResponse};
use tierce_task::method::Method;
use tierce_task::{Event, EventKind, Exit, ProcessId};

use crate::client::{Client, is_unimplemented};
use crate::supervisor::{Supervisor, blocking};
use crate::table::Task;
use crate::{bundle, convert, launch};

/// 128 + SIGKILL: what a container whose shim has died is reported with.
const KILLED: u32 = 137;

/// Notes an exit and tells of it, unless it is known already.
pub(crate) fn tell_exit(supervisor: &Supervisor, task: &Task, process: &ProcessId, exit: Exit) {
    if task.set_exit(process, exit) {
        if process.exec.is_none() {
            task.trace.step(14, "it was watched until its end");
        }
        let (container, exec) = (process.container.clone(), process.exec.clone());
        supervisor.tell_exited(task, process, exit);
        supervisor.hub.publish(&Event {
            container,
            exec,
            kind: EventKind::Exited(exit),
        });
    }
}

/// Keeps a `Wait` outstanding for a process.
pub(crate) fn process(supervisor: &Supervisor, task: &Arc<Task>, process: ProcessId) {
    let Ok(client) = task.client("wait for") else { return };
    let (this, task) = (supervisor.this.clone(), task.clone());
    tokio::spawn(async move {
        let request = WaitRequest {
            id: task.id.clone(),
            exec_id: process.exec_id().to_owned(),
        };
        let answer = client
            .call::<WaitResponse>("wait for", Method::Wait, &request, None)
            .await;
        let Some(supervisor) = this.upgrade() else { return };
        match answer {
            Ok(answer) => tell_exit(&supervisor, &task, &process, convert::exit_of_wait(&answer)),
            // Lost connections are the business of `shim`.
            Err(error) => tracing::debug!(%process, %error, "waiting ended"),
        }
    });
}

/// Watches a shim: hears its events, and notices its death.
pub(crate) fn shim(supervisor: &Supervisor, task: &Arc<Task>) {
    let Ok(client) = task.client("watch") else { return };
    let (this, task) = (supervisor.this.clone(), task.clone());
    tokio::spawn(async move {
        match client.events().await {
            Ok(mut events) => {
                while let Some(envelope) = events.recv().await {
                    let Some(supervisor) = this.upgrade() else { return };
                    if let Some((exec, kind)) = news(&task, &envelope) {
                        supervisor.journal.publish(&envelope);
                        supervisor.hub.publish(&Event {
                            container: task.id.clone(),
                            exec,
                            kind,
                        });
                    }
                }
            }
            Err(error) if is_unimplemented(&error) => {}
            Err(error) => tracing::debug!(container = task.id, %error, "no events"),
        }
        client.closed().await;
        if let Some(supervisor) = this.upgrade() {
            on_closed(&supervisor, &task).await;
        }
    });
}

/// What an event of a shim says that nothing else tells: about whom, and what.
fn news(task: &Task, envelope: &Envelope) -> Option<(Option<String>, EventKind)> {
    let topic = envelope.topic.as_str();
    let event = || envelope.event.as_ref().map(|any| &any.value[..]).unwrap_or_default();
    if topic == Envelope::OOM.0 {
        Some((None, EventKind::OutOfMemory))
    } else if topic == Envelope::PROBE_STARTED.0 {
        let started = TaskProbeStarted::decode(event()).ok()?;
        Some((Some(started.probe_id), EventKind::ProbeStarted))
    } else if topic == Envelope::PROBE_ENDED.0 {
        let ended = TaskProbeEnded::decode(event()).ok()?;
        task.set_health(ended.health.map(Into::into));
        Some((Some(ended.probe_id), EventKind::ProbeEnded(ended.exit_status)))
    } else {
        None
    }
}

/// The connection has ended: the task was deleted, or the shim is dead, or only the connection is.
async fn on_closed(supervisor: &Supervisor, task: &Arc<Task>) {
    if !supervisor.table.holds(task) {
        return;
    }
    if let Some(client) = reconnect(task).await {
        task.set_client(Some(client));
        shim(supervisor, task);
        for id in task.processes() {
            process(supervisor, task, id);
        }
        return;
    }
    tracing::warn!(
        container = task.id,
        "the shim has died: removing what is left of its container"
    );
    let (config, id, place) = (supervisor.config.clone(), task.id.clone(), task.bundle.clone());
    if let Err(error) = blocking(move || launch::delete(&config, &id, &place)).await {
        tracing::warn!(container = task.id, %error, "not everything of the container could be removed");
    }
    bury(supervisor, task);
}

async fn reconnect(task: &Task) -> Option<Client> {
    let bootstrap = bundle::read_bootstrap(&task.bundle).ok()?;
    Client::connect(&task.id, &bootstrap.socket(), bootstrap.version)
        .await
        .ok()
}

/// The shim is dead and its container with it.
pub(crate) fn bury(supervisor: &Supervisor, task: &Task) {
    task.set_client(None);
    let exit = Exit {
        status: KILLED,
        at: SystemTime::now(),
        oom_killed: false,
        memory_peak: None,
    };
    for process in task.processes() {
        tell_exit(supervisor, task, &process, exit);
    }
}
