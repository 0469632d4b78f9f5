//! The error documents of registries and token servers.
//!
//! Source: distribution-spec "Error Codes"; for the texts, Docker's `registry/api/errcode`.

use serde::Deserialize;
use std::fmt;

/// What a registry says when it refuses. Shown as Docker shows it: `manifest unknown: manifest unknown`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Code such as `MANIFEST_UNKNOWN`; empty when the answer was no error document.
    pub code: String,
    /// Words of the registry, bounded in length and without control characters.
    pub message: String,
}

/// Longest message kept; the text ends in logs and terminals.
const LONGEST_MESSAGE: usize = 1000;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    errors: Vec<Entry>,
    // Token servers answer with one of these instead.
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

impl Refusal {
    /// A refusal with one of the specification's codes and the message that Docker shows for it.
    pub(crate) fn of_code(code: &str, message: Option<String>) -> Self {
        let message = message
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| standard_message(code).to_owned());
        Self {
            code: code.to_owned(),
            message: bounded(&message),
        }
    }

    /// Reads the body of an answer with status `status`.
    pub(crate) fn from_body(status: u16, body: &[u8]) -> Self {
        let document = serde_json::from_slice::<Document>(body).ok();
        if let Some(document) = document {
            if let Some(entry) = document.errors.into_iter().find(|entry| !entry.code.is_empty()) {
                let code = bounded(&entry.code.to_ascii_uppercase());
                return Self::of_code(&code, entry.message);
            }
            if let Some(text) = document.details.or(document.message) {
                return Self::of_code(code_of_status(status), Some(text));
            }
        }
        match status {
            401 => Self::of_code("UNAUTHORIZED", None),
            403 => Self::of_code("DENIED", None),
            429 => Self::of_code("TOOMANYREQUESTS", None),
            _ => {
                let phrase = http::StatusCode::from_u16(status)
                    .ok()
                    .and_then(|status| status.canonical_reason());
                let message = format!(
                    "received unexpected HTTP status: {status} {}",
                    phrase.unwrap_or_default()
                );
                Self {
                    code: String::new(),
                    message: message.trim_end().to_owned(),
                }
            }
        }
    }
}

fn code_of_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        429 => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    }
}

fn standard_message(code: &str) -> &'static str {
    match code {
        "UNAUTHORIZED" => "authentication required",
        "DENIED" => "requested access to the resource is denied",
        "UNAVAILABLE" => "service unavailable",
        "TOOMANYREQUESTS" => "too many requests",
        "NAME_UNKNOWN" => "repository name not known to registry",
        "MANIFEST_UNKNOWN" => "manifest unknown",
        "BLOB_UNKNOWN" => "blob unknown to registry",
        _ => "unknown error",
    }
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE).collect()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() {
            return f.write_str(&self.message);
        }
        write!(
            f,
            "{}: {}",
            self.code.to_ascii_lowercase().replace('_', " "),
            self.message
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_specified_document() {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#;
        assert_eq!(
            Refusal::from_body(404, body).to_string(),
            "manifest unknown: manifest unknown"
        );
        let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
        assert_eq!(
            Refusal::from_body(429, body).to_string(),
            "toomanyrequests: You have reached your pull rate limit."
        );
    }

    #[test]
    fn reads_what_token_servers_say() {
        let body = br#"{"details":"incorrect username or password"}"#;
        assert_eq!(
            Refusal::from_body(401, body).to_string(),
            "unauthorized: incorrect username or password"
        );
    }

    #[test]
    fn says_the_status_of_anything_else() {
        for body in [&b"<html>"[..], b"", b"[]", br#"{"errors":[]}"#, &[0xff, 0x00]] {
            let text = Refusal::from_body(502, body).to_string();
            assert_eq!(text, "received unexpected HTTP status: 502 Bad Gateway");
        }
        assert_eq!(Refusal::from_body(403, b"no").code, "DENIED");
    }

    #[test]
    fn words_of_the_registry_cannot_play_with_the_terminal() {
        let body = serde_json::json!({"errors": [{"code": "DENIED\u{1b}", "message": format!("\u{1b}[2J{}", "x".repeat(5000))}]});
        let refusal = Refusal::from_body(403, body.to_string().as_bytes());
        assert!(!refusal.to_string().contains('\u{1b}'));
        assert!(refusal.message.len() <= LONGEST_MESSAGE);
    }
}
