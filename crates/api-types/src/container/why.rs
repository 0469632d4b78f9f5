//! Why a container is as it is; ours alone.

use serde::{Deserialize, Serialize};

/// Answer of `GET /tierce/containers/{id}/why`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WhyResponse {
    /// 64 hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, without slash.
    pub name: String,
    /// `exited` and its like.
    pub status: String,
    /// In one sentence.
    pub summary: String,
    /// What was found, the weightiest first.
    pub findings: Vec<WhyFinding>,
}

/// One reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WhyFinding {
    /// What is the matter.
    pub what: String,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// What to do about it.
    pub advice: Vec<String>,
}
