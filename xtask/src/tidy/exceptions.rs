//! The exceptions from the house rules, each with its reason. The list may only shrink.

use super::Finding;

/// Rule, place as printed, reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// The exceptions, and which of them were needed.
pub(super) struct Exceptions {
    used: Vec<bool>,
}

impl Exceptions {
    pub(super) fn new() -> Self {
        Self {
            used: vec![false; EXCEPTIONS.len()],
        }
    }

    /// Whether a finding is excepted; remembers that the exception was needed.
    pub(super) fn covers(&mut self, finding: &Finding) -> bool {
        let found = EXCEPTIONS
            .iter()
            .position(|(rule, place, _)| *rule == finding.rule && *place == finding.place);
        if let Some(index) = found {
            self.used[index] = true;
        }
        found.is_some()
    }

    /// Exceptions that nothing needs any more.
    pub(super) fn unused(&self) -> Vec<Finding> {
        EXCEPTIONS
            .iter()
            .zip(&self.used)
            .filter(|(_, used)| !**used)
            .map(|((rule, place, _), _)| Finding {
                rule: "exceptions",
                place: (*place).to_owned(),
                detail: format!("the exception from `{rule}` is no longer needed: take it off the list"),
            })
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.used.len()
    }
}
