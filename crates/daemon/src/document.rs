//! `daemon.json` and the flags as one document.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tierce_oci::container::Ulimit;

use crate::flags::{self, Flags, Verdict};
use crate::registry::{self, ProxySettings};

/// Members of `proxies`, which are flags by themselves.
const PROXIES: [&str; 3] = ["http-proxy", "https-proxy", "no-proxy"];

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
    pub(crate) containerd: Option<PathBuf>,
    pub(crate) containerd_namespace: Option<String>,
    pub(crate) storage_driver: Option<String>,
    pub(crate) storage_opts: Option<Vec<String>>,
    pub(crate) registry_mirrors: Option<Vec<String>>,
    pub(crate) insecure_registries: Option<Vec<String>>,
    #[serde(flatten)]
    pub(crate) proxies: ProxySettings,
    pub(crate) max_concurrent_downloads: Option<i64>,
    pub(crate) max_concurrent_uploads: Option<i64>,
    pub(crate) max_download_attempts: Option<i64>,
    pub(crate) bridge: Option<String>,
    pub(crate) bip: Option<String>,
    pub(crate) fixed_cidr: Option<String>,
    pub(crate) default_gateway: Option<String>,
    pub(crate) ipv6: Option<bool>,
    pub(crate) bip6: Option<String>,
    pub(crate) fixed_cidr_v6: Option<String>,
    pub(crate) default_gateway_v6: Option<String>,
    pub(crate) default_address_pools: Option<Vec<AddressPool>>,
    pub(crate) mtu: Option<i64>,
    pub(crate) icc: Option<bool>,
    pub(crate) ip_masq: Option<bool>,
    pub(crate) ip_forward: Option<bool>,
    pub(crate) iptables: Option<bool>,
    pub(crate) ip6tables: Option<bool>,
    pub(crate) allow_direct_routing: Option<bool>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) publish_default_address: Option<IpAddr>,
    pub(crate) firewall_obey_host: Option<bool>,
    pub(crate) host_gateway_ips: Option<Vec<IpAddr>>,
    pub(crate) default_network_opts: Option<BTreeMap<String, BTreeMap<String, String>>>,
    pub(crate) userland_proxy: Option<bool>,
    pub(crate) firewall_table: Option<String>,
    pub(crate) interface_prefix: Option<String>,
    pub(crate) init: Option<bool>,
    pub(crate) init_path: Option<PathBuf>,
    pub(crate) default_runtime: Option<String>,
    pub(crate) runtimes: Option<BTreeMap<String, Runtime>>,
    pub(crate) log_driver: Option<String>,
    pub(crate) log_opts: Option<BTreeMap<String, String>>,
    pub(crate) dns: Option<Vec<IpAddr>>,
    pub(crate) dns_opts: Option<Vec<String>>,
    pub(crate) dns_search: Option<Vec<String>>,
    pub(crate) cgroup_parent: Option<String>,
    pub(crate) exec_opts: Option<Vec<String>>,
    pub(crate) default_shm_size: Option<Value>,
    pub(crate) default_ulimits: Option<BTreeMap<String, Ulimit>>,
    pub(crate) default_ipc_mode: Option<String>,
    pub(crate) default_cgroupns_mode: Option<String>,
    pub(crate) seccomp_profile: Option<String>,
    pub(crate) no_new_privileges: Option<bool>,
    pub(crate) cdi_spec_dirs: Option<Vec<PathBuf>>,
    pub(crate) labels: Option<Vec<String>>,
    pub(crate) metrics_addr: Option<String>,
    pub(crate) live_restore: Option<bool>,
    pub(crate) experimental: Option<bool>,
    pub(crate) shutdown_timeout: Option<i64>,
    pub(crate) features: Option<BTreeMap<String, bool>>,
    pub(crate) tls: Option<bool>,
    pub(crate) tlsverify: Option<bool>,
    pub(crate) tlscacert: Option<PathBuf>,
    pub(crate) tlscert: Option<PathBuf>,
    pub(crate) tlskey: Option<PathBuf>,
}

