//! What the engine does when it starts: it reads the records, asks which tasks live, and goes on from there.
//!
//! Nothing is lost while no daemon looks: the shims keep exit statuses, so an end during the outage is recorded exactly.
//! Only where the shim is gone too (a reboot) the status is unknown, and is 255, as dockerd says.

use super::context::{Container, Context, blocking};
use super::record::Record;
use super::{connect, disk, health, on_exit, prepare, release, remove, start};
use crate::error::{Error, Result};
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tierce_lifecycle::Policy;
use tierce_lifecycle::{Change, Status};
use tierce_oci::container::HostConfig;
use tierce_store::{Lease, Resource};
use tierce_task::{Exit, ProcessId, TaskState, TaskStatus};

/// The status of a container whose shim is gone.
const UNKNOWN_EXIT: i32 = 255;
/// SIGKILL, for tasks that belong to nobody.
const KILL: i32 = 9;

/// Loads everything, reconciles it with the tasks, and starts following events.
pub(crate) async fn recover(context: &Arc<Context>) -> Result<()> {
    // First, so that no end between the list and here is missed.
    let events = context.tasks.subscribe();
    super::pinned::sweep(&context.config.exec_root);
    let (directory, rootfs) = (context.containers_directory(), Arc::clone(&context.rootfs));
    let driver = context.rootfs.driver();
    let runtime = context.runtimes().default.clone();
    let found = blocking(move || disk::read_all(&directory, &runtime, &*rootfs)).await?;
    // Recovery happens once.
    let _ = context.daemon.damaged.set(found.damaged);
    let (own, hidden): (Vec<_>, Vec<_>) = found
        .whole
        .into_iter()
        .partition(|(_, record, _)| record.driver.is_empty() || record.driver == driver);
    for (directory, record, host_config) in own {
        adopt(context, directory, record, host_config);
    }
    let mut tasks: HashMap<String, TaskState> = context
        .tasks
        .list()
        .into_iter()
        .map(|task| (task.id.clone(), task))
        .collect();
    for (_, record, _) in hidden {
        hide(context, &record);
        tasks.remove(&record.id);
    }
    let mut ended = Vec::new();
    let mut alive = Vec::new();
    for container in context.all() {
        match reconcile(&container, tasks.remove(&container.id)) {
            Found::Alive => alive.push(container),
            Found::Ended(exit) => ended.push((container, exit)),
            Found::HalfMade => {
                kill_task(context, &container.id).await;
            }
            Found::Down => {}
        }
    }
    for orphan in tasks.into_keys() {
        tracing::warn!(container = orphan, "a task without a container record is ended");
        kill_task(context, &orphan).await;
    }
    restore_networks(context, &alive, &ended).await?;
    for container in &alive {
        take_up(context, container).await;
        let (context, container) = (Arc::clone(context), Arc::clone(container));
        tokio::spawn(async move { health::recovered(&context, &container).await });
    }
    for (container, exit) in ended {
        on_exit::ended(context, &container, exit).await;
    }
    go_on(context);
    tokio::spawn(on_exit::follow(Arc::clone(context), events));
    Ok(())
}

/// A container of another storage driver is not shown, as dockerd does, and nothing of it is touched: it is there again
/// when the daemon runs with that driver. Its volumes stay in use.
fn hide(context: &Context, record: &Record) {
    tracing::info!(
        container = record.id,
        driver = record.driver,
        "a container of another storage driver is hidden"
    );
    hold_mounted(context, record);
}

/// Holds the volumes and the images that are mounted in a container.
fn hold_mounted(context: &Context, record: &Record) {
    for image in record.mount_points.values().filter(|point| point.is_image()) {
        let lease = Lease::new(&record.id).labelled(record.plain_name());
        let id = image
            .spec
            .get("Source")
            .and_then(|source| source.as_str())
            .unwrap_or_default();
        context.leases.hold(Resource::image(id), lease);
    }
    for point in record.mount_points.values().filter(|point| point.is_volume()) {
        let lease = Lease::new(&record.id).labelled(record.plain_name());
        context.leases.hold(Resource::volume(&point.name), lease);
    }
}

/// Puts a loaded container into the table and writes its leases down again.
fn adopt(context: &Context, directory: PathBuf, mut record: Record, host_config: HostConfig) {
    if !record.image.is_empty() {
        let lease = Lease::new(&record.id).labelled(record.plain_name());
        context.leases.hold(Resource::image(&record.image), lease);
    }
    hold_mounted(context, &record);
    if let Err(error) = context.reserve_name(&record.name, &record.id) {
        // Two records with one name cannot both keep it; dockerd renames too.
        let other = format!("/{}", record.short_id());
        tracing::warn!(container = %record.id, %error, new_name = other, "a container is renamed");
        if context.reserve_name(&other, &record.id).is_err() {
            return;
        }
        record.name = other;
    }
    context.insert(Arc::new(Container::new(directory, record, host_config)));
}

/// What became of a container while nobody looked.
enum Found {
    Alive,
    Ended(Exit),
    /// Created and never started: the daemon died in between.
    HalfMade,
    Down,
}

