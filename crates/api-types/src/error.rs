//! The one shape of an error answer.

use serde::{Deserialize, Serialize};

/// Body of every answer with a status of 400 or more: `{"message":"No such container: x"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorResponse {
    /// What went wrong, for a person to read; some clients match on it.
    pub message: String,
}
