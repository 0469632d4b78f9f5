//! Restarts, wanted and not.

use crate::{Evidence, Finding, State};

pub(crate) fn find(evidence: &Evidence) -> Vec<Finding> {
    let (policy, count) = (&evidence.restart.policy, evidence.restart.count);
    let has_policy = !policy.is_empty() && policy != "no";
    match evidence.state {
        State::Restarting => vec![
            Finding::new(format!("its restart policy {policy} starts it again each time it ends"))
                .evidence(format!(
                    "{count} times until now; each wait is twice as long, up to one minute"
                ))
                .advice(format!(
                    "`docker stop {0}` ends that; `docker logs {0}` shows every attempt",
                    evidence.name
                )),
        ],
        State::Running if count > 0 => vec![
            Finding::new(format!(
                "its restart policy {policy} has started it again {count} times"
            ))
            .evidence(format!("the life before ended with exit code {}", evidence.exit_code))
            .advice(format!("docker logs {}", evidence.name)),
        ],
        State::Exited if has_policy && evidence.restart.stopped_by_user => vec![
            Finding::new(format!(
                "its restart policy {policy} does not start what a user stopped"
            ))
            .advice(format!("docker start {}", evidence.name)),
        ],
        State::Exited if policy.starts_with("on-failure") && evidence.exit_code != 0 && evidence.error.is_empty() => {
            vec![
                Finding::new(format!("its restart policy {policy} has used up its attempts"))
                    .evidence(format!("{count} restarts"))
                    .advice("mend the cause, then start it by hand: the count begins anew"),
            ]
        }
        _ => Vec::new(),
    }
}
