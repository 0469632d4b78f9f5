//! The outcome of health probes as it is persisted. Source: moby `container/health.go`, `api/types/container/health.go`.

use serde::{Deserialize, Serialize};

/// What the probes came to, as it is persisted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `starting`, `healthy`, `unhealthy`; empty or `none`: not probed.
    pub status: String,
    /// Failures in a row that counted.
    pub failing_streak: i64,
    /// The last probes, oldest first.
    pub log: Option<Vec<Probe>>,
}

/// One probe, as it is persisted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Probe {
    /// When it began, RFC 3339.
    pub start: String,
    /// When it ended, RFC 3339.
    pub end: String,
    /// 0 means healthy; −1: it could not run, or took too long.
    pub exit_code: i64,
    /// What it printed, or why there was none.
    pub output: String,
}

impl Health {
    /// The status in Docker's word for lists and filters.
    pub fn word(health: Option<&Self>) -> &str {
        health
            .map(|health| health.status.as_str())
            .filter(|status| !status.is_empty())
            .unwrap_or("none")
    }

    /// Nobody probes any more: Docker calls it unhealthy.
    pub fn suspend(health: &mut Option<Self>) {
        if let Some(health) = health {
            "unhealthy".clone_into(&mut health.status);
        }
    }
}
