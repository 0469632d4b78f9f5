//! Health of a container: how it is probed, how it is judged, what is remembered.
//!
//! ```text
//!              success                  failures in a row = retries
//!  starting ──────────▶ healthy ◀──────────────────────▶ unhealthy
//!      └── failures in a row = retries (those begun in the start period do not count) ──▲
//! ```
//! The shim probes and judges, so that nobody else needs to live for it; the engine shows the outcome. Rules and limits
//! are Docker's (moby `daemon/health.go`).

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// Most bytes kept of what one probe prints.
pub const MAX_OUTPUT: usize = 4096;
/// Most probes remembered.
pub const MAX_LOG: usize = 5;
/// What is told as the exit code of a probe that could not run, or took too long.
pub const NO_EXIT: i32 = -1;

/// How a container's health is probed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HealthCheck {
    /// What runs; exit code 0 means healthy.
    pub process: tierce_oci::runtime::Process,
    /// From the end of a probe to the beginning of the next, and before the first.
    pub interval: Duration,
    /// When a probe has failed for taking too long.
    pub timeout: Duration,
    /// After the start of the container: failures do not count while it was never healthy.
    pub start_period: Duration,
    /// The interval in that period, while it was never healthy.
    pub start_interval: Duration,
    /// Failures in a row that make it unhealthy; at least 1.
    pub retries: u32,
    /// Probes of the container's earlier lives, which stay remembered.
    pub log: Vec<ProbeResult>,
}

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthStatus {
    /// Not known yet.
    #[default]
    Starting,
    /// The last probe that counted succeeded.
    Healthy,
    /// Too many failed, or it is not probed any more (paused, ended).
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// Its exit code, or [`NO_EXIT`].
    pub exit_code: i32,
    /// What it printed, or why there was none.
    pub output: String,
}

/// Outcome of the probes up to now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// How the container is.
    pub status: HealthStatus,
    /// Failures in a row that counted.
    pub failing_streak: u32,
    /// The last probes, oldest first.
    pub log: VecDeque<ProbeResult>,
}

impl Health {
    /// Takes the result of a probe in; `since_start` is how long after the container's start it began.
    pub fn record(&mut self, check: &HealthCheck, result: ProbeResult, since_start: Duration) {
        let succeeded = result.exit_code == 0;
        while self.log.len() >= MAX_LOG {
            self.log.pop_front();
        }
        self.log.push_back(result);
        if succeeded {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else if self.status != HealthStatus::Starting || since_start >= check.start_period {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= check.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
    }

    /// How long to wait for the next probe, `since_start` after the container's start.
    pub fn interval(&self, check: &HealthCheck, since_start: Duration) -> Duration {
        if self.status == HealthStatus::Starting && since_start < check.start_period {
            check.start_interval
        } else {
            check.interval
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthStatus::{Healthy, Starting, Unhealthy};

    fn result(exit_code: i32) -> ProbeResult {
        ProbeResult {
            start: SystemTime::UNIX_EPOCH,
            end: SystemTime::UNIX_EPOCH,
            exit_code,
            output: format!("said {exit_code}"),
        }
    }

    fn check(start_period: u64, retries: u32) -> HealthCheck {
        HealthCheck {
            interval: Duration::from_secs(30),
            start_period: Duration::from_secs(start_period),
            start_interval: Duration::from_secs(5),
            retries,
            ..HealthCheck::default()
        }
    }

    /// The status after each of these results, all long after the start.
    fn history(retries: u32, codes: &[i32]) -> Vec<HealthStatus> {
        let (check, mut health) = (check(0, retries), Health::default());
        let mut seen = Vec::new();
        for code in codes {
            health.record(&check, result(*code), Duration::from_secs(99));
            seen.push(health.status);
        }
        seen
    }

    #[test]
    fn only_failures_in_a_row_make_unhealthy_and_one_success_heals() {
        assert_eq!(
            history(3, &[1, 1, 0, 1, NO_EXIT, 2, 1, 0]),
            [
                Starting, Starting, Healthy, Healthy, Healthy, Unhealthy, Unhealthy, Healthy
            ]
        );
        assert_eq!(history(1, &[1]), [Unhealthy]);
    }

    #[test]
    fn failures_of_the_start_period_do_not_count_until_a_success_ends_it() {
        let (check, mut health) = (check(60, 1), Health::default());
        health.record(&check, result(1), Duration::from_secs(59));
        assert_eq!((health.status, health.failing_streak), (Starting, 0));
        health.record(&check, result(0), Duration::from_secs(59));
        health.record(&check, result(1), Duration::from_secs(59));
        assert_eq!((health.status, health.failing_streak), (Unhealthy, 1));
        let mut late = Health::default();
        late.record(&check, result(1), Duration::from_mins(1));
        assert_eq!(late.status, Unhealthy);
    }

    #[test]
    fn the_start_interval_is_for_the_start_period_and_the_unknown_only() {
        let (check, mut health) = (check(60, 3), Health::default());
        let seconds = |health: &Health, since| health.interval(&check, Duration::from_secs(since)).as_secs();
        assert_eq!((seconds(&health, 0), seconds(&health, 60)), (5, 30));
        health.record(&check, result(0), Duration::ZERO);
        assert_eq!(seconds(&health, 1), 30);
    }

    #[test]
    fn five_probes_are_remembered() {
        let (check, mut health) = (check(0, 3), Health::default());
        for code in 0..9 {
            health.record(&check, result(code), Duration::ZERO);
        }
        let codes: Vec<i32> = health.log.iter().map(|result| result.exit_code).collect();
        assert_eq!(codes, [4, 5, 6, 7, 8]);
    }
}
