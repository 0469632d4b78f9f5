//! What a group has used: one form for v1 and v2, with all that containerd's metrics and `docker stats` need.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Use of all resources. What this machine does not account is zero or empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Processor time.
    pub cpu: Cpu,
    /// Placement (v1).
    pub cpuset: Cpuset,
    /// Memory.
    pub memory: Memory,
    /// Tasks.
    pub pids: Pids,
    /// Block devices.
    pub block_io: BlockIo,
    /// Huge pages, by page size (`2MB`).
    pub huge_pages: BTreeMap<String, HugePages>,
    /// RDMA devices.
    pub rdma: Rdma,
}

/// Processor time in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// All of it.
    pub usage: u64,
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
    /// By processor (v1 only).
    pub per_cpu: Vec<u64>,
    /// By processor, in user mode (v1 only).
    pub per_cpu_user: Vec<u64>,
    /// By processor, in the kernel (v1 only).
    pub per_cpu_system: Vec<u64>,
    /// Time taken away by the quota.
    pub throttling: Throttling,
    /// Stall information (v2).
    pub pressure: Option<Pressure>,
}

/// Placement on processors and memory nodes, and the flags of v1's cpuset controller (kernel's `cgroup-v1/cpusets.rst`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpuset {
    /// Processors.
    pub cpus: Vec<u16>,
    /// Memory nodes.
    pub mems: Vec<u16>,
    /// No other group at this place may have these processors.
    pub cpu_exclusive: u64,
    /// No other group at this place may have these nodes.
    pub mem_exclusive: u64,
    /// The kernel's own memory for the group comes from its nodes.
    pub mem_hardwall: u64,
    /// Pages move along when the nodes change.
    pub memory_migrate: u64,
    /// The page cache is spread over the nodes.
    pub memory_spread_page: u64,
    /// Slab memory is spread over the nodes.
    pub memory_spread_slab: u64,
    /// How often memory had to be reclaimed directly.
    pub memory_pressure: u64,
    /// The scheduler balances load between the processors.
    pub sched_load_balance: u64,
    /// How far it looks for idle ones; -1: as far as the machine's default.
    pub sched_relax_domain_level: i64,
}

/// Effects of the CPU quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Throttling {
    /// Periods in which the group ran.
    pub periods: u64,
    /// Those of them in which it was stopped.
    pub throttled_periods: u64,
    /// For how long, in nanoseconds.
    pub throttled_time: u64,
    /// Periods in which saved-up time was used.
    pub burst_periods: u64,
    /// Time used beyond the quota in them, in nanoseconds.
    pub burst_time: u64,
}

/// Memory in bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Page cache.
    pub cache: u64,
    /// Memory.
    pub usage: MemoryCounter,
    /// Memory and swap together.
    pub swap: MemoryCounter,
    /// Swap alone (v2).
    pub swap_only: MemoryCounter,
    /// Kernel memory (v1).
    pub kernel: MemoryCounter,
    /// TCP buffers (v1).
    pub kernel_tcp: MemoryCounter,
    /// Whether the groups below are counted.
    pub use_hierarchy: bool,
    /// `memory.stat`
    pub stats: BTreeMap<String, u64>,
    /// Tasks that the OOM killer ended.
    pub oom_kills: u64,
    /// Stall information (v2).
    pub pressure: Option<Pressure>,
}

/// One memory counter in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryCounter {
    /// Now.
    pub usage: u64,
    /// The most there ever was.
    pub max_usage: u64,
    /// How often the limit was hit.
    pub failures: u64,
    /// The limit; the greatest number where there is none.
    pub limit: u64,
}

/// Tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pids {
    /// Now.
    pub current: u64,
    /// The most there may be; 0: no limit.
    pub limit: u64,
}

/// Use of block devices, the groups below included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockIo {
    /// Bytes.
    pub service_bytes: Vec<BlockIoEntry>,
    /// Operations.
    pub serviced: Vec<BlockIoEntry>,
    /// Operations waiting (v1, CFQ or BFQ with debugging).
    pub queued: Vec<BlockIoEntry>,
    /// Nanoseconds from dispatch to completion (the same).
    pub service_time: Vec<BlockIoEntry>,
    /// Nanoseconds of waiting (the same).
    pub wait_time: Vec<BlockIoEntry>,
    /// Operations merged (the same).
    pub merged: Vec<BlockIoEntry>,
    /// Milliseconds of device time (the same).
    pub time: Vec<BlockIoEntry>,
    /// Sectors (the same).
    pub sectors: Vec<BlockIoEntry>,
    /// Stall information (v2).
    pub pressure: Option<Pressure>,
}

/// One counter of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockIoEntry {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// `Read`, `Write`, `Sync`, `Async`, `Discard`, `Total`, or empty.
    pub operation: String,
    /// The count.
    pub value: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HugePages {
    /// Now.
    pub usage: u64,
    /// The most there ever was.
    pub max_usage: u64,
    /// How often the limit was hit.
    pub failures: u64,
}

/// RDMA resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rdma {
    /// Limits by device.
    pub limit: Vec<RdmaEntry>,
    /// Use by device.
    pub current: Vec<RdmaEntry>,
}

/// RDMA resources of one device; the greatest number stands for no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RdmaEntry {
    /// Name of the device.
    pub device: String,
    /// Handles.
    pub handles: u32,
    /// Objects.
    pub objects: u32,
}

/// Pressure stall information, see the kernel's `Documentation/accounting/psi.rst`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// Some task waited.
    pub some: PressureLine,
    /// All tasks waited.
    pub full: PressureLine,
}

/// Shares of time in per cent, and the total in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PressureLine {
    /// Over ten seconds.
    pub avg10: f64,
    /// Over a minute.
    pub avg60: f64,
    /// Over five minutes.
    pub avg300: f64,
    /// Since the group was made.
    pub total: u64,
}

/// Lines of `key value`, such as `memory.stat`; lines of another form are passed over.
pub(crate) fn flat_keyed(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, value.trim().parse().ok()?))
    })
}

/// A list of ranges (`0-3,7`); what is no number is passed over.
pub(crate) fn ranges(text: &str) -> Vec<u16> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u16>().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// A file of one number; `max` is the greatest one.
pub(crate) fn number(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        digits => digits.parse().ok(),
    }
}

/// `mlx4_0 hca_handle=2 hca_object=max`
pub(crate) fn parse_rdma(text: &str) -> Vec<RdmaEntry> {
    let value = |word: &str| match word {
        "max" => u32::MAX,
        digits => digits.parse().unwrap_or(0),
    };
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let mut entry = RdmaEntry {
            device: words.next()?.to_owned(),
            ..RdmaEntry::default()
        };
        for (key, number) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "hca_handle" => entry.handles = value(number),
                "hca_object" => entry.objects = value(number),
                _ => {}
            }
        }
        Some(entry)
    };
    text.lines().filter_map(line).collect()
}