/// Where CDI documents lie unless the document says.
const CDI_DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

impl Document {
    /// Where CDI documents are read from; nowhere if devices are switched off (`features.cdi`), or if one empty path is
    /// given. Source: moby `cmd/dockerd/daemon.go` (`loadDaemonCliConfig`).
    pub(crate) fn cdi_directories(&self) -> Vec<PathBuf> {
        let switch = self.features.as_ref().and_then(|features| features.get("cdi"));
        match &self.cdi_spec_dirs {
            _ if switch == Some(&false) => Vec::new(),
            Some(given) => given
                .iter()
                .filter(|path| !path.as_os_str().is_empty())
                .cloned()
                .collect(),
            None => CDI_DIRECTORIES.map(PathBuf::from).to_vec(),
        }
    }
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
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) options: Map<String, Value>,
}

/// The configuration, with the keys that were given but mean nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) document: Document,
    /// Key and reason.
    pub(crate) notes: Vec<(String, &'static str)>,
    /// What the file says, for the reload: a key that it does not name stays as it is.
    pub(crate) file: Map<String, Value>,
    /// Where it lies; empty when there is none.
    path: PathBuf,
}

impl Loaded {
    /// Says of a failed check which file it may be about.
    pub(crate) fn blame(&self, error: anyhow::Error) -> anyhow::Error {
        if self.file.is_empty() {
            return error;
        }
        error.context(format!(
            "unable to configure the Docker daemon with file {}: merged configuration validation from file and command \
             line flags failed",
            self.path.display()
        ))
    }
}

/// Reads the file that the flags name (or a default one, if it exists) and joins the flags to it.
pub(crate) fn load(flags: &Flags) -> Result<Loaded> {
    let defaults = flags.called_as.places().config_files.iter().map(Path::new);
    let path = match &flags.config_file {
        Some(path) => path.clone(),
        None => match defaults.into_iter().find(|path| path.exists()) {
            Some(path) => path.to_owned(),
            None => return join(flags.document(), Map::new(), PathBuf::new()),
        },
    };
    let context = || format!("unable to configure the Docker daemon with file {}", path.display());
    let file = read(&path).with_context(context)?;
    join(flags.document(), file, path.clone()).with_context(context)
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("open {}", path.display()))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text).context("invalid JSON")? {
        Value::Object(map) => Ok(map),
        _ => bail!("invalid JSON: it is no JSON object"),
    }
}

/// The keys that are served.
fn served() -> BTreeSet<String> {
    let document = serde_json::to_value(Document::default()).unwrap_or_default();
    let keys = document.as_object().into_iter().flat_map(Map::keys).cloned();
    keys.chain(PROXIES.map(str::to_owned)).collect()
}

/// Joins flags and file. Source of the texts: moby `daemon/config/config.go`, `findConfigurationConflicts`.
fn join(flags: Map<String, Value>, file: Map<String, Value>, path: PathBuf) -> Result<Loaded> {
    let file = flatten(file)?;
    let served = served();
    let unknown: Vec<&str> = file
        .keys()
        .map(String::as_str)
        .filter(|key| !served.contains(*key) && flags::of_key(key).is_none())
        .collect();
    if !unknown.is_empty() {
        bail!(
            "the following directives don't match any configuration option: {}",
            unknown.join(", ")
        );
    }
    let conflicts: Vec<String> = flags
        .iter()
        // Runtimes of both add up.
        .filter(|(key, _)| *key != "runtimes")
        .filter_map(|(key, flag)| {
            let value = file.get(key)?;
            let [flag, value] = [flag, value].map(|value| registry::masked(&plain(value)));
            Some(format!("{key}: (from flag: {flag}, from file: {value})"))
        })
        .collect();
    if !conflicts.is_empty() {
        bail!(
            "the following directives are specified both as a flag and in the configuration file: {}",
            conflicts.join(", ")
        );
    }
    let mut joined = file.clone();
    for (key, value) in flags {
        match (joined.get_mut(&key), value) {
            (Some(Value::Object(of_file)), Value::Object(of_flags)) => of_file.extend(of_flags),
            (_, value) => drop(joined.insert(key, value)),
        }
    }
    let notes = take_unserved(&mut joined)?;
    Ok(Loaded {
        document: typed(joined)?,
        notes,
        file,
        path,
    })
}

