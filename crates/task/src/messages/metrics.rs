//! Our own reading of a container's cgroup: everything that Docker's `stats` shows, for both cgroup versions.

use std::collections::BTreeMap;

impl Metrics {
    /// Type name in the `Any` of a [`super::StatsResponse`].
    pub const NAME: &str = "tierce.task.v1.Metrics";
}

/// A reading of a cgroup.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Metrics {
    /// cgroup version the numbers come from: 1 or 2.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Processor time.
    #[prost(message, optional, tag = "2")]
    pub cpu: Option<CpuMetrics>,
    /// Memory.
    #[prost(message, optional, tag = "3")]
    pub memory: Option<MemoryMetrics>,
    /// Processes.
    #[prost(message, optional, tag = "4")]
    pub pids: Option<PidsMetrics>,
    /// Bytes read and written by device.
    #[prost(message, repeated, tag = "5")]
    pub block_bytes: Vec<BlockCounter>,
    /// Reads and writes by device.
    #[prost(message, repeated, tag = "6")]
    pub block_operations: Vec<BlockCounter>,
}

/// Processor time, in nanoseconds since the cgroup was made.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CpuMetrics {
    /// All of it.
    #[prost(uint64, tag = "1")]
    pub total: u64,
    /// In user mode.
    #[prost(uint64, tag = "2")]
    pub user: u64,
    /// In the kernel.
    #[prost(uint64, tag = "3")]
    pub system: u64,
    /// By processor; empty where the kernel does not tell.
    #[prost(uint64, repeated, tag = "4")]
    pub per_cpu: Vec<u64>,
    /// Periods with a quota in force.
    #[prost(uint64, tag = "5")]
    pub periods: u64,
    /// Periods in which the quota was used up.
    #[prost(uint64, tag = "6")]
    pub throttled_periods: u64,
    /// Time spent throttled.
    #[prost(uint64, tag = "7")]
    pub throttled: u64,
}

/// Memory, in bytes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MemoryMetrics {
    /// In use, page cache included.
    #[prost(uint64, tag = "1")]
    pub usage: u64,
    /// The most there ever was; 0 where unknown.
    #[prost(uint64, tag = "2")]
    pub max_usage: u64,
    /// The limit; the largest number: none.
    #[prost(uint64, tag = "3")]
    pub limit: u64,
    /// How often the limit was hit.
    #[prost(uint64, tag = "4")]
    pub failures: u64,
    /// Lines of `memory.stat`.
    #[prost(btree_map = "string, uint64", tag = "5")]
    pub statistics: BTreeMap<String, u64>,
}

/// Processes and threads.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PidsMetrics {
    /// How many there are.
    #[prost(uint64, tag = "1")]
    pub current: u64,
    /// How many there may be; 0: no limit.
    #[prost(uint64, tag = "2")]
    pub limit: u64,
}

/// A counter of a block device.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BlockCounter {
    /// Device number.
    #[prost(uint64, tag = "1")]
    pub major: u64,
    /// Device number.
    #[prost(uint64, tag = "2")]
    pub minor: u64,
    /// `read`, `write`, `sync`, …, in lower case.
    #[prost(string, tag = "3")]
    pub operation: String,
    /// The count.
    #[prost(uint64, tag = "4")]
    pub value: u64,
}
