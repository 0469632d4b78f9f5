//! The host's half: what a container may use here, and what of the host it sees.

use super::{MountConfig, StrSlice, Ulimit, nullable};
use crate::{Extra, is_default};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Port (`80/tcp`) → where it is published.
pub type PortMap = BTreeMap<String, Option<Vec<PortBinding>>>;

/// How a container runs on this host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// `source:destination[:options]`.
    pub binds: Option<Vec<String>>,
    /// File the client wrote the id to.
    #[serde(rename = "ContainerIDFile", deserialize_with = "nullable")]
    pub container_id_file: String,
    /// Log driver and its options.
    #[serde(deserialize_with = "nullable")]
    pub log_config: LogConfig,
    /// `bridge`, `host`, `none`, `container:ID`, or a network.
    #[serde(deserialize_with = "nullable")]
    pub network_mode: String,
    /// Published ports.
    pub port_bindings: Option<PortMap>,
    /// What happens when it ends.
    #[serde(deserialize_with = "nullable")]
    pub restart_policy: RestartPolicy,
    /// Whether it is removed when it ends.
    #[serde(deserialize_with = "nullable")]
    pub auto_remove: bool,
    /// Driver of the volumes named in `binds`.
    #[serde(deserialize_with = "nullable")]
    pub volume_driver: String,
    /// Containers whose volumes it takes.
    pub volumes_from: Option<Vec<String>>,
    /// First size of its terminal: rows, columns.
    #[serde(deserialize_with = "nullable")]
    pub console_size: [u64; 2],
    /// Annotations for the runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Capabilities added to the default set.
    pub cap_add: Option<StrSlice>,
    /// Capabilities taken from the default set.
    pub cap_drop: Option<StrSlice>,
    /// `private`, `host`, or empty for the daemon's choice.
    #[serde(deserialize_with = "nullable")]
    pub cgroupns_mode: String,
    /// Name servers.
    pub dns: Option<Vec<String>>,
    /// Resolver options.
    pub dns_options: Option<Vec<String>>,
    /// Search domains.
    pub dns_search: Option<Vec<String>>,
    /// `name:address` lines of the hosts file.
    pub extra_hosts: Option<Vec<String>>,
    /// Supplementary groups by name or number.
    pub group_add: Option<Vec<String>>,
    /// `none`, `private`, `shareable`, `host`, `container:ID`.
    #[serde(deserialize_with = "nullable")]
    pub ipc_mode: String,
    /// Control group of another container (historic).
    #[serde(deserialize_with = "nullable")]
    pub cgroup: String,
    /// Links of the default bridge (historic).
    pub links: Option<Vec<String>>,
    /// Badness offset of the OOM killer.
    #[serde(deserialize_with = "nullable")]
    pub oom_score_adj: i32,
    /// `host`, `container:ID`, or empty.
    #[serde(deserialize_with = "nullable")]
    pub pid_mode: String,
    /// Everything allowed.
    #[serde(deserialize_with = "nullable")]
    pub privileged: bool,
    /// Whether every exposed port is published.
    #[serde(deserialize_with = "nullable")]
    pub publish_all_ports: bool,
    /// Whether its root is read-only.
    #[serde(deserialize_with = "nullable")]
    pub readonly_rootfs: bool,
    /// `no-new-privileges`, `seccomp=…` and their like.
    pub security_opt: Option<Vec<String>>,
    /// Options of the storage driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_opt: Option<BTreeMap<String, String>>,
    /// Destination → options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs: Option<BTreeMap<String, String>>,
    /// `host` or empty.
    #[serde(rename = "UTSMode", deserialize_with = "nullable")]
    pub uts_mode: String,
    /// `host` or empty.
    #[serde(deserialize_with = "nullable")]
    pub userns_mode: String,
    /// Bytes of /dev/shm.
    #[serde(deserialize_with = "nullable")]
    pub shm_size: i64,
    /// Kernel parameters of its namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysctls: Option<BTreeMap<String, String>>,
    /// Name of the OCI runtime.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub runtime: String,
    /// Windows only.
    #[serde(deserialize_with = "nullable")]
    pub isolation: String,
    /// Limits.
    #[serde(flatten)]
    pub resources: ResourceConfig,
    /// Mounts of the long form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<MountConfig>>,
    /// Hidden paths; `None`: the default list.
    pub masked_paths: Option<Vec<String>>,
    /// Read-only paths; `None`: the default list.
    pub readonly_paths: Option<Vec<String>>,
    /// Whether an init process runs as pid 1; `None`: the daemon's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// Members not known here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a container may use; also the body of an update.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResourceConfig {
    /// Relative weight.
    #[serde(deserialize_with = "nullable")]
    pub cpu_shares: i64,
    /// Bytes; 0: no limit.
    #[serde(deserialize_with = "nullable")]
    pub memory: i64,
    /// Processors in units of 10⁻⁹.
    #[serde(deserialize_with = "nullable")]
    pub nano_cpus: i64,
    /// Parent control group.
    #[serde(deserialize_with = "nullable")]
    pub cgroup_parent: String,
    /// 10 to 1000; 0: default.
    #[serde(deserialize_with = "nullable")]
    pub blkio_weight: u16,
    /// Weights of single devices.
    pub blkio_weight_device: Option<Vec<WeightConfig>>,
    /// Bytes a second, reading.
    pub blkio_device_read_bps: Option<Vec<ThrottleConfig>>,
    /// Bytes a second, writing.
    pub blkio_device_write_bps: Option<Vec<ThrottleConfig>>,
    /// Operations a second, reading.
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Option<Vec<ThrottleConfig>>,
    /// Operations a second, writing.
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Option<Vec<ThrottleConfig>>,
    /// Microseconds.
    #[serde(deserialize_with = "nullable")]
    pub cpu_period: i64,
    /// Microseconds a period.
    #[serde(deserialize_with = "nullable")]
    pub cpu_quota: i64,
    /// Microseconds.
    #[serde(deserialize_with = "nullable")]
    pub cpu_realtime_period: i64,
    /// Microseconds a period.
    #[serde(deserialize_with = "nullable")]
    pub cpu_realtime_runtime: i64,
    /// CPU list.
    #[serde(deserialize_with = "nullable")]
    pub cpuset_cpus: String,
    /// Memory node list.
    #[serde(deserialize_with = "nullable")]
    pub cpuset_mems: String,
    /// Host devices.
    pub devices: Option<Vec<DeviceMapping>>,
    /// `c 42:* rmw` and its like.
    pub device_cgroup_rules: Option<Vec<String>>,
    /// Devices by driver or CDI name.
    pub device_requests: Option<Vec<DeviceRequest>>,
    /// Bytes (obsolete).
    #[serde(skip_serializing_if = "is_default", deserialize_with = "nullable")]
    pub kernel_memory: i64,
    /// Bytes (obsolete).
    #[serde(
        rename = "KernelMemoryTCP",
        skip_serializing_if = "is_default",
        deserialize_with = "nullable"
    )]
    pub kernel_memory_tcp: i64,
    /// Soft limit in bytes.
    #[serde(deserialize_with = "nullable")]
    pub memory_reservation: i64,
    /// Memory and swap together in bytes; -1: no limit; 0: twice the memory.
    #[serde(deserialize_with = "nullable")]
    pub memory_swap: i64,
    /// 0 to 100; -1 or `None`: default.
    pub memory_swappiness: Option<i64>,
    /// Tasks over the limit sleep (v1).
    pub oom_kill_disable: Option<bool>,
    /// Most tasks; `None`, 0, -1: no limit.
    pub pids_limit: Option<i64>,
    /// Resource limits of its processes.
    pub ulimits: Option<Vec<Ulimit>>,
    /// Windows only.
    #[serde(deserialize_with = "nullable")]
    pub cpu_count: i64,
    /// Windows only.
    #[serde(deserialize_with = "nullable")]
    pub cpu_percent: i64,
    /// Windows only.
    #[serde(rename = "IOMaximumIOps", deserialize_with = "nullable")]
    pub io_maximum_iops: u64,
    /// Windows only.
    #[serde(rename = "IOMaximumBandwidth", deserialize_with = "nullable")]
    pub io_maximum_bandwidth: u64,
}