/// Brings keys that Docker knows in two forms into one: `proxies` is an object in the file and three flags.
fn flatten(mut file: Map<String, Value>) -> Result<Map<String, Value>> {
    if let Some(Value::Object(proxies)) = file.remove("proxies") {
        for (key, value) in proxies {
            if !PROXIES.contains(&key.as_str()) {
                bail!("the following directives don't match any configuration option: {key}");
            }
            file.insert(key, value);
        }
    }
    if let Some(address) = file.remove("host-gateway-ip") {
        if file.contains_key("host-gateway-ips") {
            bail!("host-gateway-ip and host-gateway-ips must not both be specified in the config file");
        }
        if !flags::asks_for_nothing(&address) {
            file.insert("host-gateway-ips".to_owned(), Value::Array(vec![address]));
        }
    }
    Ok(file)
}

/// Takes out what is not served: notes of what means nothing here, or the refusal of what would be a lie.
fn take_unserved(joined: &mut Map<String, Value>) -> Result<Vec<(String, &'static str)>> {
    let mut notes = Vec::new();
    for option in &flags::UNSERVED {
        let Some(value) = joined.remove(option.key) else {
            continue;
        };
        match option.verdict {
            Verdict::Noted(reason) => notes.push((option.key.to_owned(), reason)),
            Verdict::Refused(_) | Verdict::OfSelinux(_) if flags::asks_for_nothing(&value) => {}
            Verdict::OfSelinux(_) if !flags::selinux_is_there() => {
                notes.push((option.key.to_owned(), flags::NO_SELINUX));
            }
            Verdict::Refused(reason) | Verdict::OfSelinux(reason) => bail!("{}: {reason}", option.key),
        }
    }
    Ok(notes)
}

/// The document as values of its types; an error names the key.
fn typed(joined: Map<String, Value>) -> Result<Document> {
    let whole = Value::Object(joined);
    serde_json::from_value(whole.clone()).map_err(|error| {
        let culprit = whole.as_object().into_iter().flatten().find_map(|(key, value)| {
            let alone = Map::from_iter([(key.clone(), value.clone())]);
            let error = serde_json::from_value::<Document>(Value::Object(alone)).err()?;
            Some(anyhow::anyhow!("invalid JSON: {key}: {error}"))
        });
        culprit.unwrap_or_else(|| error.into())
    })
}

