//! Limits and isolation of containers that do not say.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use tierce_oci::container::Ulimit;

use crate::document::Document;

/// What the document says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Isolation {
    pub(crate) ulimits: BTreeMap<String, Ulimit>,
    pub(crate) ipc_mode: Option<String>,
    pub(crate) cgroupns_mode: Option<String>,
    /// What `seccomp=` of a container would say.
    pub(crate) seccomp: Option<String>,
    pub(crate) no_new_privileges: bool,
    pub(crate) shm_size: Option<i64>,
}

/// Source of the texts: moby `daemon/config/config_linux.go`.
pub(crate) fn read(document: &Document) -> Result<Isolation> {
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let ipc_mode = given(&document.default_ipc_mode);
    if let Some(mode) = ipc_mode
        .as_deref()
        .filter(|mode| !matches!(*mode, "private" | "shareable"))
    {
        bail!("IPC mode {mode:?} is not supported as default value; use \"shareable\" or \"private\"");
    }
    let cgroupns_mode = given(&document.default_cgroupns_mode);
    if let Some(mode) = cgroupns_mode
        .as_deref()
        .filter(|mode| !matches!(*mode, "private" | "host"))
    {
        bail!("invalid default cgroup namespace ({mode}): use \"host\" or \"private\"");
    }
    Ok(Isolation {
        ulimits: document.default_ulimits.clone().unwrap_or_default(),
        ipc_mode,
        cgroupns_mode,
        seccomp: given(&document.seccomp_profile)
            .map(|profile| seccomp(&profile))
            .transpose()?,
        no_new_privileges: document.no_new_privileges == Some(true),
        shm_size: document.default_shm_size.as_ref().map(bytes).transpose()?,
    })
}

/// `builtin`, `unconfined`, or the text of the profile in that file.
fn seccomp(profile: &str) -> Result<String> {
    if matches!(profile, "builtin" | "unconfined") {
        return Ok(profile.to_owned());
    }
    std::fs::read_to_string(profile).with_context(|| format!("opening seccomp profile ({profile}) failed"))
}

/// A number of bytes, as a number or as text with a unit. Source: docker/go-units `RAMInBytes`.
fn bytes(value: &serde_json::Value) -> Result<i64> {
    let text = match value {
        serde_json::Value::String(text) => text.trim().to_ascii_lowercase(),
        other => other.to_string(),
    };
    let split = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit.trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        other if !number.is_empty() => bail!("invalid default-shm-size: invalid suffix: '{other}'"),
        _ => bail!("invalid default-shm-size: invalid size: '{text}'"),
    };
    let number: f64 = number
        .parse()
        .with_context(|| format!("invalid default-shm-size: invalid size: '{text}'"))?;
    Ok((number * (1_u64 << shift) as f64) as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn isolation(document: serde_json::Value) -> Result<Isolation> {
        read(&serde_json::from_value(document).unwrap())
    }

    #[test]
    fn row_094_what_cannot_be_is_refused_in_dockers_words() {
        for (document, text) in [
            (
                json!({"default-ipc-mode": "host"}),
                "IPC mode \"host\" is not supported as default value; use \"shareable\" or \"private\"",
            ),
            (
                json!({"default-cgroupns-mode": "x"}),
                "invalid default cgroup namespace (x): use \"host\" or \"private\"",
            ),
            (
                json!({"seccomp-profile": "/nonexistent"}),
                "opening seccomp profile (/nonexistent) failed",
            ),
            (json!({"default-shm-size": "much"}), "invalid size: 'much'"),
            (json!({"default-shm-size": "64x"}), "invalid suffix: 'x'"),
        ] {
            let message = format!("{:#}", isolation(document).unwrap_err());
            assert!(message.contains(text), "{message}");
        }
    }

    #[test]
    fn sizes_are_numbers_or_text() {
        let size = |value| isolation(json!({"default-shm-size": value})).unwrap().shm_size;
        assert_eq!(size(json!("1.5M")), Some(1_572_864));
        assert_eq!(size(json!("64MiB")), Some(64 << 20));
        assert_eq!(size(json!(4096)), Some(4096));
    }
}
