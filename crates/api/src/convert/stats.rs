//! Resource use.

use jiff::Timestamp;
use tierce_api_types::container as wire;
use tierce_engine::container::Stats;
use tierce_engine::state::NEVER;

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
    document.cpu_stats.system_cpu_usage = Some(stats.system_cpu);
    document.cpu_stats.online_cpus = u32::try_from(stats.online_cpus).ok();
    if let Some(cpu) = &metrics.cpu {
        document.cpu_stats.cpu_usage = wire::CpuUsage {
            total_usage: cpu.total,
            percpu_usage: (!cpu.per_cpu.is_empty()).then(|| cpu.per_cpu.clone()),
            usage_in_kernelmode: cpu.system,
            usage_in_usermode: cpu.user,
        };
        document.cpu_stats.throttling_data = wire::ThrottlingData {
            periods: cpu.periods,
            throttled_periods: cpu.throttled_periods,
            throttled_time: cpu.throttled,
        };
    }
    if let Some(memory) = &metrics.memory {
        document.memory_stats = wire::MemoryStats {
            usage: Some(memory.usage),
            max_usage: v1.then_some(memory.max_usage),
            stats: memory
                .statistics
                .iter()
                .map(|(name, value)| (name.clone(), *value))
                .collect(),
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
    let counters = |counters: &[tierce_engine::BlockCounter]| {
        let entries = counters.iter().map(|counter| wire::BlkioEntry {
            major: counter.major,
            minor: counter.minor,
            op: counter.operation.clone(),
            value: counter.value,
        });
        Some(entries.collect())
    };
    document.blkio_stats = wire::BlkioStats {
        io_service_bytes_recursive: counters(&metrics.block_bytes),
        io_serviced_recursive: counters(&metrics.block_operations),
        ..wire::BlkioStats::default()
    };
    document.networks = stats
        .interfaces
        .iter()
        .map(|interface| {
            let [rx_bytes, rx_packets, rx_errors, rx_dropped] = interface.received;
            let [tx_bytes, tx_packets, tx_errors, tx_dropped] = interface.sent;
            let counters = wire::NetworkStats {
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
            };
            (interface.name.clone(), counters)
        })
        .collect();
    document
}

/// Bytes of memory of this machine.
fn host_memory() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit).saturating_mul(info.totalram)
}
