//! Whether, and after what delay, a container that ended is started again.
//!
//! Docker's rules (moby `daemon/internal/restartmanager`): the delay starts at 100 ms, doubles with every restart up to
//! one minute, and starts anew after the container ran for ten seconds. A manual stop always wins.

use std::time::Duration;
use tierce_oci::container::HostConfig;

/// First delay.
pub const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Longest delay.
pub const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// A container that ran for so long starts over with the first delay.
pub const CALM_AFTER: Duration = Duration::from_secs(10);

/// A restart policy as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Never.
    #[default]
    No,
    /// After a failure, at most so many times (0: without limit).
    OnFailure(i64),
    /// Always.
    Always,
    /// Always, unless a user stopped it.
    UnlessStopped,
}

impl Policy {
    /// The policy that a host configuration names; unknown names were refused at create and read as `no`.
    pub fn of(host_config: &HostConfig) -> Self {
        let policy = &host_config.restart_policy;
        match policy.name.as_str() {
            "on-failure" => Self::OnFailure(policy.maximum_retry_count),
            "always" => Self::Always,
            "unless-stopped" => Self::UnlessStopped,
            _ => Self::No,
        }
    }

    /// Whether a container that ended (or was found down) is started again.
    ///
    /// * `restarts`: how often the policy restarted it since it was last started by a user.
    pub fn restarts(self, exit_code: i32, manually_stopped: bool, restarts: i64) -> bool {
        match self {
            Self::No => false,
            Self::Always => true,
            Self::UnlessStopped => !manually_stopped,
            Self::OnFailure(limit) => exit_code != 0 && (limit == 0 || restarts < limit),
        }
    }
}

/// The delay before the next restart; lives as long as the daemon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    delay: Duration,
}

impl Backoff {
    /// The delay before the next restart of a container that ran for `ran`.
    pub fn next(&mut self, ran: Duration) -> Duration {
        if ran >= CALM_AFTER || self.delay.is_zero() {
            self.delay = FIRST_DELAY;
        } else {
            self.delay = (self.delay * 2).min(LONGEST_DELAY);
        }
        self.delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_delay_doubles_up_to_a_minute_and_starts_over_after_ten_calm_seconds() {
        let mut backoff = Backoff::default();
        let delays: Vec<u128> = (0..12)
            .map(|_| backoff.next(Duration::from_secs(1)).as_millis())
            .collect();
        assert_eq!(delays[..5], [100, 200, 400, 800, 1600]);
        assert_eq!(delays[10..], [60_000, 60_000]);
        assert_eq!(backoff.next(CALM_AFTER), FIRST_DELAY);
        assert_eq!(backoff.next(Duration::ZERO), FIRST_DELAY * 2);
    }

    #[test]
    fn each_policy_decides_as_docker_does() {
        assert!(!Policy::No.restarts(1, false, 0));
        assert!(Policy::Always.restarts(0, true, 99));
        assert!(Policy::UnlessStopped.restarts(0, false, 0));
        assert!(!Policy::UnlessStopped.restarts(1, true, 0));
        assert!(!Policy::OnFailure(0).restarts(0, false, 0));
        assert!(Policy::OnFailure(0).restarts(1, false, 1000));
        assert!(Policy::OnFailure(3).restarts(1, false, 2));
        assert!(!Policy::OnFailure(3).restarts(1, false, 3));
    }

    proptest! {
        #[test]
        fn delays_stay_in_bounds(runs in proptest::collection::vec(0u64..20, 1..60)) {
            let mut backoff = Backoff::default();
            for ran in runs {
                let delay = backoff.next(Duration::from_secs(ran));
                prop_assert!((FIRST_DELAY..=LONGEST_DELAY).contains(&delay));
            }
        }
    }
}
