//! The daemon itself: version, info, disk usage, ping.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::container::ContainerSummary;
use crate::image::ImageSummary;
use crate::nullable;
use crate::volume::Volume;

/// What the headers of `/_ping` tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ping {
    /// Newest API version served (`Api-Version`).
    pub api_version: String,
    /// Operating system of its containers (`Ostype`).
    pub os_type: String,
    /// Whether experimental features are on (`Docker-Experimental`).
    pub experimental: bool,
    /// Preferred builder (`Builder-Version`).
    pub builder_version: String,
}

/// Answer of `GET /version`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VersionResponse {
    /// The product.
    pub platform: PlatformName,
    /// Its parts.
    #[serde(deserialize_with = "nullable::or_default")]
    pub components: Vec<ComponentVersion>,
    /// Version of the engine.
    pub version: String,
    /// Newest API version served.
    pub api_version: String,
    /// Oldest API version served.
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    /// Commit it was built from.
    pub git_commit: String,
    /// Version of Go; for an engine in Rust the version of its compiler.
    pub go_version: String,
    /// Operating system.
    pub os: String,
    /// Processor architecture in Go's words.
    pub arch: String,
    /// Version of the kernel.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kernel_version: String,
    /// Experimental features are on.
    #[serde(skip_serializing_if = "nullable::is_false")]
    pub experimental: bool,
    /// When it was built.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_time: String,
}

/// Name of the product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PlatformName {
    /// The name.
    pub name: String,
}

/// One part of the product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ComponentVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What else it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<BTreeMap<String, String>>,
}

/// Answer of `GET /info`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InfoResponse {
    /// Id of this engine.
    #[serde(rename = "ID")]
    pub id: String,
    /// All containers.
    pub containers: u64,
    /// Those that run.
    pub containers_running: u64,
    /// Those that are frozen.
    pub containers_paused: u64,
    /// The others.
    pub containers_stopped: u64,
    /// Images.
    pub images: u64,
    /// Storage driver.
    pub driver: String,
    /// What it tells, as pairs.
    #[serde(deserialize_with = "nullable::or_default")]
    pub driver_status: Vec<[String; 2]>,
    /// Drivers by kind.
    pub plugins: PluginsInfo,
    /// The kernel can limit memory.
    pub memory_limit: bool,
    /// The kernel can limit swap.
    pub swap_limit: bool,
    /// The kernel can limit its own memory; only before API 1.42.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<bool>,
    /// The kernel can limit TCP buffers.
    #[serde(rename = "KernelMemoryTCP", skip_serializing_if = "nullable::is_false")]
    pub kernel_memory_tcp: bool,
    /// The kernel knows CPU periods.
    pub cpu_cfs_period: bool,
    /// The kernel knows CPU quotas.
    pub cpu_cfs_quota: bool,
    /// The kernel knows CPU shares.
    #[serde(rename = "CPUShares")]
    pub cpu_shares: bool,
    /// The kernel can bind to CPUs.
    #[serde(rename = "CPUSet")]
    pub cpu_set: bool,
    /// The kernel can limit the number of processes.
    pub pids_limit: bool,
    /// The host forwards IPv4.
    #[serde(rename = "IPv4Forwarding")]
    pub ipv4_forwarding: bool,
    /// Only before API 1.50.
    #[serde(rename = "BridgeNfIptables", skip_serializing_if = "Option::is_none")]
    pub bridge_nf_iptables: Option<bool>,
    /// Only before API 1.50.
    #[serde(rename = "BridgeNfIp6tables", skip_serializing_if = "Option::is_none")]
    pub bridge_nf_ip6tables: Option<bool>,
    /// Debug log is on.
    pub debug: bool,
    /// Open files of the daemon.
    #[serde(rename = "NFd")]
    pub n_fd: u64,
    /// The OOM killer can be switched off.
    pub oom_kill_disable: bool,
    /// Threads of the daemon.
    #[serde(rename = "NGoroutines")]
    pub n_goroutines: u64,
    /// Now, RFC 3339.
    pub system_time: String,
    /// Default log driver.
    pub logging_driver: String,
    /// Ours: how much of a log is kept where nobody says so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_limits: String,
    /// `cgroupfs`, `systemd`, `none`.
    pub cgroup_driver: String,
    /// `1` or `2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cgroup_version: String,
    /// Clients that listen to events.
    pub n_events_listener: u64,
    /// Version of the kernel.
    pub kernel_version: String,
    /// Name of the distribution.
    pub operating_system: String,
    /// Its version.
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    /// `linux`.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// Processor architecture in the kernel's words.
    pub architecture: String,
    /// The default registry's index.
    pub index_server_address: String,
    /// Mirrors and insecure registries.
    pub registry_config: Value,
    /// Processors.
    #[serde(rename = "NCPU")]
    pub n_cpu: u64,
    /// Bytes of memory.
    pub mem_total: u64,
    /// Swarm only.
    pub generic_resources: Option<Vec<Value>>,
    /// The data root.
    pub docker_root_dir: String,
    /// Proxy of the daemon.
    pub http_proxy: String,
    /// Proxy of the daemon.
    pub https_proxy: String,
    /// Hosts without proxy.
    pub no_proxy: String,
    /// Name of the host.
    pub name: String,
    /// Labels of the daemon.
    #[serde(deserialize_with = "nullable::or_default")]
    pub labels: Vec<String>,
    /// Experimental features are on.
    pub experimental_build: bool,
    /// Version of the engine.
    pub server_version: String,
    /// Runtimes by name.
    #[serde(deserialize_with = "nullable::or_default")]
    pub runtimes: BTreeMap<String, RuntimeInfo>,
    /// Which of them is the default.
    pub default_runtime: String,
    /// State of the swarm.
    pub swarm: Value,
    /// Containers outlive the daemon.
    pub live_restore_enabled: bool,
    /// Windows only.
    pub isolation: String,
    /// Program of `--init`.
    pub init_binary: String,
    /// Build of the supervisor.
    pub containerd_commit: CommitId,
    /// Build of the default runtime.
    pub runc_commit: CommitId,
    /// Build of the init program.
    pub init_commit: CommitId,
    /// `name=seccomp,profile=builtin`, …
    #[serde(deserialize_with = "nullable::or_default")]
    pub security_options: Vec<String>,
    /// Backend of the firewall; since API 1.49.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall_backend: Option<FirewallInfo>,
    /// Where device descriptions are read from.
    #[serde(rename = "CDISpecDirs")]
    pub cdi_spec_dirs: Option<Vec<String>>,
    /// Devices that containers can ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub discovered_devices: Vec<DeviceInfo>,
    /// What the user should know about this host.
    pub warnings: Option<Vec<String>>,
}

