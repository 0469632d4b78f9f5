//! Why a container ended, does not start, is restarted again and again, or is unhealthy: from evidence, and what to do.
//!
//! Pure: the engine collects the [`Evidence`] and hands it in; nothing here looks at the machine. Each reason is a file
//! of its own that looks at the evidence and adds what it knows; [`explain`] asks them in order of weight. What is not
//! known is not guessed: a reason names the evidence that it rests on.
//!
//! ```
//! use tierce_why::{Evidence, State, explain};
//!
//! let evidence = Evidence { state: State::Exited, exit_code: 127, ..Evidence::default() };
//! let explanation = explain(&evidence);
//! assert!(explanation.summary.contains("127"));
//! ```

mod ended;
mod evidence;
mod health;
pub mod kernel_log;
mod memory;
pub mod program;
mod restart;
mod seccomp;
mod signals;
mod start;
#[cfg(test)]
mod tests;

pub use evidence::{Evidence, Health, Memory, Probe, Program, Restart, Sent, State};

/// Why a container is as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// In one sentence.
    pub summary: String,
    /// What was found, the weightiest first.
    pub findings: Vec<Finding>,
}

/// One reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// What is the matter.
    pub what: String,
    /// What that rests on: numbers, lines of logs, files.
    pub evidence: Vec<String>,
    /// What to do about it.
    pub advice: Vec<String>,
}

impl Finding {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ..Self::default()
        }
    }

    fn evidence(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }

    fn advice(mut self, line: impl Into<String>) -> Self {
        self.advice.push(line.into());
        self
    }
}

/// Explains the evidence.
pub fn explain(evidence: &Evidence) -> Explanation {
    let reasons: [fn(&Evidence) -> Vec<Finding>; 6] = [
        start::find,
        memory::find,
        seccomp::find,
        ended::find,
        health::find,
        restart::find,
    ];
    let findings: Vec<Finding> = reasons.iter().flat_map(|reason| reason(evidence)).collect();
    Explanation {
        summary: summary(evidence, findings.first()),
        findings,
    }
}

fn summary(evidence: &Evidence, first: Option<&Finding>) -> String {
    let code = evidence.exit_code;
    let state = match evidence.state {
        State::Created if evidence.error.is_empty() => "was made and never started".to_owned(),
        State::Created => "could not be started".to_owned(),
        State::Exited if !evidence.error.is_empty() => "could not be started again".to_owned(),
        State::Exited | State::Dead => format!("ended with exit code {code}"),
        State::Restarting => format!("ended with exit code {code} and is going to be started again"),
        State::Paused => "is paused".to_owned(),
        State::Running => match evidence.health.as_ref().map(|health| health.status.as_str()) {
            Some("unhealthy") => "runs, but is unhealthy".to_owned(),
            Some("starting") => "runs; whether it is healthy is not known yet".to_owned(),
            _ => "runs".to_owned(),
        },
    };
    let name = &evidence.name;
    match first {
        Some(first) => format!("{name} {state}: {}", first.what),
        None => format!("{name} {state}. Nothing is wrong that could be told from here."),
    }
}

/// Bytes as people read them.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let number = format!("{value:.1}");
    format!("{} {}", number.strip_suffix(".0").unwrap_or(&number), UNITS[unit])
}
