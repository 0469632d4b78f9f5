//! The persisted record of a container: Docker's `config.v2.json`, to the field.
//!
//! `DR/containers/<id>/config.v2.json` is [`Record`]; `hostconfig.json` beside it is `oci::container::HostConfig`.
//! Members stand in dockerd's order, so that what both write alike is equal to the byte. Members that this program does
//! not know are kept in `extra` maps, so that a directory written by dockerd goes back to dockerd without a loss. Source: files written by Docker Engine 28.5 (`tests/fixtures`), moby
//! `daemon/container/container.go`, `daemon/container/state.go`, `daemon/network/settings.go`,
//! `daemon/volume/mounts/mounts.go`.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tierce_lifecycle::State;
use tierce_oci::container::{Config, PortMap};

pub use tierce_oci::container::{EndpointSettings, MountPoint};

/// Everything the engine persists about a container besides its host configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    /// A relic, always an empty object.
    #[serde(default = "empty_object")]
    pub stream_config: Value,
    /// Where it is in its life.
    pub state: State,
    /// 64 hex digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// A swarm's; always false here.
    #[serde(default)]
    pub managed: bool,
    /// The program, after entrypoint and command were merged.
    #[serde(default)]
    pub path: String,
    /// Its arguments.
    #[serde(default, deserialize_with = "null_is_default")]
    pub args: Vec<String>,
    /// What runs, with the image's configuration merged in.
    pub config: Config,
    /// Id of the image (`sha256:…`).
    #[serde(default)]
    pub image: String,
    /// The image's manifest, where the image is of containerd's store.
    #[serde(default)]
    pub image_manifest: Value,
    /// Networks joined, with their addresses while it runs.
    #[serde(default)]
    pub network_settings: NetworkSettings,
    /// File of the json-file log driver.
    #[serde(default)]
    pub log_path: String,
    /// With its leading slash.
    pub name: String,
    /// Storage driver.
    #[serde(default)]
    pub driver: String,
    /// Always `linux`.
    #[serde(rename = "OS", default)]
    pub os: String,
    /// For which platform the image is.
    #[serde(default)]
    pub image_platform: Value,
    /// How often the restart policy started it again.
    #[serde(default)]
    pub restart_count: i64,
    /// Whether it ever ran.
    #[serde(default)]
    pub has_been_started_before: bool,
    /// Whether a user stopped it; keeps `unless-stopped` from starting it with the daemon.
    #[serde(default)]
    pub has_been_manually_stopped: bool,
    /// Mounts of volumes and host paths, by destination.
    #[serde(default, deserialize_with = "null_is_default")]
    pub mount_points: BTreeMap<String, MountPoint>,
    /// A swarm's.
    #[serde(default)]
    pub secret_references: Value,
    /// A swarm's.
    #[serde(default)]
    pub config_references: Value,
    /// SELinux label of the mounts.
    #[serde(default)]
    pub mount_label: String,
    /// SELinux label of the process.
    #[serde(default)]
    pub process_label: String,
    /// AppArmor profile.
    #[serde(default)]
    pub app_armor_profile: String,
    /// `unconfined`, a profile's JSON, or empty for the default.
    #[serde(default)]
    pub seccomp_profile: String,
    /// Whether `execve` may not grant privileges.
    #[serde(default)]
    pub no_new_privileges: bool,
    /// Whether control groups are mounted writable.
    #[serde(default)]
    pub writable_cgroups: Option<bool>,
    /// File mounted at `/etc/hostname`.
    #[serde(default)]
    pub hostname_path: String,
    /// File mounted at `/etc/hosts`.
    #[serde(default)]
    pub hosts_path: String,
    /// Directory of the shared memory of `--ipc shareable`.
    #[serde(default)]
    pub shm_path: String,
    /// File mounted at `/etc/resolv.conf`.
    #[serde(default)]
    pub resolv_conf_path: String,
    /// Directory of the host that is its root instead of an image's files (`--rootfs`); not a member of Docker's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rootfs: String,
    /// What dockerd notes of its copy of the log, beside drivers that cannot be read.
    #[serde(default = "no_log_copy")]
    pub local_log_cache_meta: Value,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Record {
    /// The name without its leading slash, as events and messages use it.
    pub fn plain_name(&self) -> &str {
        self.name.strip_prefix('/').unwrap_or(&self.name)
    }

    /// The first 12 digits of the id.
    pub fn short_id(&self) -> &str {
        short_id(&self.id)
    }
}

