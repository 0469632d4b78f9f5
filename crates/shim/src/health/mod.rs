//! Health probes: when one is due, the process that it is, and what follows from its end.
//!
//! A probe is made as an exec is, by a worker that calls the runtime as a library; no program is executed but the probe's
//! own. It is no exec of the table, since nobody asks for it, attaches to it, or deletes it. At most one is under way.
//!
//! ```text
//!  begin ──▶ waiting ──due──▶ starting ──report──▶ running ──exit──▶ judged ──▶ waiting …
//!               ▲                 │ takes too long     │ takes too long: killed
//!               └──resume── suspended ◀──pause, end of the container (a probe under way is killed, and does not count)
//! ```

mod probe;

use std::time::{Duration, Instant, SystemTime};

use tierce_runtime::Stdio;
use tierce_task::health::NO_EXIT;
use tierce_task::messages::{Envelope, HealthMessage, TaskProbeEnded, TaskProbeStarted};
use tierce_task::{Health, HealthCheck, HealthStatus, ProbeResult};

use crate::error::{Error, Result};
use crate::job::Report;
use crate::poll::{EventFlags, Token};
use crate::process::Exit;
use crate::serve::{Purpose, Shim};
use probe::{Fate, Probe};

/// How long making a probe's process may take; that time is not the probe's own (moby `cmdProbe.run`).
const START_LIMIT: Duration = Duration::from_secs(30);

/// Looks after the health of the container.
pub(crate) struct Monitor {
    check: HealthCheck,
    health: Health,
    /// When the container started.
    started: Instant,
    /// When the next probe is due; `None`: not known, or none is wanted.
    next: Option<Instant>,
    /// The container is paused, or has ended.
    suspended: bool,
    probe: Option<Probe>,
}

impl Monitor {
    pub(crate) fn new(mut check: HealthCheck) -> Self {
        let log = std::mem::take(&mut check.log);
        Self {
            check,
            health: Health {
                log: log.into(),
                ..Health::default()
            },
            started: Instant::now(),
            next: None,
            suspended: false,
            probe: None,
        }
    }

    pub(crate) fn message(&self) -> HealthMessage {
        (&self.health).into()
    }

    /// When something is to be done next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.probe {
            Some(probe) => probe.deadline(),
            None => self.next,
        }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        let interval = self.health.interval(&self.check, now - self.started);
        self.next = (!self.suspended).then_some(now + interval);
    }

    fn record(&mut self, start: (SystemTime, Instant), exit_code: i32, output: String) {
        let result = ProbeResult {
            start: start.0,
            end: SystemTime::now(),
            exit_code,
            output,
        };
        let since_start = start.1.saturating_duration_since(self.started);
        self.health.record(&self.check, result, since_start);
    }

    /// In a worker: closes what belongs to others.
    pub(crate) fn forget(&mut self) {
        self.probe = None;
    }
}

/// The monitor, and whether the container may be probed now.
fn monitor(shim: &mut Shim) -> Option<&mut Monitor> {
    shim.container.as_mut()?.health.as_mut()
}

/// The container has started.
pub(crate) fn begin(shim: &mut Shim) {
    if let Some(monitor) = monitor(shim) {
        monitor.started = Instant::now();
        monitor.wait();
    }
}

/// The container is paused, or has ended: Docker calls it unhealthy from then on.
pub(crate) fn suspend(shim: &mut Shim) {
    if let Some(monitor) = monitor(shim) {
        monitor.next = None;
        monitor.suspended = true;
        monitor.health.status = HealthStatus::Unhealthy;
        if let Some(probe) = &mut monitor.probe {
            probe.abort(Fate::Cancelled);
        }
    }
}

/// The container goes on.
pub(crate) fn resume(shim: &mut Shim) {
    if let Some(monitor) = monitor(shim) {
        monitor.suspended = false;
        monitor.wait();
    }
}

/// Does what is due: begins a probe, or ends one that takes too long.
pub(crate) fn tick(shim: &mut Shim, now: Instant) {
    let Shim {
        container: Some(container),
        identity,
        ..
    } = shim
    else {
        return;
    };
    let Some(monitor) = &mut container.health else { return };
    if let Some(probe) = &mut monitor.probe {
        if probe.deadline().is_none_or(|at| at > now) {
            return;
        }
        if probe.pid != 0 {
            return probe.abort(Fate::Overdue);
        }
        // It is judged now, and stays until the worker has reported.
        probe.abort(Fate::Cancelled);
        let (start, probe_id) = (probe.began(), probe.id.clone());
        let output = format!("timed out starting health check for container {}", identity.id);
        judge(shim, probe_id, None, Some((start, NO_EXIT, output)));
    } else if monitor.next.is_some_and(|at| at <= now) {
        monitor.next = None;
        if let Err(error) = start(shim) {
            let now = (SystemTime::now(), Instant::now());
            judge(shim, String::new(), None, Some((now, NO_EXIT, error.to_string())));
        }
    }
}

