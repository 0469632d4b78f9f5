//! The persisted record of a container: Docker's `config.v2.json`, to the field.
//!
//! `DR/containers/<id>/config.v2.json` is [`Record`]; `hostconfig.json` beside it is `oci::container::HostConfig`.
//! Members that this program does not know are kept in `extra` maps, so that a directory written by dockerd goes back
//! to dockerd without a loss. Source: files written by Docker Engine 28.5 (`tests/fixtures`), moby
//! `daemon/container/container.go`, `daemon/container/state.go`, `daemon/network/settings.go`,
//! `daemon/volume/mounts/mounts.go`.

use crate::container::state::State;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tierce_oci::container::{Config, PortBinding};

/// Everything the engine persists about a container besides its host configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
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
    /// Networks, by name.
    #[serde(deserialize_with = "null_is_default")]
    pub networks: BTreeMap<String, EndpointSettings>,
    /// Published ports (`80/tcp` → host addresses; null: exposed only).
    #[serde(deserialize_with = "null_is_default")]
    pub ports: BTreeMap<String, Option<Vec<PortBinding>>>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One network of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointSettings {
    /// Addresses that the user asked for (`IPv4Address`, `IPv6Address`, `LinkLocalIPs`).
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<Value>,
    /// Links to other containers.
    pub links: Option<Vec<String>>,
    /// Extra names on this network.
    pub aliases: Option<Vec<String>>,
    /// Hardware address.
    pub mac_address: String,
    /// Options of the driver.
    pub driver_opts: Option<BTreeMap<String, String>>,
    /// Which endpoint gives the default route.
    pub gw_priority: i64,
    /// Id of the network.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// Id of the endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// IPv4 gateway.
    pub gateway: String,
    /// IPv4 address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Its prefix length.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: i64,
    /// IPv6 gateway.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// IPv6 address.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// Its prefix length.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: i64,
    /// Names under which other containers find it.
    #[serde(rename = "DNSNames")]
    pub dns_names: Option<Vec<String>>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A volume or host path mounted into a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// Path on the host.
    pub source: String,
    /// Path inside.
    pub destination: String,
    /// Writable.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// Volume name.
    pub name: String,
    /// Volume driver.
    pub driver: String,
    /// `bind` or `volume`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The mode text of `-v` (`z`, `ro`, …).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub relabel: String,
    /// Propagation of a bind mount.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    /// Which use of the volume this is.
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What the user asked for.
    pub spec: Value,
    /// Whether the missing host directory must not be made (`--mount`).
    pub skip_mountpoint_creation: bool,
    /// Whether the volume does not get the image's files.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub copy_data: bool,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Reads `null` as the type's default, as Go does.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
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
