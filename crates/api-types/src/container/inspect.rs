//! `GET /containers/{id}/json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Config, HostConfig};
use crate::network::EndpointSettings;
use crate::nullable;

/// Everything about one container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerInspect {
    /// Its id.
    pub id: String,
    /// When it was made, RFC 3339 with nanoseconds.
    pub created: String,
    /// The command.
    pub path: String,
    /// Its arguments.
    #[serde(deserialize_with = "nullable::or_default")]
    pub args: Vec<String>,
    /// What it does now, or how it ended.
    pub state: ContainerState,
    /// The image's id.
    pub image: String,
    /// File mounted as /etc/resolv.conf.
    pub resolv_conf_path: String,
    /// File mounted as /etc/hostname.
    pub hostname_path: String,
    /// File mounted as /etc/hosts.
    pub hosts_path: String,
    /// Log file of the json-file driver; empty for others.
    pub log_path: String,
    /// Its name with a slash before it.
    pub name: String,
    /// How often its restart policy has restarted it.
    pub restart_count: u64,
    /// Storage driver.
    pub driver: String,
    /// Operating system of its image.
    pub platform: String,
    /// SELinux label of its mounts.
    pub mount_label: String,
    /// SELinux label of its processes.
    pub process_label: String,
    /// AppArmor profile.
    pub app_armor_profile: String,
    /// Exec instances that run now.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    /// What it takes from the host.
    pub host_config: HostConfig,
    /// Where its layers lie.
    pub graph_driver: GraphDriver,
    /// Bytes it wrote; only when sizes were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes of its whole root file system; only when sizes were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// What is mounted into it.
    #[serde(deserialize_with = "nullable::or_default")]
    pub mounts: Vec<MountPoint>,
    /// What runs, and how it looks from inside.
    pub config: Config,
    /// Its sandbox and endpoints.
    pub network_settings: NetworkSettings,
}

/// State of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerState {
    /// One word: `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub status: String,
    /// It has a process (also when paused).
    pub running: bool,
    /// It is frozen.
    pub paused: bool,
    /// It waits for its next start.
    pub restarting: bool,
    /// The kernel killed it for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Its removal failed half-way.
    pub dead: bool,
    /// Host pid of its first process; 0 when it has none.
    pub pid: u32,
    /// Exit code of the last run.
    pub exit_code: i64,
    /// Why the last start failed.
    pub error: String,
    /// Start of the last run; year 1 when never.
    pub started_at: String,
    /// End of the last run; year 1 when never.
    pub finished_at: String,
    /// Health; only when it has a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// Result of the health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Health {
    /// `none`, `starting`, `healthy`, `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: u64,
    /// The last probes.
    pub log: Option<Vec<HealthResult>>,
}

/// One probe of the health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthResult {
    /// When it began.
    pub start: String,
    /// When it ended.
    pub end: String,
    /// 0 healthy, 1 unhealthy, others as errors.
    pub exit_code: i64,
    /// What it printed.
    pub output: String,
}

/// A driver's name and what it tells about one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GraphDriver {
    /// Directories by purpose (`UpperDir`, `LowerDir` …); `null` for drivers that tell nothing.
    pub data: Option<BTreeMap<String, String>>,
    /// Name of the driver.
    pub name: String,
}

/// Something mounted into a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs`, `image`.
    #[serde(rename = "Type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Name of the volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it comes from on the host.
    pub source: String,
    /// Where it is inside.
    pub destination: String,
    /// Volume driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Options as the user wrote them (`ro`, `z` …).
    pub mode: String,
    /// Whether it may be written to.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// How mounts below it travel (`rprivate` …).
    pub propagation: String,
}

/// Network side of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettings {
    /// Name of the bridge; always empty since bridges are per network.
    pub bridge: String,
    /// Id of its network namespace.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// Path of its network namespace.
    pub sandbox_key: String,
    /// `80/tcp` → host bindings; `null` bindings = only exposed.
    #[serde(deserialize_with = "nullable::or_default")]
    pub ports: BTreeMap<String, Option<Vec<tierce_oci::container::PortBinding>>>,
    /// No longer used.
    pub hairpin_mode: bool,
    /// No longer used.
    #[serde(rename = "LinkLocalIPv6Address")]
    pub link_local_ipv6_address: String,
    /// No longer used.
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    pub link_local_ipv6_prefix_len: u8,
    /// No longer used.
    #[serde(rename = "SecondaryIPAddresses")]
    pub secondary_ip_addresses: Option<Vec<Address>>,
    /// No longer used.
    #[serde(rename = "SecondaryIPv6Addresses")]
    pub secondary_ipv6_addresses: Option<Vec<Address>>,
    /// Endpoint on the default bridge, as the next seven.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// IPv4 gateway.
    pub gateway: String,
    /// IPv6 address.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// Its prefix length.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// IPv4 address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// Its prefix length.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// IPv6 gateway.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// Hardware address.
    pub mac_address: String,
    /// All endpoints, by network name.
    #[serde(deserialize_with = "nullable::or_default")]
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// An address with its prefix length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Address {
    /// The address.
    pub addr: String,
    /// Its prefix length.
    pub prefix_len: u8,
}
