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
];

/// The promise about this measure and this peer, if there is one.
pub(super) fn find(measure: &str, peer: &str) -> Option<&'static Budget> {
    BUDGETS
        .iter()
        .find(|budget| budget.measure == measure && budget.peer == peer)
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
