//! Resource use.

use jiff::Timestamp;
use tierce_api_types::container as wire;
use tierce_engine::container::{Interface, Stats};
use tierce_engine::state::NEVER;
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
            stats: memory.statistics.clone(),
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