/// A value as Go prints it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("[{}]", values.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let pairs: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", plain(value)))
                .collect();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

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
        load(&Flags::read(arguments.map(OsString::from))?)
    }

    #[test]
    fn row_131_devices_can_be_switched_off() {
        let directories = |json: &str| {
            let document: Document = serde_json::from_str(json).unwrap();
            document.cdi_directories()
        };
        let both = CDI_DIRECTORIES.map(PathBuf::from).to_vec();
        assert_eq!(directories("{}"), both);
        assert_eq!(directories(r#"{"features": {"cdi": true}}"#), both);
        assert_eq!(directories(r#"{"cdi-spec-dirs": ["/a"]}"#), [PathBuf::from("/a")]);
        for none in [
            r#"{"features": {"cdi": false}, "cdi-spec-dirs": ["/a"]}"#,
            r#"{"cdi-spec-dirs": [""]}"#,
            r#"{"cdi-spec-dirs": []}"#,
        ] {
            assert!(directories(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn row_094_file_and_flags_add_up() {
        let file = json!({
            "storage-driver": "overlay2", "storage-opts": ["overlay2.override_kernel_check=true"], "live-restore": true,
            "runtimes": {"crun": {"path": "/usr/bin/crun", "runtimeArgs": []}}, "cri-containerd": true,
            "proxies": {"http-proxy": "h:1"}, "host-gateway-ip": "192.0.2.1"
        });
        let flags = ["--data-root", "/d", "--iptables=false", "--add-runtime", "youki=/y"];
        let loaded = with_file(&flags, &file).unwrap();
        assert_eq!(loaded.document.storage_driver.as_deref(), Some("overlay2"));
        assert_eq!(loaded.document.data_root.as_deref(), Some(Path::new("/d")));
        assert_eq!(loaded.document.iptables, Some(false));
        assert_eq!(loaded.document.live_restore, Some(true));
        assert_eq!(loaded.notes[0].0, "cri-containerd");
        let runtimes = loaded.document.runtimes.unwrap();
        assert!(runtimes.contains_key("crun") && runtimes.contains_key("youki"));
        assert_eq!(
            loaded.document.host_gateway_ips,
            Some(vec!["192.0.2.1".parse().unwrap()])
        );
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
        let several = message(
            &[
                "--label",
                "b=2",
                "--log-opt",
                "max-file=3",
                "--http-proxy",
                "http://a:b@c",
            ],
            json!({
                "labels": ["a=1"], "log-opts": {"max-size": "1m"}, "proxies": {"http-proxy": "http://u:p@h"}
            }),
        );
        assert!(
            several.ends_with(
                "http-proxy: (from flag: http://xxxxx:xxxxx@c, from file: http://xxxxx:xxxxx@h), labels: (from flag: \
                 [b=2], from file: [a=1]), log-opts: (from flag: map[max-file:3], from file: map[max-size:1m])"
            ),
            "{several}"
        );
        let unknown = message(&[], json!({"colour": 1, "debug": true, "graph": "/g"}));
        assert!(
            unknown.ends_with("the following directives don't match any configuration option: colour, graph"),
            "{unknown}"
        );
        assert!(message(&[], json!({"debug": "yes"})).contains("invalid JSON: debug: invalid type: string"));
        assert!(
            message(
                &[],
                json!({"host-gateway-ip": "1.1.1.1", "host-gateway-ips": ["1.1.1.1"]})
            )
            .ends_with("host-gateway-ip and host-gateway-ips must not both be specified in the config file")
        );
        assert!(message(&[], json!([])).contains("no JSON object"));
    }

    #[test]
    fn a_missing_named_file_is_an_error() {
        let arguments = ["tierced", "--config-file", "/nonexistent/daemon.json"];
        let flags = Flags::read(arguments.map(OsString::from)).unwrap();
        assert!(load(&flags).is_err());
    }

    #[test]
    fn row_094_what_would_be_a_lie_is_refused_and_what_asks_for_nothing_is_not() {
        match with_file(&["--selinux-enabled"], &json!({})) {
            Ok(loaded) if !flags::selinux_is_there() => assert_eq!(
                loaded.notes,
                [(
                    "selinux-enabled".to_owned(),
                    "Docker could not enable SELinux on the host system"
                )]
            ),
            refused => {
                let refusal = format!("{:#}", refused.unwrap_err());
                assert!(
                    refusal.contains("selinux-enabled: SELinux labels are not set"),
                    "{refusal}"
                );
            }
        }
        let refusal = format!("{:#}", with_file(&[], &json!({"userns-remap": "default"})).unwrap_err());
        assert!(refusal.contains("userns-remap: "), "{refusal}");
        let file = json!({"userns-remap": "", "ipv6": false, "authorization-plugins": [], "raw-logs": true});
        let loaded = with_file(&["--selinux-enabled=false"], &file).unwrap();
        assert_eq!(loaded.notes, [("raw-logs".to_owned(), "the log is never coloured")]);
    }

    /// Docker's documentation has an example with every key.
    #[test]
    fn row_094_every_key_of_dockers_documentation_is_known() {
        let example: Value = serde_json::from_str(include_str!("../tests/docker-daemon.json")).unwrap();
        let keys = example.as_object().unwrap();
        assert!(keys.len() > 70);
        let served = served();
        for key in flatten(keys.clone()).unwrap().keys() {
            assert_ne!(
                served.contains(key),
                flags::of_key(key).is_some(),
                "{key} must be of exactly one class"
            );
        }
    }
}
