//! Ended children: reaping them, and telling whom it concerns.

use rustix::process::{WaitOptions, wait};
use tierce_task::messages::{Envelope, TaskExit, TaskOom, WaitResponse};

use crate::health;
use crate::process::{Exit, Phase};
use crate::serve::{Purpose, Shim};

/// Reaps every child that has ended: our processes, our workers, and orphans of the container.
pub(crate) fn reap(shim: &mut Shim) {
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        let code = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => code as u32,
            (None, Some(signal)) => 128 + signal as u32,
            (None, None) => continue,
        };
        let pid = pid.as_raw_pid() as u32;
        let exit = Exit::now(code);
        let mut processes = shim.processes.iter();
        let ours = processes.find(|(_, process)| process.child == pid && process.exit.is_none());
        match ours.map(|(&number, _)| number) {
            Some(number) => on_exit(shim, number, exit),
            None if health::on_exit(shim, pid, exit) => {}
            None => drop(shim.unclaimed.insert(pid, exit)),
        }
    }
    forget_unclaimed(shim);
}

/// Statuses of children that no worker can report any more are of no use.
pub(crate) fn forget_unclaimed(shim: &mut Shim) {
    if shim.jobs.is_empty() {
        shim.unclaimed.clear();
    }
}

/// A process of ours has ended.
pub(crate) fn on_exit(shim: &mut Shim, number: u32, exit: Exit) {
    let Some((poll, process, buffer)) = shim.streams_of(number) else {
        return;
    };
    process.exit = Some(exit);
    process.streams.process_ended(poll, buffer);
    if process.id.is_empty() {
        health::suspend(shim);
        on_out_of_memory(shim);
        kill_the_rest(shim);
    }
    publish_exit(shim, number);
}

/// The init is gone: where it was not the init of a pid namespace, others of the container may live on.
fn kill_the_rest(shim: &mut Shim) {
    let Some(container) = &shim.container else { return };
    if container.outline.has_own_pids() {
        return;
    }
    let (id, bundle, runtime) = (
        container.id.clone(),
        container.bundle.clone(),
        container.record.runtime.clone(),
    );
    shim.work(Purpose::Background, move || {
        runtime.kill(&id, &bundle, rustix::process::Signal::KILL.as_raw(), true)?;
        Ok(crate::job::Report::default())
    });
}

/// Tells of an exit, unless its time has not come: the start is not answered yet.
pub(crate) fn publish_exit(shim: &mut Shim, number: u32) {
    let Some(container) = &shim.container else { return };
    let (id, oom_killed, memory_peak) = (container.id.clone(), container.oom_killed, container.memory_peak);
    let Some(process) = shim.processes.get_mut(&number) else {
        return;
    };
    let Some(exit) = process.exit else { return };
    if process.published || process.phase == Phase::Starting || !process.streams.is_drained() {
        return;
    }
    process.published = true;
    let event = TaskExit {
        // containerd's convention: the init has the container's id.
        id: if process.id.is_empty() {
            id.clone()
        } else {
            process.id.clone()
        },
        container_id: id,
        pid: process.pid,
        exit_status: exit.status,
        exited_at: Some(exit.at.into()),
        oom_killed,
        memory_peak,
    };
    let answer = WaitResponse {
        exit_status: exit.status,
        exited_at: Some(exit.at.into()),
        oom_killed,
        memory_peak,
    };
    for waiter in std::mem::take(&mut process.waiters) {
        shim.answer(waiter, Ok(answer.clone()));
    }
    shim.publish(Envelope::EXIT, &event);
}

/// The kernel may have killed for lack of memory.
pub(crate) fn on_out_of_memory(shim: &mut Shim) {
    let init = shim
        .number_of("")
        .and_then(|number| shim.processes.get(&number))
        .map_or(0, |init| init.pid);
    let Some(container) = &mut shim.container else { return };
    let Some(watch) = &mut container.oom else { return };
    match watch.rose() {
        Ok(true) => {
            container.oom_killed = true;
            // While the group is there; whoever asks why it ended wants to know.
            let stats = container.cgroup(init).and_then(|group| Ok(group.stats()?));
            container.memory_peak = stats.map_or(0, |stats| stats.memory.usage.max_usage);
            let event = TaskOom {
                container_id: container.id.clone(),
            };
            shim.publish(Envelope::OOM, &event);
        }
        Ok(false) => {}
        Err(_) => stop_watching(shim),
    }
}

/// Ends the watch: the group is about to go, and its removal would be reported for ever.
pub(crate) fn stop_watching(shim: &mut Shim) {
    if let Some(watch) = shim.container.as_mut().and_then(|container| container.oom.take()) {
        shim.poll.remove(&watch);
    }
}
