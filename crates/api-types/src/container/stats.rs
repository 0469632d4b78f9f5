//! `GET /containers/{id}/stats`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One reading, with the reading before it so that clients can compute rates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsResponse {
    /// Name of the container with a slash before it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// When this was read, RFC 3339.
    pub read: String,
    /// When the previous was read; year 1 when there is none.
    pub preread: String,
    /// Processes.
    pub pids_stats: PidsStats,
    /// Block devices.
    pub blkio_stats: BlkioStats,
    /// Only on Windows.
    pub num_procs: u32,
    /// Only on Windows.
    pub storage_stats: BTreeMap<String, u64>,
    /// Processor time now.
    pub cpu_stats: CpuStats,
    /// Processor time at the previous reading.
    pub precpu_stats: CpuStats,
    /// Memory.
    pub memory_stats: MemoryStats,
    /// Interfaces by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, NetworkStats>,
}

/// Number of processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    /// Now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// At most; absent = no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Block device counters; cgroup v2 fills only the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStats {
    /// Bytes by device and direction.
    pub io_service_bytes_recursive: Option<Vec<BlkioEntry>>,
    /// Operations by device and direction.
    pub io_serviced_recursive: Option<Vec<BlkioEntry>>,
    /// Waiting operations.
    pub io_queue_recursive: Option<Vec<BlkioEntry>>,
    /// Time in service.
    pub io_service_time_recursive: Option<Vec<BlkioEntry>>,
    /// Time waiting.
    pub io_wait_time_recursive: Option<Vec<BlkioEntry>>,
    /// Merged operations.
    pub io_merged_recursive: Option<Vec<BlkioEntry>>,
    /// Device time.
    pub io_time_recursive: Option<Vec<BlkioEntry>>,
    /// Sectors.
    pub sectors_recursive: Option<Vec<BlkioEntry>>,
}

/// One block device counter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioEntry {
    /// Device number, major.
    pub major: u64,
    /// Device number, minor.
    pub minor: u64,
    /// `read`, `write`, …
    pub op: String,
    /// The count.
    pub value: u64,
}

/// Processor time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    /// Of the container.
    pub cpu_usage: CpuUsage,
    /// Of the host, nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_cpu_usage: Option<u64>,
    /// Processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_cpus: Option<u32>,
    /// How often the quota was used up.
    pub throttling_data: ThrottlingData,
}

/// Processor time of a container, nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// All.
    pub total_usage: u64,
    /// For each processor; cgroup v1 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percpu_usage: Option<Vec<u64>>,
    /// In the kernel.
    pub usage_in_kernelmode: u64,
    /// In programs.
    pub usage_in_usermode: u64,
}

/// How often and how long the processor quota stopped a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingData {
    /// Periods that passed.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Nanoseconds stopped.
    pub throttled_time: u64,
}

/// Memory, bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    /// In use, with the page cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<u64>,
    /// The most that ever was; cgroup v1 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_usage: Option<u64>,
    /// The kernel's own list.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stats: BTreeMap<String, u64>,
    /// How often the limit was hit; cgroup v1 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failcnt: Option<u64>,
    /// The limit, or the host's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Counters of one interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkStats {
    /// Bytes in.
    pub rx_bytes: u64,
    /// Packets in.
    pub rx_packets: u64,
    /// Errors in.
    pub rx_errors: u64,
    /// Dropped in.
    pub rx_dropped: u64,
    /// Bytes out.
    pub tx_bytes: u64,
    /// Packets out.
    pub tx_packets: u64,
    /// Errors out.
    pub tx_errors: u64,
    /// Dropped out.
    pub tx_dropped: u64,
}
