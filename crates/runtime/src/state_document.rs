//! The form of `state.json`: runc's, for others read it (cadvisor, checkpointctl, scripts), with a member of our own for
//! what runc keeps elsewhere or in another form. Source: runc's `libcontainer.State` and `libcontainer/configs`.

use crate::namespaces;
use crate::state::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tierce_cgroup::{Driver, Paths};
use tierce_oci::runtime::{Hooks, NamespaceKind};

/// The document. Members that are only for others are not read back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    id: String,
    init_process_pid: i32,
    init_process_start: u64,
    created: String,
    config: Config,
    #[serde(skip_deserializing)]
    rootless: bool,
    cgroup_paths: Paths,
    #[serde(skip_deserializing)]
    namespace_paths: BTreeMap<&'static str, String>,
    #[serde(default)]
    intel_rdt_path: PathBuf,
    tierce: Own,
}

#[derive(Debug, Serialize, Deserialize)]
struct Config {
    rootfs: PathBuf,
    version: String,
    namespaces: Vec<Namespace>,
    no_new_keyring: bool,
    /// Annotations as `key=value`, and the bundle.
    #[serde(skip_deserializing)]
    labels: Vec<String>,
    #[serde(skip_deserializing)]
    cgroups: Cgroups,
}

#[derive(Debug, Serialize, Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cgroups {
    systemd: bool,
}

/// What is exact only here.
#[derive(Debug, Serialize, Deserialize)]
struct Own {
    bundle: PathBuf,
    annotations: BTreeMap<String, String>,
    cgroup_driver: Driver,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hooks: Option<Hooks>,
}

/// runc's name of a kind of namespaces.
fn name(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Mount => "NEWNS",
        NamespaceKind::Pid => "NEWPID",
        NamespaceKind::Network => "NEWNET",
        NamespaceKind::Uts => "NEWUTS",
        NamespaceKind::Ipc => "NEWIPC",
        NamespaceKind::User => "NEWUSER",
        NamespaceKind::Cgroup => "NEWCGROUP",
        NamespaceKind::Time => "NEWTIME",
    }
}

impl From<Record> for Document {
    fn from(record: Record) -> Self {
        let mut labels: Vec<String> = record
            .annotations
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        labels.push(format!("bundle={}", record.bundle.display()));
        let files = namespaces::ALL.into_iter().filter(|_| record.pid > 0);
        let namespace_paths = files
            .map(|kind| {
                let path = format!("/proc/{}/ns/{}", record.pid, namespaces::file_name(kind));
                (name(kind), path)
            })
            .collect();
        let kinds = namespaces::ALL.into_iter().filter(|kind| {
            record
                .namespaces
                .iter()
                .any(|name| name == namespaces::file_name(*kind))
        });
        Self {
            config: Config {
                rootfs: record.rootfs,
                version: record.oci_version,
                namespaces: kinds
                    .map(|kind| Namespace {
                        kind: name(kind).to_owned(),
                        path: String::new(),
                    })
                    .collect(),
                no_new_keyring: record.no_new_keyring,
                labels,
                cgroups: Cgroups {
                    systemd: record.cgroup_driver == Driver::Systemd,
                },
            },
            id: record.id,
            init_process_pid: record.pid,
            init_process_start: record.start_time,
            created: record.created,
            rootless: !rustix::process::geteuid().is_root(),
            cgroup_paths: record.cgroup_paths,
            namespace_paths,
            intel_rdt_path: record.resctrl,
            tierce: Own {
                bundle: record.bundle,
                annotations: record.annotations,
                cgroup_driver: record.cgroup_driver,
                hooks: record.hooks,
            },
        }
    }
}

impl From<Document> for Record {
    fn from(document: Document) -> Self {
        let Document { config, tierce, .. } = document;
        let kept = |kind: &NamespaceKind| config.namespaces.iter().any(|one| one.kind == name(*kind));
        Self {
            id: document.id,
            oci_version: config.version,
            pid: document.init_process_pid,
            start_time: document.init_process_start,
            bundle: tierce.bundle,
            rootfs: config.rootfs,
            created: document.created,
            annotations: tierce.annotations,
            cgroup_paths: document.cgroup_paths,
            cgroup_driver: tierce.cgroup_driver,
            resctrl: document.intel_rdt_path,
            namespaces: namespaces::ALL
                .into_iter()
                .filter(kept)
                .map(|kind| namespaces::file_name(kind).to_owned())
                .collect(),
            no_new_keyring: config.no_new_keyring,
            hooks: tierce.hooks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            id: "a".into(),
            oci_version: "1.3.0".into(),
            pid: 7,
            start_time: 99,
            bundle: "/bundle".into(),
            rootfs: "/bundle/rootfs".into(),
            created: "2026-11-21T10:04:05.000000000Z".into(),
            annotations: [("k=k".to_owned(), "v".to_owned())].into_iter().collect(),
            cgroup_paths: [("memory", PathBuf::from("/sys/fs/cgroup/memory/a"))]
                .into_iter()
                .collect(),
            cgroup_driver: Driver::default(),
            resctrl: PathBuf::new(),
            namespaces: vec!["user".into(), "pid".into(), "mnt".into()],
            no_new_keyring: true,
            hooks: None,
        }
    }

    #[test]
    fn others_find_what_runc_writes() {
        let value = serde_json::to_value(record()).expect("JSON");
        assert_eq!(value["init_process_pid"], 7);
        assert_eq!(value["cgroup_paths"]["memory"], "/sys/fs/cgroup/memory/a");
        assert_eq!(value["namespace_paths"]["NEWNET"], "/proc/7/ns/net");
        assert_eq!(value["config"]["rootfs"], "/bundle/rootfs");
        assert_eq!(value["config"]["labels"][1], "bundle=/bundle");
        assert_eq!(value["config"]["namespaces"][2]["type"], "NEWNS");
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        let text = serde_json::to_string(&record()).expect("JSON");
        let read: Record = serde_json::from_str(&text).expect("a record");
        assert_eq!(format!("{read:?}"), format!("{:?}", record()));
    }
}
