//! What happens when processes end: the loop that follows the tasks' events, and the end of a container.

use super::context::{Container, Context};
use super::{health, release, remove, start};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tierce_lifecycle::{Change, Policy, State};
use tierce_task::{Event, EventKind, EventReceiver, Exit, ProcessId};

/// Between two looks whether the supervisor is back.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Follows the tasks' events until there are no more. Each is handled on its own, so that one container that takes
/// long to clean up holds up no other.
pub(crate) async fn follow(context: Arc<Context>, mut events: EventReceiver) {
    while let Some(event) = events.recv().await {
        health::tell(&context, &event);
        let context = Arc::clone(&context);
        tokio::spawn(async move { handle(&context, event).await });
    }
}

async fn handle(context: &Arc<Context>, event: Event) {
    let Some(container) = context.by_id(&event.container) else {
        tracing::debug!(container = event.container, "an event of a container that is not known");
        return;
    };
    match (event.kind, event.exec) {
        (EventKind::OutOfMemory, _) => {
            context.publish(&container.snapshot().record, "oom", &[]);
        }
        (EventKind::ProbeStarted, _) => {}
        (EventKind::ProbeEnded(_), _) => health::changed(context, &container).await,
        (EventKind::Exited(exit), None) => ended(context, &container, exit).await,
        (EventKind::Exited(exit), Some(exec)) => exec_ended(context, &container, &exec, exit).await,
    }
}

async fn exec_ended(context: &Arc<Context>, container: &Container, exec: &str, exit: Exit) {
    let code = exit.status as i32;
    if context.execs.ended(exec, code).is_some() {
        let record = &container.snapshot().record;
        context.publish(record, "exec_die", &[("execID", exec), ("exitCode", &code.to_string())]);
    }
    if let Err(error) = context.tasks.delete(&ProcessId::exec(&container.id, exec)).await {
        tracing::debug!(exec, %error, "an ended exec could not be deleted");
    }
}

/// Records the end of a container, gives back what it held, and does what its policy says.
pub(crate) async fn ended(context: &Arc<Context>, container: &Arc<Container>, exit: Exit) {
    let mut transient = container.transition().await;
    let snapshot = container.snapshot();
    let at = Timestamp::try_from(exit.at).unwrap_or_else(|_| Timestamp::now());
    // Told twice (by the event and by the list at recovery), or about an earlier life of it. Times do not tell lives
    // apart: a program may end before its start is recorded, and clocks are set back.
    let lives = context.tasks.state(&container.id).is_ok_and(|task| task.exit.is_none());
    if !snapshot.record.state.is_alive() || lives {
        return;
    }
    let record = &snapshot.record;
    let code = exit.status as i32;
    // The clock on the wall may have been set meanwhile.
    let by_wall = || Duration::try_from(at.duration_since(record.state.started_at)).unwrap_or_default();
    let ran = snapshot.started.map_or_else(by_wall, |started| started.elapsed());
    let starts_again = std::mem::take(&mut transient.starts_again);
    let restarts = !context.is_shutting_down()
        && !record.has_been_manually_stopped
        && (starts_again || Policy::of(&snapshot.host_config).restarts(code, false, record.restart_count));
    let state = record.state.apply(Change::Exited {
        exit_code: code,
        at,
        oom_killed: exit.oom_killed,
        restarting: restarts,
    });
    let state = match state {
        Ok(state) => state,
        Err(illegal) => {
            tracing::error!(container = %container.id, %illegal, "an exit does not fit the container's state");
            return;
        }
    };
    let auto_remove = snapshot.host_config.auto_remove && !restarts;
    if !auto_remove {
        // The shim knows the exit too, but is let go in the next step.
        note(context, container, &state).await;
    }
    tokio::join!(
        release::delete_task(context, &container.id),
        release::release(context, container)
    );
    context.execs.all_ended(&container.id);
    context.leases.set_running(&container.id, false);
    let delay = restarts.then(|| transient.backoff.next(ran));
    let seconds = ran.as_secs().to_string();
    context.publish(
        record,
        "die",
        &[("exitCode", &code.to_string()), ("execDuration", &seconds)],
    );
    let after = container.change(|snapshot| {
        Arc::make_mut(&mut snapshot.record).state = state;
        snapshot.exits += 1;
        snapshot.last_exit = code;
        snapshot.memory_peak = exit.memory_peak;
    });
    if auto_remove {
        // Its record goes in the next step: writing it once more would only cost time.
        if let Err(error) = remove::remove_locked(context, container, true).await {
            tracing::warn!(container = %container.id, %error, "a container could not be removed after its end");
        }
        return;
    }
    if !restarts {
        release::remove_mount_point(context, &container.id).await;
    }
    context.save_or_warn(container, true).await;
    if let Some(delay) = delay {
        schedule_restart(Arc::clone(context), Arc::clone(container), after.starts, delay);
    }
}

/// Writes an exit down for a daemon that comes after a crash, before anybody is told of it.
async fn note(context: &Context, container: &Container, state: &State) {
    let mut noted = (*container.snapshot()).clone();
    Arc::make_mut(&mut noted.record).state = state.clone();
    if let Err(error) = context.save_snapshot(container, Arc::new(noted), false).await {
        tracing::error!(container = %container.id, %error, "could not write the container's end down");
    }
}

/// Starts a container again after its delay, unless somebody started, stopped or removed it meanwhile.
pub(crate) fn schedule_restart(context: Arc<Context>, container: Arc<Container>, starts: u64, delay: Duration) {
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        while context.tasks.absence().is_some() && !context.is_shutting_down() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let _transient = container.transition().await;
        let snapshot = container.snapshot();
        let state = &snapshot.record.state;
        if context.is_shutting_down() || !state.restarting || snapshot.starts != starts || snapshot.gone {
            return;
        }
        container.change_record(|record| record.restart_count += 1);
        if let Err(error) = start::run(&context, &container).await {
            tracing::warn!(container = %container.id, %error, "a container could not be restarted");
            let code = container.snapshot().record.state.exit_code.to_string();
            context.publish(
                &container.snapshot().record,
                "die",
                &[("exitCode", &code), ("execDuration", "0")],
            );
        }
    });
}