/// A device that containers can ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceInfo {
    /// Who knows it: `cdi`.
    #[serde(rename = "Source")]
    pub source: String,
    /// Its name there, `vendor.com/class=name`.
    #[serde(rename = "ID")]
    pub id: String,
}

/// Drivers by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginsInfo {
    /// Volume drivers.
    #[serde(deserialize_with = "nullable::or_default")]
    pub volume: Vec<String>,
    /// Network drivers.
    #[serde(deserialize_with = "nullable::or_default")]
    pub network: Vec<String>,
    /// Authorisation plugins.
    pub authorization: Option<Vec<String>>,
    /// Log drivers.
    #[serde(deserialize_with = "nullable::or_default")]
    pub log: Vec<String>,
}

/// One OCI runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeInfo {
    /// Its program.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What it says about itself.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nullable::or_default"
    )]
    pub status: BTreeMap<String, String>,
}

/// Which commit something was built from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitId {
    /// The commit.
    #[serde(rename = "ID")]
    pub id: String,
    /// The one that it should be, which is always that; only before API 1.49.
    #[serde(rename = "Expected", skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

/// Which firewall is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FirewallInfo {
    /// `nftables`, `iptables`, `none`.
    pub driver: String,
    /// What it tells, as pairs.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable::or_default")]
    pub info: Vec<[String; 2]>,
}

/// Answer of `GET /system/df`; a part that was not asked for is `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiskUsage {
    /// Bytes of all image layers.
    pub layers_size: i64,
    /// Images with shared sizes and container counts.
    pub images: Option<Vec<ImageSummary>>,
    /// Containers with sizes.
    pub containers: Option<Vec<ContainerSummary>>,
    /// Volumes with usage.
    pub volumes: Option<Vec<Volume>>,
    /// Build cache.
    pub build_cache: Option<Vec<Value>>,
}
