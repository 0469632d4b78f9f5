//! A reading of a control group as messages: our own, and those that containerd's callers understand.

use tierce_cgroup::{BlockIoEntry, Stats};
use tierce_task::messages::{
    Any, BlockCounter, CpuMetrics, MemoryMetrics, Metrics, PidsMetrics, V1_METRICS, V2_METRICS, v1, v2,
};

/// Everything, for our own supervisor. `version` is the cgroup version of the machine.
pub(crate) fn full(stats: &Stats, version: u32) -> Any {
    let block = |entries: &[BlockIoEntry]| entries.iter().map(counter).collect();
    let metrics = Metrics {
        version,
        cpu: Some(CpuMetrics {
            total: stats.cpu.usage,
            user: stats.cpu.user,
            system: stats.cpu.system,
            per_cpu: stats.cpu.per_cpu.clone(),
            periods: stats.cpu.throttling.periods,
            throttled_periods: stats.cpu.throttling.throttled_periods,
            throttled: stats.cpu.throttling.throttled_time,
        }),
        memory: Some(MemoryMetrics {
            usage: stats.memory.usage.usage,
            max_usage: stats.memory.usage.max_usage,
            limit: stats.memory.usage.limit,
            failures: stats.memory.usage.failures,
            statistics: stats.memory.stats.clone(),
        }),
        pids: Some(PidsMetrics {
            current: stats.pids.current,
            limit: stats.pids.limit,
        }),
        block_bytes: block(&stats.block_io.service_bytes),
        block_operations: block(&stats.block_io.serviced),
    };
    Any::pack(Metrics::NAME, &metrics)
}

fn counter(entry: &BlockIoEntry) -> BlockCounter {
    BlockCounter {
        major: entry.major,
        minor: entry.minor,
        operation: entry.operation.to_ascii_lowercase(),
        value: entry.value,
    }
}

/// What `ctr task metrics` and kubelet read.
pub(crate) fn containerd(stats: &Stats, version: u32) -> Any {
    let stat = |key: &str| stats.memory.stats.get(key).copied().unwrap_or(0);
    let memory = stats.memory.usage;
    let pids = Some(v1::Pids {
        current: stats.pids.current,
        limit: stats.pids.limit,
    });
    let throttling = stats.cpu.throttling;
    if version == 1 {
        let metrics = v1::Metrics {
            pids,
            cpu: Some(v1::Cpu {
                usage: Some(v1::CpuUsage {
                    total: stats.cpu.usage,
                    kernel: stats.cpu.system,
                    user: stats.cpu.user,
                    per_cpu: stats.cpu.per_cpu.clone(),
                }),
                throttling: Some(v1::Throttle {
                    periods: throttling.periods,
                    throttled_periods: throttling.throttled_periods,
                    throttled_time: throttling.throttled_time,
                }),
            }),
            memory: Some(v1::Memory {
                cache: stat("cache"),
                rss: stat("rss"),
                total_inactive_file: stat("total_inactive_file"),
                usage: Some(v1::MemoryEntry {
                    limit: memory.limit,
                    usage: memory.usage,
                    max: memory.max_usage,
                    failcnt: memory.failures,
                }),
            }),
        };
        return Any::pack(V1_METRICS, &metrics);
    }
    let metrics = v2::Metrics {
        pids,
        cpu: Some(v2::Cpu {
            usage_usec: stats.cpu.usage / 1000,
            user_usec: stats.cpu.user / 1000,
            system_usec: stats.cpu.system / 1000,
            nr_periods: throttling.periods,
            nr_throttled: throttling.throttled_periods,
            throttled_usec: throttling.throttled_time / 1000,
        }),
        memory: Some(v2::Memory {
            anon: stat("anon"),
            file: stat("file"),
            inactive_file: stat("inactive_file"),
            usage: memory.usage,
            usage_limit: memory.limit,
        }),
    };
    Any::pack(V2_METRICS, &metrics)
}