fn reconcile(container: &Container, task: Option<TaskState>) -> Found {
    let state = container.snapshot().record.state.clone();
    let Some(task) = task else {
        if !state.running {
            return Found::Down;
        }
        if state.restarting {
            // It was down and waited for its restart: it still does.
            let _down = container.apply(Change::RestartCancelled);
            return Found::Down;
        }
        return Found::Ended(Exit {
            status: UNKNOWN_EXIT as u32,
            at: std::time::SystemTime::now(),
            oom_killed: false,
            memory_peak: None,
        });
    };
    match task.status {
        TaskStatus::Created => {
            if state.is_alive() {
                forget_life(container);
            }
            Found::HalfMade
        }
        TaskStatus::Running | TaskStatus::Paused => {
            container.change_record(|record| {
                let state = &mut record.state;
                if !state.is_alive() {
                    // The daemon died between the start and its record.
                    state.started_at = Timestamp::now();
                    state.exit_code = 0;
                }
                state.running = true;
                state.restarting = false;
                state.paused = task.status == TaskStatus::Paused;
                state.pid = task.pid;
            });
            Found::Alive
        }
        TaskStatus::Stopped => {
            let exit = task.exit.unwrap_or(Exit {
                status: UNKNOWN_EXIT as u32,
                at: std::time::SystemTime::now(),
                oom_killed: false,
                memory_peak: None,
            });
            if state.is_alive() {
                return Found::Ended(exit);
            }
            // Started and ended before the start was recorded, or its end was noted and the task not deleted yet.
            let at = Timestamp::try_from(exit.at).unwrap_or_else(|_| Timestamp::now());
            let noted = state.finished_at == at;
            container.change_record(|record| {
                record.state.running = true;
                record.state.restarting = false;
                record.state.pid = task.pid.max(1);
                if !noted {
                    record.state.started_at = at;
                }
            });
            Found::Ended(exit)
        }
    }
}

fn forget_life(container: &Container) {
    container.change_record(|record| {
        record.state.running = false;
        record.state.paused = false;
        record.state.restarting = false;
        record.state.pid = 0;
    });
}

async fn kill_task(context: &Context, id: &str) {
    let process = ProcessId::init(id);
    // What is dead already needs no signal.
    let _killed = context.tasks.kill(&process, KILL, true).await;
    release::delete_task(context, id).await;
}

/// Takes the networks of living containers back and frees all others. Containers that just ended still count as alive
/// here: their end leaves the network in the usual way.
async fn restore_networks(
    context: &Arc<Context>,
    alive: &[Arc<Container>],
    ended: &[(Arc<Container>, Exit)],
) -> Result<()> {
    let ids: Vec<String> = alive
        .iter()
        .chain(ended.iter().map(|(container, _)| container))
        .map(|container| container.id.clone())
        .collect();
    let sandboxes = Arc::clone(&context.sandboxes);
    let unmended = blocking(move || {
        sandboxes
            .restore(&ids)
            .map_err(|error| Error::below_with("restore networks: ", error))
    })
    .await?;
    for problem in unmended {
        tracing::warn!(problem, "a network could not be restored completely");
    }
    Ok(())
}

/// A living container goes on: its volumes and networks are in use.
async fn take_up(context: &Arc<Context>, container: &Arc<Container>) {
    context.leases.set_running(&container.id, true);
    let record = Arc::clone(&container.snapshot().record);
    for point in record.mount_points.values().filter(|point| point.is_volume()) {
        let (volumes, name) = (Arc::clone(&context.volumes), point.name.clone());
        if let Err(error) = blocking(move || volumes.mount(&name).map_err(Error::below)).await {
            tracing::warn!(container = %container.id, volume = %point.name, %error, "a used volume cannot be found");
        }
    }
    connect::settle(context, container).await;
    if let Some(sandbox) = context.sandboxes.sandbox(&container.id) {
        let netns = context.config.exec_root.join("netns");
        let snapshot =
            container.change_record(|record| start::fill_network(&mut record.network_settings, &sandbox, &netns));
        for endpoint in &sandbox.endpoints {
            let lease = Lease::new(&container.id)
                .labelled(snapshot.record.plain_name())
                .running(true);
            context.leases.hold(Resource::network(&endpoint.network), lease);
        }
    }
    context.save_or_warn(container, false).await;
}

/// Starts what policies want to run, and removes what wants to be removed; each on its own, in the background.
fn go_on(context: &Arc<Context>) {
    for container in context.all() {
        let snapshot = container.snapshot();
        let (record, state) = (&snapshot.record, &snapshot.record.state);
        if !matches!(state.status(), Status::Created | Status::Exited | Status::Dead) {
            continue;
        }
        let context = Arc::clone(context);
        let policy = Policy::of(&snapshot.host_config);
        let restarts = record.has_been_started_before
            && policy.restarts(state.exit_code, record.has_been_manually_stopped, record.restart_count);
        if restarts && !state.dead {
            tokio::spawn(async move {
                let _transient = container.transition().await;
                if container.snapshot().record.state.running || container.snapshot().gone {
                    return;
                }
                if let Err(error) = start::run(&context, &container).await {
                    tracing::warn!(container = %container.id, %error, "a container could not be started again");
                }
            });
        } else if snapshot.host_config.auto_remove && record.has_been_started_before {
            tokio::spawn(async move {
                let _transient = container.transition().await;
                if container.snapshot().record.state.running || container.snapshot().gone {
                    return;
                }
                prepare::unmount_shm(&container.directory.join("mounts/shm"));
                if let Err(error) = remove::remove_locked(&context, &container, true).await {
                    tracing::warn!(container = %container.id, %error, "a container could not be removed");
                }
            });
        }
    }
}
