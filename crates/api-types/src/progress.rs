//! The message stream of pull (later push, build, load): one JSON document a line.

use serde::{Deserialize, Serialize};

/// One message. Which fields are set says what it is: progress of a layer, a plain line, or the final error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressMessage {
    /// Output of a build step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// What is going on, e.g. `Downloading`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Numbers of a running transfer.
    #[serde(skip_serializing_if = "Option::is_none", rename = "progressDetail")]
    pub progress_detail: Option<ProgressDetail>,
    /// A drawn bar, for clients that do not draw their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// What the message is about, usually a shortened layer digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The failure that ended the operation.
    #[serde(skip_serializing_if = "Option::is_none", rename = "errorDetail")]
    pub error_detail: Option<ErrorDetail>,
    /// The same as text; older clients read only this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A result in the midst of the stream: what a push has put at the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<serde_json::Value>,
}

impl ProgressMessage {
    /// The message that ends a stream in failure.
    pub fn failure(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error_detail: Some(ErrorDetail {
                code: None,
                message: message.clone(),
            }),
            error: Some(message),
            ..Self::default()
        }
    }
}

/// How far a transfer is, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    /// Bytes done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// Bytes to do, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// A failure inside a stream whose status line was already sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    /// Exit code of a failed build step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// What went wrong.
    pub message: String,
}
