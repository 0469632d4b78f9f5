//! What we promise, as data: our figure divided by a peer's, in the same run, on the same machine.
//!
//! A budget is changed here, with its reason in the commit; the targets come first, the goals are where we want to be.

/// One promise about one measure.
#[derive(Debug, PartialEq)]
pub(super) struct Budget {
    /// The measure, as the table's first column has it.
    measure: &'static str,
    /// The peer whose figure is the divisor.
    peer: &'static str,
    /// The most that our figure divided by the peer's may be.
    pub(super) first_target: f64,
    /// What it shall become.
    pub(super) goal: f64,
}

const fn budget(measure: &'static str, peer: &'static str, first_target: f64, goal: f64) -> Budget {
    Budget {
        measure,
        peer,
        first_target,
        goal,
    }
}

const BUDGETS: &[Budget] = &[
    budget("run-bridge", "docker", 1.0 / 5.0, 1.0 / 10.0),
    budget("run-none", "docker", 1.0 / 5.0, 1.0 / 10.0),
    budget("run-none", "podman", 1.0 / 3.0, 1.0 / 5.0),
    budget("runtime wall", "crun", 1.0, 0.7),
    budget("runtime cpu", "crun", 1.0, 0.7),
    budget("runtime cpu", "bound", 3.0, 2.0),
    budget("exec", "docker", 1.0 / 4.0, 1.0 / 8.0),
    budget("parallel", "docker", 1.0 / 4.0, 1.0 / 10.0),
    budget("shim-memory pss", "docker", 1.0 / 5.0, 1.0 / 10.0),
    budget("daemon-memory", "docker", 1.0 / 5.0, 1.0 / 10.0),
    budget("output of 1 GB", "docker", 0.5, 0.25),
    budget("ps of 1000", "docker", 0.2, 0.1),
    budget("pull gzip", "docker", 0.7, 0.4),
    budget("pull gzip", "podman", 0.7, 0.4),
    budget("pull gzip", "ctr", 0.7, 0.4),
    budget("pull zstd", "docker", 0.7, 0.4),
    budget("pull zstd", "podman", 0.7, 0.4),
    budget("pull zstd", "ctr", 0.7, 0.4),
];

/// The promise about this measure and this peer, if there is one.
pub(super) fn find(measure: &str, peer: &str) -> Option<&'static Budget> {
    BUDGETS
        .iter()
        .find(|budget| budget.measure == measure && budget.peer == peer)
}

/// The most that a count of ours may be, whoever the peers are. Counted with `make build`'s programs on `x86_64` with nine
/// v1 hierarchies; a machine with v2 needs fewer calls. Some percent above what was measured, so that only a change of
/// the work shows.
const LIMITS: &[(&str, f64)] = &[
    ("run calls", 560.0),
    ("create calls", 535.0),
    ("start calls", 32.0),
    ("state calls", 42.0),
    ("exec calls", 268.0),
    ("pause calls", 41.0),
    ("resume calls", 33.0),
    ("delete calls", 56.0),
    ("run instructions", 410e3),
    ("create instructions", 393e3),
    ("start instructions", 51e3),
    ("state instructions", 65e3),
    ("exec instructions", 222e3),
    ("pause instructions", 60e3),
    ("resume instructions", 50e3),
    ("delete instructions", 85e3),
    ("run memory", 2.5 * MEBIBYTE),
    ("runtime size", 3.0 * MEBIBYTE),
    // What the daemon may grow by, whatever the size of the layers.
    ("pull gzip memory", 64.0 * MEBIBYTE),
    ("pull zstd memory", 64.0 * MEBIBYTE),
    ("load gzip memory", 64.0 * MEBIBYTE),
    ("push gzip memory", 64.0 * MEBIBYTE),
];
const MEBIBYTE: f64 = 1_048_576.0;

/// The limit of a measure, if there is one.
pub(super) fn limit(measure: &str) -> Option<f64> {
    let comparable = cfg!(target_arch = "x86_64");
    LIMITS
        .iter()
        .find(|(name, _)| *name == measure && comparable)
        .map(|(_, most)| *most)
}

/// How a ratio stands to its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// At the goal or better.
    Goal,
    /// At the first target or better.
    FirstTarget,
    /// Worse than the first target.
    Missed,
}

impl Budget {
    /// Judges our figure divided by the peer's.
    pub(super) fn judge(&self, ratio: f64) -> Verdict {
        if ratio <= self.goal {
            Verdict::Goal
        } else if ratio <= self.first_target {
            Verdict::FirstTarget
        } else {
            Verdict::Missed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_no_easier_than_first_targets_and_no_pair_is_there_twice() {
        for (index, budget) in BUDGETS.iter().enumerate() {
            assert!(budget.goal <= budget.first_target, "{budget:?}");
            let first = BUDGETS
                .iter()
                .position(|other| (other.measure, other.peer) == (budget.measure, budget.peer));
            assert_eq!(first, Some(index), "{budget:?}");
        }
    }

    #[test]
    fn a_ratio_is_judged_by_goal_then_target() {
        let exec = find("exec", "docker").unwrap();
        assert_eq!(exec.judge(0.125), Verdict::Goal);
        assert_eq!(exec.judge(0.2), Verdict::FirstTarget);
        assert_eq!(exec.judge(0.26), Verdict::Missed);
        assert_eq!(find("exec", "nobody"), None);
    }
}