/// The first 12 digits of an id.
pub(crate) fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Networks of a container; addresses are there only while it runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettings {
    /// Relic, always empty.
    pub bridge: String,
    /// Id of the sandbox.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// Path of the pinned network namespace.
    pub sandbox_key: String,
    /// A relic.
    pub hairpin_mode: bool,
    /// A relic.
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: String,
    /// A relic.
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: i64,
    /// Networks, by name.
    #[serde(deserialize_with = "null_is_default", serialize_with = "none_is_null")]
    pub networks: BTreeMap<String, EndpointSettings>,
    /// A swarm's.
    pub service: Value,
    /// Published ports (`80/tcp` → host addresses; null: exposed only), while the container runs.
    pub ports: Option<PortMap>,
    /// A relic.
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: Value,
    /// A relic.
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: Value,
    /// A swarm's.
    pub has_swarm_endpoint: bool,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Reads `null` as the type's default, as Go does.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// Writes an empty map as `null`: a container that shares another's network has none of its own.
fn none_is_null<T: Serialize, S: Serializer>(map: &BTreeMap<String, T>, serializer: S) -> Result<S::Ok, S::Error> {
    (!map.is_empty()).then_some(map).serialize(serializer)
}

pub(crate) fn empty_object() -> Value {
    Value::Object(Map::new())
}

pub(crate) fn no_log_copy() -> Value {
    serde_json::json!({ "HaveNotifyEnabled": false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURES: [&str; 6] = [
        include_str!("../../tests/fixtures/full.config.v2.json"),
        include_str!("../../tests/fixtures/tty.config.v2.json"),
        include_str!("../../tests/fixtures/priv.config.v2.json"),
        include_str!("../../tests/fixtures/ro.config.v2.json"),
        include_str!("../../tests/fixtures/dev.config.v2.json"),
        include_str!("../../tests/fixtures/cont2.config.v2.json"),
    ];

    /// Every member that dockerd wrote is there again with the same value, but null and empty lists or maps count as
    /// one, as they do for Go.
    fn contains(ours: &Value, theirs: &Value, path: &str) {
        match (ours, theirs) {
            (Value::Object(ours), Value::Object(theirs)) => {
                for (key, value) in theirs {
                    contains(ours.get(key).unwrap_or(&Value::Null), value, &format!("{path}.{key}"));
                }
            }
            (ours, Value::Null) => {
                let empty = ours.is_null()
                    || ours.as_array().is_some_and(Vec::is_empty)
                    || ours.as_object().is_some_and(Map::is_empty);
                assert!(empty, "{path}: {ours} instead of null");
            }
            (ours, theirs) => assert_eq!(ours, theirs, "{path}"),
        }
    }

    #[test]
    fn row_074_records_of_dockerd_survive_a_round_trip() {
        for text in FIXTURES {
            let theirs: Value = serde_json::from_str(text).unwrap();
            let record: Record = serde_json::from_str(text).unwrap();
            contains(&serde_json::to_value(&record).unwrap(), &theirs, "");
            let ours = String::from_utf8(tierce_store::to_json(&record).unwrap()).unwrap();
            assert_eq!(ours, text.trim_end(), "the same bytes");
        }
    }

    #[test]
    fn unknown_members_are_kept() {
        let mut theirs: Value = serde_json::from_str(FIXTURES[0]).unwrap();
        theirs["FromTheFuture"] = Value::from(7);
        theirs["NetworkSettings"]["AlsoNew"] = Value::from("x");
        let record: Record = serde_json::from_value(theirs).unwrap();
        let ours = serde_json::to_value(&record).unwrap();
        assert_eq!(ours["FromTheFuture"], 7);
        assert_eq!(ours["NetworkSettings"]["AlsoNew"], "x");
    }
}
