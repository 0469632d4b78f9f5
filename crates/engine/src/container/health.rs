//! Health of containers: what the shim is told to probe, how the outcome is kept and told, and what is done about a
//! container that became unhealthy.
//!
//! The shim probes and judges (`crates/shim/src/health`), also while no daemon looks; here its word is taken over. Kept and
//! shown as Docker does (moby `daemon/health.go`, `daemon/container/health.go`); what is done on failure, in Podman's
//! words, is an addition: `none`, `kill` (the restart policy then decides), `restart`, `stop`.

use super::context::{Container, Context};
use super::record::Record;
use super::requests::Stop;
use super::stop;
use crate::error::Result;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tierce_lifecycle::{Health, Probe, Status};
use tierce_oci::container::Config;
use tierce_oci::runtime::{Capabilities, Process};
use tierce_spec::signal;
use tierce_task::{Event, EventKind, HealthCheck, HealthStatus, ProbeResult};

/// Between probes, where nobody says otherwise.
const INTERVAL: Duration = Duration::from_secs(30);
/// For one probe.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between probes of the start period.
const START_INTERVAL: Duration = Duration::from_secs(5);
/// Failures in a row.
const RETRIES: u32 = 3;

/// What the shim found, as it is persisted.
fn persisted(health: &tierce_task::Health) -> Health {
    let probe = |result: &ProbeResult| Probe {
        start: tierce_logs::time::format(result.start),
        end: tierce_logs::time::format(result.end),
        exit_code: result.exit_code.into(),
        output: result.output.clone(),
    };
    Health {
        status: health.status.as_str().to_owned(),
        failing_streak: health.failing_streak.into(),
        log: Some(health.log.iter().map(probe).collect()),
    }
}

/// What a probe runs; `None`: the container is not probed.
pub(super) fn command(config: &Config) -> Option<Vec<String>> {
    let (kind, words) = config.healthcheck.as_ref()?.test.as_deref()?.split_first()?;
    match kind.as_str() {
        "CMD" => Some(words.to_vec()),
        "CMD-SHELL" => {
            let own = config.shell.as_ref().map(|shell| shell.0.clone());
            let shell = own.filter(|shell| !shell.is_empty());
            let mut command = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            command.extend(words.iter().cloned());
            Some(command)
        }
        _ => None,
    }
}

/// How the container that runs `process` is probed: with the rights and the surroundings of an exec.
pub(crate) fn check(record: &Record, process: Option<&Process>) -> Option<HealthCheck> {
    let (args, process) = (command(&record.config)?, process?);
    let settings = record.config.healthcheck.as_ref()?;
    let bounding = process.capabilities.as_ref().map(|sets| sets.bounding.clone());
    let mut env = process.env.clone();
    let own_term = record
        .config
        .env
        .iter()
        .flatten()
        .any(|entry| entry.starts_with("TERM="));
    if record.config.tty && !own_term {
        env.retain(|entry| !entry.starts_with("TERM="));
    }
    let or = |nanoseconds: i64, default: Duration| match u64::try_from(nanoseconds) {
        Ok(nanoseconds @ 1..) => Duration::from_nanos(nanoseconds),
        _ => default,
    };
    let log = record.state.health.as_ref().and_then(|health| health.log.as_ref());
    Some(HealthCheck {
        process: Process {
            terminal: false,
            console_size: None,
            args,
            env,
            capabilities: bounding.map(|names| Capabilities {
                bounding: names.clone(),
                effective: names.clone(),
                permitted: names,
                ..Capabilities::default()
            }),
            ..process.clone()
        },
        interval: or(settings.interval, INTERVAL),
        timeout: or(settings.timeout, TIMEOUT),
        start_period: or(settings.start_period, Duration::ZERO),
        start_interval: or(settings.start_interval, START_INTERVAL),
        retries: u32::try_from(settings.retries)
            .ok()
            .filter(|retries| *retries > 0)
            .unwrap_or(RETRIES),
        log: log.into_iter().flatten().map(remembered).collect(),
    })
}

