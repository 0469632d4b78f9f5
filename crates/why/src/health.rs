//! Failing health probes.

use crate::{Evidence, Finding, Health, State};

/// Longest output of a probe that is shown.
const SHOWN: usize = 400;

pub(crate) fn find(evidence: &Evidence) -> Vec<Finding> {
    let Some(health) = &evidence.health else {
        return Vec::new();
    };
    let failing = health.failing_streak > 0 || health.log.last().is_some_and(|probe| probe.exit_code != 0);
    // A container that is paused or has ended is called unhealthy for that alone.
    let judged = health.status == "unhealthy" && evidence.state == State::Running;
    if !failing && !judged {
        return Vec::new();
    }
    vec![failure(health)]
}

fn failure(health: &Health) -> Finding {
    let last = health.log.last();
    let output = last.map_or("", |probe| probe.output.trim());
    let code = last.map_or(0, |probe| probe.exit_code);
    let command = &health.command;
    let what = if output.starts_with("Health check exceeded timeout") {
        "its health probe takes too long".to_owned()
    } else if code == -1 {
        "its health probe cannot run".to_owned()
    } else {
        format!("its health probe fails with exit code {code}")
    };
    let mut finding = Finding::new(what)
        .evidence(format!("the probe is: {command}"))
        .evidence(format!("{} failures in a row", health.failing_streak));
    if let Some(probe) = last {
        let end = output.floor_char_boundary(SHOWN);
        finding = finding.evidence(format!("the last one, at {}, said: {}", probe.end, &output[..end]));
    }
    let advice = if output.starts_with("Health check exceeded timeout") {
        "give it more time (--health-timeout), or look why the service does not answer"
    } else if output.contains("not found") || output.contains("no such file") || code == 127 {
        "the image lacks the program that probes: install it, or probe with one that is there"
    } else {
        "run the probe by hand (docker exec) and look at the service's log"
    };
    finding.advice(advice).advice(
        "--health-on-failure=restart has it restarted when it is unhealthy; --health-start-period gives it time",
    )
}
