//! `daemon.json` and the flags as one document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::flags::Flags;
use crate::registry::ProxySettings;

/// Tierce's own file, and Docker's where there is no such.
const DEFAULT_FILES: [&str; 2] = ["/etc/tierce/daemon.json", "/etc/docker/daemon.json"];

/// The whole configuration, with dockerd's keys. Absent = default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Document {
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) group: Option<String>,
    pub(crate) data_root: Option<PathBuf>,
    pub(crate) exec_root: Option<PathBuf>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) debug: Option<bool>,
    pub(crate) log_level: Option<String>,
    pub(crate) log_format: Option<String>,
    pub(crate) shim: Option<PathBuf>,
    pub(crate) storage_driver: Option<String>,
    pub(crate) storage_opts: Option<Vec<String>>,
    pub(crate) registry_mirrors: Option<Vec<String>>,
    pub(crate) insecure_registries: Option<Vec<String>>,
    pub(crate) proxies: Option<ProxySettings>,
    pub(crate) max_concurrent_downloads: Option<i64>,
    pub(crate) max_concurrent_uploads: Option<i64>,
    pub(crate) max_download_attempts: Option<i64>,
    pub(crate) bridge: Option<String>,
    pub(crate) bip: Option<String>,
    pub(crate) fixed_cidr: Option<String>,
    pub(crate) default_gateway: Option<String>,
    pub(crate) default_address_pools: Option<Vec<AddressPool>>,
    pub(crate) mtu: Option<u32>,
    pub(crate) icc: Option<bool>,
    pub(crate) ip_masq: Option<bool>,
    pub(crate) ip_forward: Option<bool>,
    pub(crate) iptables: Option<bool>,
    pub(crate) ip: Option<String>,
    pub(crate) userland_proxy: Option<bool>,
    pub(crate) firewall_table: Option<String>,
    pub(crate) interface_prefix: Option<String>,
    pub(crate) init: Option<bool>,
    pub(crate) init_path: Option<PathBuf>,
    pub(crate) default_runtime: Option<String>,
    pub(crate) runtimes: Option<BTreeMap<String, Runtime>>,
    pub(crate) log_driver: Option<String>,
    pub(crate) log_opts: Option<BTreeMap<String, String>>,
    pub(crate) dns: Option<Vec<String>>,
    pub(crate) cgroup_parent: Option<String>,
    pub(crate) exec_opts: Option<Vec<String>>,
    pub(crate) default_shm_size: Option<Value>,
}

/// One pool of `default-address-pools`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressPool {
    pub(crate) base: String,
    pub(crate) size: u8,
}

/// One runtime of `runtimes`.
#[expect(clippy::struct_field_names, reason = "the keys are dockerd's")]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Runtime {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) runtime_args: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) runtime_type: Option<String>,
}

/// Keys of dockerd that have no meaning here, and why that is no harm. Any other key is refused, because silence about
/// a setting that somebody relies on could be harm.
const WITHOUT_MEANING: [(&str, &str); 11] = [
    ("live-restore", "containers always outlive this daemon"),
    ("containerd", "this daemon supervises its containers itself"),
    ("containerd-namespace", "this daemon supervises its containers itself"),
    (
        "containerd-plugin-namespace",
        "this daemon supervises its containers itself",
    ),
    ("experimental", "there are no experimental features"),
    ("features", "there are no optional features"),
    ("userland-proxy-path", "there is no proxy process"),
    ("ip6tables", "IPv6 is not served"),
    ("shutdown-timeout", "containers are not stopped with this daemon"),
    ("builder", "there is no builder"),
    ("raw-logs", "the log is never coloured"),
];

/// The configuration, with the keys that were given but mean nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) document: Document,
    /// Key and reason.
    pub(crate) without_meaning: Vec<(String, &'static str)>,
}

/// Reads the file that the flags name (or a default one, if it exists) and joins the flags to it.
pub(crate) fn load(flags: &Flags) -> Result<Loaded> {
    let (path, file) = match &flags.config_file {
        Some(path) => (path.clone(), read(path)?),
        None => match DEFAULT_FILES.iter().map(Path::new).find(|path| path.exists()) {
            Some(path) => (path.to_owned(), read(path)?),
            None => (PathBuf::new(), Map::new()),
        },
    };
    join(flags.document(), file).with_context(|| format!("unable to configure the daemon with file {}", path.display()))
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("unable to configure the daemon with file {}", path.display()))?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text.trim_start_matches('\u{feff}')).with_context(|| {
        format!(
            "unable to configure the daemon with file {}: it is no JSON object",
            path.display()
        )
    })
}