fn start(shim: &mut Shim) -> Result<()> {
    let Some(container) = &mut shim.container else {
        return Ok(());
    };
    let Some(monitor) = &mut container.health else {
        return Ok(());
    };
    let (probe, stdio) = Probe::new(START_LIMIT)?;
    let started = TaskProbeStarted {
        container_id: container.id.clone(),
        probe_id: probe.id.clone(),
    };
    monitor.probe = Some(probe);
    let (id, bundle, runtime) = (
        container.id.clone(),
        container.bundle.clone(),
        container.record.runtime.clone(),
    );
    let process = monitor.check.process.clone();
    shim.publish(Envelope::PROBE_STARTED, &started);
    let stdio = Stdio {
        stdin: Some(stdio.stdin),
        stdout: Some(stdio.stdout),
        stderr: Some(stdio.stderr),
    };
    shim.work(Purpose::Probe, move || runtime.exec(&id, &bundle, process, stdio));
    Ok(())
}

/// The worker has made the probe's process, or could not.
pub(crate) fn on_report(shim: &mut Shim, result: Result<Report>) {
    let Shim {
        container: Some(container),
        poll,
        unclaimed,
        ..
    } = shim
    else {
        return;
    };
    let Some(monitor) = &mut container.health else { return };
    let Some(probe) = &mut monitor.probe else { return };
    match result {
        Ok(report) => {
            let pid = report.pid;
            probe.run(&report, monitor.check.timeout);
            if let Some(output) = probe.output.descriptor() {
                // Without it the output is taken when the probe has ended.
                let _ = poll.add(output, Token::Probe, EventFlags::IN);
            }
            if let Some(exit) = unclaimed.remove(&pid) {
                on_exit(shim, pid, exit);
            }
        }
        Err(error) => finish(shim, None, Some(refusal(&error))),
    }
}

/// As dockerd tells that a probe's program cannot be executed.
fn refusal(error: &Error) -> String {
    let text = error.to_string();
    let text = text
        .strip_prefix("unable to start container process: ")
        .unwrap_or(&text);
    format!("OCI runtime exec failed: exec failed: unable to start container process: {text}: unknown")
}

/// The probe has written something.
pub(crate) fn on_output(shim: &mut Shim, buffer: &mut [u8]) {
    let Shim {
        container: Some(container),
        poll,
        ..
    } = shim
    else {
        return;
    };
    if let Some(monitor) = &mut container.health
        && let Some(probe) = &mut monitor.probe
    {
        probe.output.take(poll, buffer);
    }
}

/// A child of the shim has ended: gives whether it was the probe.
pub(crate) fn on_exit(shim: &mut Shim, pid: u32, exit: Exit) -> bool {
    let probed = monitor(shim).is_some_and(|monitor| monitor.probe.as_ref().is_some_and(|probe| probe.pid == pid));
    if probed {
        let mut buffer = vec![0; 4096];
        on_output(shim, &mut buffer);
        finish(shim, Some(exit.status), None);
    }
    probed
}

/// The probe has ended, or could not run for the reason in `failure`.
fn finish(shim: &mut Shim, status: Option<u32>, failure: Option<String>) {
    let Shim {
        container: Some(container),
        poll,
        ..
    } = shim
    else {
        return;
    };
    let Some(monitor) = &mut container.health else { return };
    let Some(probe) = monitor.probe.take() else { return };
    if let Some(output) = probe.output.descriptor() {
        poll.remove(output);
    }
    let output = probe.output.text();
    let (exit_code, output) = match (probe.fate, failure) {
        (_, Some(failure)) => (NO_EXIT, failure),
        (Fate::Overdue, None) => (NO_EXIT, overdue(monitor.check.timeout, &output)),
        (_, None) => (status.map_or(NO_EXIT, |status| status as i32), output),
    };
    let outcome = (probe.fate != Fate::Cancelled).then(|| (probe.began(), exit_code, output));
    judge(shim, probe.id, status, outcome);
}

/// When a probe began, its exit code, and what it said.
type Outcome = ((SystemTime, Instant), i32, String);

/// Takes an outcome in where it counts, waits for the next probe, and tells of the end of this one.
fn judge(shim: &mut Shim, probe_id: String, exit_status: Option<u32>, outcome: Option<Outcome>) {
    let Some(monitor) = monitor(shim) else { return };
    if let Some((start, exit_code, output)) = outcome {
        monitor.record(start, exit_code, output);
    }
    monitor.wait();
    let health = Some(monitor.message());
    let ended = TaskProbeEnded {
        container_id: shim.identity.id.clone(),
        probe_id,
        exit_status,
        health,
    };
    shim.publish(Envelope::PROBE_ENDED, &ended);
}

fn overdue(timeout: Duration, output: &str) -> String {
    let timeout = tierce_logs::time::duration(timeout);
    if output.is_empty() {
        format!("Health check exceeded timeout ({timeout})")
    } else {
        format!("Health check exceeded timeout ({timeout}): {output}")
    }
}
