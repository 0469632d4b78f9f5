//! The state of a container, as a document and in words.

use std::time::Duration;

use jiff::Timestamp;
use tierce_api_types::container::{ContainerState, Health, HealthResult};
use tierce_engine::lifecycle::{NEVER, Probe, State};

use crate::timestamp::{in_words, rfc3339};

/// The state for inspect.
pub(crate) fn document(state: &State) -> ContainerState {
    ContainerState {
        status: state.status().as_str().to_owned(),
        running: state.running,
        paused: state.paused,
        restarting: state.restarting,
        oom_killed: state.oom_killed,
        dead: state.dead,
        pid: state.pid,
        exit_code: state.exit_code.into(),
        error: state.error.clone(),
        started_at: rfc3339(state.started_at),
        finished_at: rfc3339(state.finished_at),
        health: health(state),
    }
}

fn health(state: &State) -> Option<Health> {
    let health = state.health.as_ref()?;
    let result = |probe: &Probe| HealthResult {
        start: probe.start.clone(),
        end: probe.end.clone(),
        exit_code: probe.exit_code,
        output: probe.output.clone(),
    };
    Some(Health {
        status: word(state).to_owned(),
        failing_streak: u64::try_from(health.failing_streak).unwrap_or(0),
        log: Some(health.log.iter().flatten().map(result).collect()),
    })
}

/// The status of its health in one word.
fn word(state: &State) -> &str {
    tierce_engine::lifecycle::Health::word(state.health.as_ref())
}

/// The state for lists: `Up 3 minutes (healthy)`. Source: moby `daemon/container/state.go`, `State.String`.
pub(crate) fn in_status_words(state: &State, now: Timestamp) -> String {
    let since = |time: Timestamp| in_words(Duration::try_from(now.duration_since(time)).unwrap_or_default());
    if state.running {
        if state.restarting {
            return format!("Restarting ({}) {} ago", state.exit_code, since(state.finished_at));
        }
        let up = format!("Up {}", since(state.started_at));
        if state.paused {
            return format!("{up} (Paused)");
        }
        return match word(state) {
            "none" => up,
            "starting" => format!("{up} (health: starting)"),
            status => format!("{up} ({status})"),
        };
    }
    if state.removal_in_progress {
        return "Removal In Progress".to_owned();
    }
    if state.dead {
        return "Dead".to_owned();
    }
    if state.started_at == NEVER {
        return "Created".to_owned();
    }
    if state.finished_at == NEVER {
        return String::new();
    }
    format!("Exited ({}) {} ago", state.exit_code, since(state.finished_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_093_states_are_in_dockers_words() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let words = |state: &State| in_status_words(state, at(1000));
        let mut state = State::default();
        assert_eq!(words(&state), "Created");
        state.running = true;
        state.started_at = at(990);
        assert_eq!(words(&state), "Up 10 seconds");
        state.paused = true;
        assert_eq!(words(&state), "Up 10 seconds (Paused)");
        state.paused = false;
        state.health = Some(tierce_engine::lifecycle::Health {
            status: "healthy".to_owned(),
            ..Default::default()
        });
        assert_eq!(words(&state), "Up 10 seconds (healthy)");
        state.health = None;
        state.restarting = true;
        state.exit_code = 3;
        state.finished_at = at(995);
        assert_eq!(words(&state), "Restarting (3) 5 seconds ago");
        state.running = false;
        state.restarting = false;
        assert_eq!(words(&state), "Exited (3) 5 seconds ago");
        state.dead = true;
        assert_eq!(words(&state), "Dead");
    }
}