/// Joins flags and file. Source of the texts: moby `daemon/config/config.go`, `findConfigurationConflicts`.
fn join(flags: Map<String, Value>, mut file: Map<String, Value>) -> Result<Loaded> {
    // Older spellings of the same.
    for (old, new) in [("graph", "data-root"), ("registry-mirror", "registry-mirrors")] {
        if let Some(value) = file.remove(old) {
            file.entry(new).or_insert(value);
        }
    }
    let known = match serde_json::to_value(Document::default()) {
        Ok(Value::Object(known)) => known,
        _ => Map::new(),
    };
    let meaningless = |key: &str| WITHOUT_MEANING.iter().find(|(name, _)| *name == key);
    let unknown: Vec<&str> = file
        .keys()
        .map(String::as_str)
        .filter(|key| !known.contains_key(*key) && meaningless(key).is_none())
        .collect();
    if !unknown.is_empty() {
        bail!(
            "the following directives don't match any configuration option: {}",
            unknown.join(", ")
        );
    }
    let conflicts: Vec<String> = flags
        .iter()
        .filter_map(|(key, flag)| {
            let value = file.get(key)?;
            Some(format!(
                "{key}: (from flag: {}, from file: {})",
                plain(flag),
                plain(value)
            ))
        })
        .collect();
    if !conflicts.is_empty() {
        bail!(
            "the following directives are specified both as a flag and in the configuration file: {}",
            conflicts.join(", ")
        );
    }
    let mut joined = file;
    joined.extend(flags);
    let without_meaning = joined
        .keys()
        .filter_map(|key| Some((key.clone(), meaningless(key)?.1)))
        .collect::<Vec<_>>();
    for (key, _) in &without_meaning {
        joined.remove(key);
    }
    let document =
        serde_json::from_value(Value::Object(joined)).context("a directive has a value of the wrong type")?;
    Ok(Loaded {
        document,
        without_meaning,
    })
}

/// A value as one would write it on the command line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("[{}]", values.iter().map(plain).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    fn with_file(arguments: &[&str], file: &Value) -> Result<Loaded> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("daemon.json");
        std::fs::write(&path, file.to_string()).unwrap();
        let path = path.display().to_string();
        let arguments = ["tierced", "--config-file", &path]
            .into_iter()
            .chain(arguments.iter().copied());
        load(&Flags::try_parse_from(arguments)?)
    }

    #[test]
    fn row_094_file_and_flags_add_up() {
        let file = json!({
            "storage-driver": "overlay2", "storage-opts": ["overlay2.override_kernel_check=true"], "live-restore": true,
            "runtimes": {"crun": {"path": "/usr/bin/crun", "runtimeArgs": []}}
        });
        let loaded = with_file(&["--data-root", "/d", "--iptables=false"], &file).unwrap();
        assert_eq!(loaded.document.storage_driver.as_deref(), Some("overlay2"));
        assert_eq!(loaded.document.data_root.as_deref(), Some(Path::new("/d")));
        assert_eq!(loaded.document.iptables, Some(false));
        assert_eq!(loaded.without_meaning[0].0, "live-restore");
    }

    #[test]
    fn row_094_conflicts_and_unknown_keys_are_reported_by_name() {
        let message = |arguments: &[&str], file| format!("{:#}", with_file(arguments, &file).unwrap_err());
        let conflict = message(&["--log-level", "warn"], json!({"log-level": "debug"}));
        assert!(
            conflict.ends_with(
                "the following directives are specified both as a flag and in the configuration file: log-level: (from \
                 flag: warn, from file: debug)"
            ),
            "{conflict}"
        );
        let unknown = message(&[], json!({"colour": 1, "debug": true, "tlsverify": true}));
        assert!(
            unknown.ends_with("the following directives don't match any configuration option: colour, tlsverify"),
            "{unknown}"
        );
        assert!(message(&[], json!({"debug": "yes"})).contains("wrong type"));
        assert!(message(&[], json!([])).contains("no JSON object"));
    }

    #[test]
    fn a_missing_named_file_is_an_error() {
        let flags = Flags::try_parse_from(["tierced", "--config-file", "/nonexistent/daemon.json"]).unwrap();
        assert!(load(&flags).is_err());
    }
}
