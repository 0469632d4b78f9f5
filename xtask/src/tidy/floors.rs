//! The floors of the house: which room may import which. Imports go down only.
//!
//! A new arrow needs a decision record in `docs/design/`.

use super::Finding;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Room → the rooms it may import (besides `fault`). Development-only imports are free, except that nothing but tests
/// may import `testkit`.
const FLOORS: &[(&str, &[&str])] = &[
    ("fault", &[]),
    ("oci", &[]),
    ("sys", &[]),
    ("tar", &[]),
    ("tls", &[]),
    ("fsops", &["sys"]),
    ("store", &["fsops"]),
    ("content", &["oci", "store", "fsops"]),
    ("snapshot", &["oci", "store", "fsops", "sys"]),
    ("layer", &["content", "snapshot", "tar", "oci", "fsops", "sys"]),
    ("registry", &["content", "tls", "oci"]),
    ("hub", &["tls", "fsops", "oci"]),
    (
        "image",
        &["registry", "layer", "snapshot", "content", "store", "oci", "fsops"],
    ),
    ("firewall", &["sys"]),
    ("ipam", &["oci"]),
    ("links", &["sys"]),
    ("dns", &["sys"]),
    (
        "network",
        &["firewall", "ipam", "links", "dns", "store", "fsops", "sys", "oci"],
    ),
    ("volume", &["store", "fsops", "sys", "oci"]),
    ("logs", &["format", "tls", "fsops"]),
    ("processes", &[]),
    ("events", &[]),
    ("lifecycle", &["oci"]),
    ("why", &[]),
    ("cgroup", &["oci", "sys", "fsops"]),
    ("seccomp", &["oci"]),
    ("task", &["oci", "sys"]),
    ("criu", &[]),
    ("hooks", &["oci", "sys"]),
    ("rootfs", &["oci", "sys", "fsops"]),
    (
        "runtime",
        &["rootfs", "criu", "hooks", "cgroup", "seccomp", "oci", "sys", "fsops"],
    ),
    ("shim", &["task", "logs", "runtime", "cgroup", "oci", "sys", "fsops"]),
    ("init", &["sys"]),
    ("standin", &["task", "sys"]),
    ("spec", &["seccomp", "oci", "fsops"]),
    ("grpc", &[]),
    ("supervisor", &["grpc", "task", "store", "oci", "fsops"]),
    (
        "engine",
        &[
            "image",
            "layer",
            "snapshot",
            "network",
            "volume",
            "logs",
            "processes",
            "spec",
            "events",
            "lifecycle",
            "why",
            "task",
            "store",
            "fsops",
            "oci",
        ],
    ),
    ("api-types", &["oci"]),
    ("api", &["engine", "api-types", "oci", "sys"]),
    (
        "daemon",
        &[
            "api",
            "engine",
            "supervisor",
            "image",
            "layer",
            "snapshot",
            "registry",
            "tls",
            "network",
            "volume",
            "logs",
            "task",
            "store",
            "fsops",
            "sys",
            "oci",
        ],
    ),
    ("copy", &["tar", "fsops"]),
    ("format", &[]),
    ("flags", &["format", "api-types", "oci"]),
    ("settings", &["api-types", "tar", "fsops", "oci"]),
    ("client", &["api-types", "tls"]),
    ("lxc", &["api-types", "oci"]),
    (
        "cli",
        &[
            "client",
            "copy",
            "flags",
            "format",
            "lxc",
            "settings",
            "registry",
            "api-types",
            "oci",
        ],
    ),
    ("testkit", &["fsops", "oci", "sys"]),
];

/// Compares the manifests with [`FLOORS`].
pub(super) fn check(root: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("run cargo metadata")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("parse the output of cargo metadata")?;
    let allowed: BTreeMap<&str, &[&str]> = FLOORS.iter().copied().collect();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(room) = package["name"].as_str().and_then(|name| name.strip_prefix("tierce-")) else {
            continue;
        };
        let Some(below) = allowed.get(room) else {
            findings.push(Finding {
                rule: "floors",
                place: room.to_owned(),
                detail: "not on the plan: give it a floor in xtask/src/tidy/floors.rs and a decision record".to_owned(),
            });
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(other) = dependency["name"]
                .as_str()
                .and_then(|name| name.strip_prefix("tierce-"))
            else {
                continue;
            };
            let only_tests = dependency["kind"] == "dev";
            if !only_tests && other != "fault" && !below.contains(&other) {
                findings.push(Finding {
                    rule: "floors",
                    place: room.to_owned(),
                    detail: format!("imports `{other}`, which is not below it: pass a value down or an outcome up"),
                });
            }
        }
    }
    Ok(())
}
