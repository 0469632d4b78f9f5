//! `stop`: the gentle signal, a while, SIGKILL.

use super::context::{Container, Context, Snapshot};
use super::requests::Stop;
use crate::error::{Error, Result};
use std::sync::Arc;
use std::time::Duration;
use tierce_fault::{Fault, Kind};
use tierce_lifecycle::{Change, Status};
use tierce_spec::signal;
use tierce_task::ProcessId;
use tokio::sync::watch;

/// How long a killed container may take to end.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// See [`super::Containers::stop`].
pub(crate) async fn stop(context: &Arc<Context>, container: &Arc<Container>, request: &Stop) -> Result<()> {
    let status = container.snapshot().record.state.status();
    if !matches!(status, Status::Running | Status::Paused | Status::Restarting) {
        return Err(Error::NotModified(format!("container {} is not running", container.id)));
    }
    stop_if_running(context, container, request).await?;
    context.publish(&container.snapshot().record, "stop", &[]);
    Ok(())
}

/// Stops a container; one that does not run is no error. The caller does not hold the transition lock.
pub(crate) async fn stop_if_running(context: &Arc<Context>, container: &Arc<Container>, request: &Stop) -> Result<()> {
    let mut changes = container.watch();
    let exits = mark_stopped(context, container).await;
    if !container.snapshot().record.state.is_alive() {
        return Ok(());
    }
    end(context, container, request, &mut changes, exits).await
}

/// Ends a container that ended `exits` times before: the gentle signal, a while, SIGKILL.
pub(crate) async fn end(
    context: &Arc<Context>,
    container: &Arc<Container>,
    request: &Stop,
    changes: &mut watch::Receiver<Arc<Snapshot>>,
    exits: u64,
) -> Result<()> {
    let snapshot = container.snapshot();
    let own = snapshot.record.config.stop_signal.as_str();
    let gentle = match request.signal.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => signal::parse(text)?,
        None if !own.is_empty() => signal::parse(own).unwrap_or(signal::TERM),
        None => signal::TERM,
    };
    let seconds = request
        .timeout
        .or(snapshot.record.config.stop_timeout)
        .unwrap_or(context.config.stop_timeout);
    if seconds != 0 || gentle == signal::KILL {
        send(context, container, gentle).await?;
    }
    let ended = match u64::try_from(seconds) {
        // A negative timeout waits for ever.
        Err(_) => until_ended(changes, exits, None).await,
        Ok(seconds) => until_ended(changes, exits, Some(Duration::from_secs(seconds))).await,
    };
    if ended {
        return Ok(());
    }
    kill_and_wait(context, container, changes, exits).await
}

/// Remembers that a user wants it stopped, cancels a pending restart, and gives the number of its ends so far.
pub(crate) async fn mark_stopped(context: &Arc<Context>, container: &Arc<Container>) -> u64 {
    let _transient = container.transition().await;
    // Containers that go down with the daemon were stopped by no user.
    let by_user = !context.is_shutting_down();
    let snapshot = container.change_record(|record| record.has_been_manually_stopped |= by_user);
    if snapshot.record.state.restarting {
        let _cancelled = container.apply(Change::RestartCancelled);
        context.save_or_warn(container, true).await;
    } else if !snapshot.host_config.auto_remove {
        context.save_or_warn(container, false).await;
    }
    snapshot.exits
}

/// Kills a container and waits for its end.
pub(crate) async fn kill_and_wait(
    context: &Arc<Context>,
    container: &Arc<Container>,
    changes: &mut watch::Receiver<Arc<Snapshot>>,
    exits: u64,
) -> Result<()> {
    send(context, container, signal::KILL).await?;
    if until_ended(changes, exits, Some(KILL_PATIENCE)).await {
        return Ok(());
    }
    Err(Error::Internal(format!(
        "cannot stop container: {}: tried to kill container, but did not receive an exit event",
        container.id
    )))
}

/// Sends a signal to the container's first process and tells who watches. A process that is gone already is no error.
pub(crate) async fn send(context: &Arc<Context>, container: &Arc<Container>, number: i32) -> Result<()> {
    let snapshot = container.snapshot();
    let process = ProcessId::init(&container.id);
    match context.tasks.kill(&process, number, false).await {
        Ok(()) => {}
        Err(error) if error.kind() == Kind::NotFound => return Ok(()),
        Err(error) => {
            return Err(Error::below_with(
                format!("cannot kill container: {}: ", container.id),
                error,
            ));
        }
    }
    if snapshot.record.state.paused {
        // A frozen process takes no signal.
        context.control.resume(&container.id).await.map_err(Error::below)?;
    }
    context.publish(&snapshot.record, "kill", &[("signal", &number.to_string())]);
    Ok(())
}

/// Waits until the container ended more often than `exits` times, or is gone. `false`: not within the time.
pub(crate) async fn until_ended(
    changes: &mut watch::Receiver<Arc<Snapshot>>,
    exits: u64,
    patience: Option<Duration>,
) -> bool {
    let ended =
        changes.wait_for(|snapshot| snapshot.exits > exits || snapshot.gone || !snapshot.record.state.is_alive());
    match patience {
        None => ended.await.is_ok(),
        Some(patience) => tokio::time::timeout(patience, ended).await.is_ok(),
    }
}