/// Log driver and its options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// `json-file` and its like; empty: the daemon's choice.
    #[serde(rename = "Type", deserialize_with = "nullable")]
    pub kind: String,
    /// Its options.
    pub config: Option<BTreeMap<String, String>>,
}

/// What happens when a container ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no` (or empty), `on-failure`, `always`, `unless-stopped`.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// Most restarts of `on-failure`; 0: no limit.
    #[serde(deserialize_with = "nullable")]
    pub maximum_retry_count: i64,
}

/// One published address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    /// Host address; empty: all.
    #[serde(deserialize_with = "nullable")]
    pub host_ip: String,
    /// Port or range; empty: chosen.
    #[serde(deserialize_with = "nullable")]
    pub host_port: String,
}

/// A host device given to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceMapping {
    /// Where it is on the host.
    #[serde(deserialize_with = "nullable")]
    pub path_on_host: String,
    /// Where it is to be.
    #[serde(deserialize_with = "nullable")]
    pub path_in_container: String,
    /// Any of `r`, `w`, `m`.
    #[serde(deserialize_with = "nullable")]
    pub cgroup_permissions: String,
}

/// Devices asked for by driver, count or name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeviceRequest {
    /// Driver name, `cdi` for names of the container device interface.
    #[serde(deserialize_with = "nullable")]
    pub driver: String,
    /// How many; -1: all.
    #[serde(deserialize_with = "nullable")]
    pub count: i64,
    /// Which.
    #[serde(rename = "DeviceIDs")]
    pub device_ids: Option<Vec<String>>,
    /// Alternatives of conjunctions.
    pub capabilities: Option<Vec<Vec<String>>>,
    /// Options of the driver.
    pub options: Option<BTreeMap<String, String>>,
}

/// Weight of one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WeightConfig {
    /// The device node.
    #[serde(deserialize_with = "nullable")]
    pub path: String,
    /// 10 to 1000.
    #[serde(deserialize_with = "nullable")]
    pub weight: u16,
}

/// Throttle of one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ThrottleConfig {
    /// The device node.
    #[serde(deserialize_with = "nullable")]
    pub path: String,
    /// Bytes or operations a second.
    #[serde(deserialize_with = "nullable")]
    pub rate: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_stay_apart_and_unknown_members_survive() {
        let text =
            r#"{"Binds":null,"Dns":[],"Memory":7,"NetworkMode":null,"Frob":[1],"PidsLimit":null,"CapAdd":"NET_ADMIN"}"#;
        let config: HostConfig = serde_json::from_str(text).unwrap();
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(json["Binds"], serde_json::Value::Null);
        assert_eq!(json["Dns"], serde_json::json!([]));
        assert_eq!(json["Memory"], 7);
        assert_eq!(json["Frob"], serde_json::json!([1]));
        assert_eq!(json["CapAdd"], serde_json::json!(["NET_ADMIN"]));
        assert_eq!(config.extra.len(), 1);
    }
}
