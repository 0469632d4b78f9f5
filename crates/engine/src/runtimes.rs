//! The runtimes that containers may choose; can be changed while the daemon runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Names to programs, and the one of containers that name none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtimes {
    /// Programs by name; `None` is Tierce's own.
    pub programs: BTreeMap<String, Option<PathBuf>>,
    /// The runtime of containers that name none.
    pub default: String,
}

impl Default for Runtimes {
    /// Our own, and those that are installed.
    fn default() -> Self {
        Self {
            programs: tierce_spec::runtimes(),
            default: "tierce".to_owned(),
        }
    }
}