fn remembered(probe: &Probe) -> ProbeResult {
    let time = |text: &str| {
        text.parse::<Timestamp>()
            .map_or(SystemTime::UNIX_EPOCH, SystemTime::from)
    };
    ProbeResult {
        start: time(&probe.start),
        end: time(&probe.end),
        exit_code: probe.exit_code as i32,
        output: probe.output.clone(),
    }
}

/// A container has been started: nothing is known yet, but the probes of earlier lives are remembered.
pub(crate) fn begin(record: &mut Record) {
    if command(&record.config).is_none() {
        return;
    }
    let health = record.state.health.get_or_insert_default();
    HealthStatus::Starting.as_str().clone_into(&mut health.status);
    health.failing_streak = 0;
}

/// Tells whoever watches of probes as dockerd does: they are execs. Called in the order of the events.
pub(super) fn tell(context: &Context, event: &Event) {
    let (EventKind::ProbeStarted | EventKind::ProbeEnded(_), Some(id)) = (event.kind, event.exec.as_deref()) else {
        return;
    };
    match event.kind {
        EventKind::ProbeStarted => context.metrics.probe_begun(),
        EventKind::ProbeEnded(Some(0)) => {}
        _ => context.metrics.probe_failed(),
    }
    let Some(container) = context.by_id(&event.container) else {
        return;
    };
    let record = &container.snapshot().record;
    if event.kind == EventKind::ProbeStarted {
        let command = crate::exec::in_events(&command(&record.config).unwrap_or_default());
        for action in ["exec_create", "exec_start"] {
            context.publish(record, &format!("{action}: {command}"), &[("execID", id)]);
        }
    } else if let EventKind::ProbeEnded(Some(status)) = event.kind {
        let status = status.to_string();
        context.publish(record, "exec_die", &[("execID", id), ("exitCode", &status)]);
    }
}

/// Takes over what the shim says, and acts on a container that became unhealthy.
pub(super) async fn changed(context: &Arc<Context>, container: &Arc<Container>) {
    if take_over(context, container).await {
        act(context, container).await;
    }
}

/// The same after the daemon was away: what it meant to do about an unhealthy container may not have been done.
pub(super) async fn recovered(context: &Arc<Context>, container: &Arc<Container>) {
    take_over(context, container).await;
    let state = &container.snapshot().record.state;
    let unhealthy = HealthStatus::Unhealthy.as_str();
    if Health::word(state.health.as_ref()) == unhealthy && state.status() == Status::Running {
        act(context, container).await;
    }
}

/// Gives whether it became unhealthy.
async fn take_over(context: &Arc<Context>, container: &Arc<Container>) -> bool {
    let _transient = container.transition().await;
    let state = &container.snapshot().record.state;
    if state.status() != Status::Running {
        return false;
    }
    let known = context.tasks.state(&container.id).ok().and_then(|task| task.health);
    let Some(now) = known.as_ref().map(persisted) else {
        return false;
    };
    let before = Health::word(state.health.as_ref());
    if state.health.as_ref() == Some(&now) {
        return false;
    }
    let turned = before != now.status;
    let unhealthy = now.status == HealthStatus::Unhealthy.as_str();
    let action = format!("health_status: {}", now.status);
    let snapshot = container.change_record(|record| record.state.health = Some(now));
    if turned {
        // In between the shim remembers what must not be lost.
        context.save_or_warn(container, false).await;
        context.publish(&snapshot.record, &action, &[]);
    }
    turned && unhealthy
}

/// What is done about an unhealthy container.
async fn act(context: &Arc<Context>, container: &Arc<Container>) {
    let snapshot = container.snapshot();
    let wish = snapshot
        .record
        .config
        .healthcheck
        .as_ref()
        .map(|check| check.on_failure.as_str());
    let done: Result<()> = match wish {
        // Nobody wished the container to be down, so the restart policy goes on from here.
        Some("kill") => stop::send(context, container, signal::KILL).await,
        Some("restart") => restart(context, container).await,
        Some("stop") => stop::stop(context, container, &Stop::default()).await,
        _ => return,
    };
    let container = &container.id;
    match done {
        Ok(()) => tracing::info!(container, action = wish, "acted on an unhealthy container"),
        Err(error) => tracing::warn!(container, action = wish, %error, "could not act on an unhealthy container"),
    }
}

