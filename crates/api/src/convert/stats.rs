//! Resource use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tierce_api_types::container as wire;
use tierce_engine::container::{Interface, Stats};
use tierce_engine::lifecycle::NEVER;
use tierce_engine::{BlockCounter, CpuMetrics};

use crate::timestamp::rfc3339;

/// One reading as Docker shows it; `previous` is the reading that rates are computed against.
pub(crate) fn document(stats: &Stats, previous: Option<&wire::StatsResponse>) -> wire::StatsResponse {
    let read = Timestamp::try_from(stats.read).unwrap_or(NEVER);
    let mut document = wire::StatsResponse {
        name: stats.name.clone(),
        id: stats.id.clone(),
        read: rfc3339(read),
        preread: previous.map_or_else(|| rfc3339(NEVER), |previous| previous.read.clone()),
        precpu_stats: previous.map(|previous| previous.cpu_stats.clone()).unwrap_or_default(),
        ..wire::StatsResponse::default()
    };
    let Some(metrics) = &stats.metrics else {
        // A container that does not run: zeroes, and no time.
        document.read = rfc3339(NEVER);
        return document;
    };
    let v1 = metrics.version == 1;
    document.cpu_stats = processors(stats, metrics.cpu.as_ref());
    if let Some(memory) = &metrics.memory {
        document.memory_stats = wire::MemoryStats {
            usage: Some(memory.usage),
            max_usage: v1.then_some(memory.max_usage),
            stats: statistics(&memory.statistics, v1),
            failcnt: (v1 && memory.failures > 0).then_some(memory.failures),
            // Without a limit, what the host has.
            limit: Some(memory.limit.min(host_memory())),
        };
    }
    if let Some(pids) = &metrics.pids {
        document.pids_stats = wire::PidsStats {
            current: Some(pids.current),
            limit: Some(pids.limit).filter(|limit| *limit > 0),
        };
    }
    document.blkio_stats = wire::BlkioStats {
        io_service_bytes_recursive: Some(counters(&metrics.block_bytes)),
        io_serviced_recursive: Some(counters(&metrics.block_operations)),
        io_queue_recursive: v1.then(Vec::new),
        io_service_time_recursive: v1.then(Vec::new),
        io_wait_time_recursive: v1.then(Vec::new),
        io_merged_recursive: v1.then(Vec::new),
        io_time_recursive: v1.then(Vec::new),
        sectors_recursive: v1.then(Vec::new),
    };
    document.networks = stats
        .interfaces
        .iter()
        .map(|interface| (interface.name.clone(), traffic(interface)))
        .collect();
    document
}

/// Counters of v1, which are there for the group alone and, with `total_` before them, for all below it too.
const OLD_COUNTERS: [&str; 15] = [
    "active_anon",
    "active_file",
    "cache",
    "dirty",
    "inactive_anon",
    "inactive_file",
    "mapped_file",
    "pgfault",
    "pgmajfault",
    "pgpgin",
    "pgpgout",
    "rss",
    "rss_huge",
    "unevictable",
    "writeback",
];
const OLD_LIMITS: [&str; 2] = ["hierarchical_memory_limit", "hierarchical_memsw_limit"];
const COUNTERS: [&str; 31] = [
    "active_anon",
    "active_file",
    "anon",
    "anon_thp",
    "file",
    "file_dirty",
    "file_mapped",
    "file_writeback",
    "inactive_anon",
    "inactive_file",
    "kernel_stack",
    "pgactivate",
    "pgdeactivate",
    "pgfault",
    "pglazyfree",
    "pglazyfreed",
    "pgmajfault",
    "pgrefill",
    "pgscan",
    "pgsteal",
    "shmem",
    "slab",
    "slab_reclaimable",
    "slab_unreclaimable",
    "sock",
    "thp_collapse_alloc",
    "thp_fault_alloc",
    "unevictable",
    "workingset_activate",
    "workingset_nodereclaim",
    "workingset_refault",
];

/// What dockerd tells of a group's memory: all of these and only these, whatever the kernel has.
fn statistics(all: &BTreeMap<String, u64>, v1: bool) -> BTreeMap<String, u64> {
    let counter = |name: String| {
        let value = all.get(&name).copied().unwrap_or_default();
        (name, value)
    };
    if v1 {
        let totals = OLD_COUNTERS.iter().map(|name| format!("total_{name}"));
        let names = OLD_COUNTERS.iter().chain(&OLD_LIMITS).map(|name| (*name).to_owned());
        names.chain(totals).map(counter).collect()
    } else {
        COUNTERS.iter().map(|name| counter((*name).to_owned())).collect()
    }
}

fn processors(stats: &Stats, cpu: Option<&CpuMetrics>) -> wire::CpuStats {
    let usage = cpu.map(|cpu| wire::CpuUsage {
        total_usage: cpu.total,
        percpu_usage: (!cpu.per_cpu.is_empty()).then(|| cpu.per_cpu.clone()),
        usage_in_kernelmode: cpu.system,
        usage_in_usermode: cpu.user,
    });
    let throttling = cpu.map(|cpu| wire::ThrottlingData {
        periods: cpu.periods,
        throttled_periods: cpu.throttled_periods,
        throttled_time: cpu.throttled,
    });
    wire::CpuStats {
        cpu_usage: usage.unwrap_or_default(),
        system_cpu_usage: Some(stats.system_cpu),
        online_cpus: u32::try_from(stats.online_cpus).ok(),
        throttling_data: throttling.unwrap_or_default(),
    }
}

fn counters(counters: &[BlockCounter]) -> Vec<wire::BlkioEntry> {
    let entry = |counter: &BlockCounter| wire::BlkioEntry {
        major: counter.major,
        minor: counter.minor,
        op: counter.operation.clone(),
        value: counter.value,
    };
    counters.iter().map(entry).collect()
}

fn traffic(interface: &Interface) -> wire::NetworkStats {
    let [rx_bytes, rx_packets, rx_errors, rx_dropped] = interface.received;
    let [tx_bytes, tx_packets, tx_errors, tx_dropped] = interface.sent;
    wire::NetworkStats {
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    }
}

/// Bytes of memory of this machine.
fn host_memory() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit).saturating_mul(info.totalram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_127_memory_is_told_in_dockerds_counters_of_either_kind_of_groups() {
        let kernel = BTreeMap::from([
            ("rss".to_owned(), 5),
            ("total_rss".to_owned(), 7),
            ("swapcached".to_owned(), 1),
        ]);
        let old = statistics(&kernel, true);
        assert_eq!(
            (
                old.len(),
                old["rss"],
                old["total_rss"],
                old["hierarchical_memory_limit"]
            ),
            (32, 5, 7, 0)
        );
        let kernel = BTreeMap::from([("anon".to_owned(), 5), ("sec_pagetables".to_owned(), 1)]);
        let new = statistics(&kernel, false);
        assert_eq!((new.len(), new["anon"], new["workingset_refault"]), (31, 5, 0));
    }
}