/// Ends the container, whose end then starts it again. What a user wants meanwhile wins: a stop, a removal.
async fn restart(context: &Arc<Context>, container: &Arc<Container>) -> Result<()> {
    let mut changes = container.watch();
    let exits = {
        let mut transient = container.transition().await;
        let snapshot = container.snapshot();
        if snapshot.record.state.status() != Status::Running || snapshot.record.has_been_manually_stopped {
            return Ok(());
        }
        transient.starts_again = true;
        snapshot.exits
    };
    stop::end(context, container, &Stop::default(), &mut changes, exits).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierce_oci::container::{Healthcheck, StrSlice};

    fn record(test: &[&str]) -> Record {
        let mut record: Record =
            serde_json::from_str(include_str!("../../tests/fixtures/plain.config.v2.json")).unwrap();
        record.config.healthcheck = Some(Healthcheck {
            test: Some(test.iter().map(|word| (*word).to_owned()).collect()),
            ..Healthcheck::default()
        });
        record
    }

    #[test]
    fn a_probe_is_a_command_a_line_of_shell_or_nothing() {
        let words = |test: &[&str]| command(&record(test).config).map(|words| words.join("|"));
        assert_eq!(words(&["CMD", "curl", "-f"]).as_deref(), Some("curl|-f"));
        assert_eq!(words(&["CMD-SHELL", "a && b"]).as_deref(), Some("/bin/sh|-c|a && b"));
        assert_eq!(words(&["NONE"]), None);
        assert_eq!(words(&[]), None);
        let mut own = record(&["CMD-SHELL", "x"]);
        own.config.shell = Some(StrSlice(vec!["/bin/bash".into(), "-ec".into()]));
        assert_eq!(command(&own.config).unwrap(), ["/bin/bash", "-ec", "x"]);
    }

    #[test]
    fn a_probe_has_the_rights_of_an_exec_and_dockers_defaults() {
        let mut record = record(&["CMD", "true"]);
        record.config.tty = true;
        let process = Process {
            terminal: true,
            args: vec!["server".into()],
            env: vec!["PATH=/bin".into(), "TERM=xterm".into()],
            capabilities: Some(Capabilities {
                bounding: vec!["CAP_KILL".into()],
                ..Capabilities::default()
            }),
            no_new_privileges: true,
            ..Process::default()
        };
        let check = check(&record, Some(&process)).unwrap();
        assert_eq!(check.process.args, ["true"]);
        assert_eq!(check.process.env, ["PATH=/bin"]);
        assert!(!check.process.terminal && check.process.no_new_privileges);
        assert_eq!(check.process.capabilities.unwrap().effective, ["CAP_KILL"]);
        assert_eq!(
            (check.interval, check.timeout, check.retries),
            (INTERVAL, TIMEOUT, RETRIES)
        );
        assert_eq!(
            (check.start_period, check.start_interval),
            (Duration::ZERO, START_INTERVAL)
        );
    }

    #[test]
    fn a_document_of_dockerd_is_read_and_written_alike() {
        let theirs = r#"{"Status":"healthy","FailingStreak":0,"Log":[{"Start":"2026-11-30T12:00:00.123+01:00","End":"2026-11-30T12:00:00.2+01:00","ExitCode":0,"Output":"ok\n"}]}"#;
        let health: Health = serde_json::from_str(theirs).unwrap();
        assert_eq!(serde_json::to_string(&health).unwrap(), theirs);
        let kept = remembered(&health.log.unwrap()[0]);
        assert_eq!(tierce_logs::time::format(kept.start), "2026-11-30T11:00:00.123Z");
    }
}
