//! Docker's figures from a reading. Source of the formulas: docker/cli `command/container/stats_helpers.go`.

use tierce_api_types::container::{BlkioStats, CpuStats, MemoryStats, StatsResponse};
use tierce_format::units;

/// A reading as it is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) id: String,
    pub(super) name: String,
    /// Percent of one processor.
    cpu: f64,
    memory: f64,
    memory_limit: f64,
    network: (f64, f64),
    blocks: (f64, f64),
    processes: u64,
}

impl Reading {
    pub(super) fn of(answer: &StatsResponse) -> Self {
        Self {
            id: answer.id.clone(),
            name: answer.name.trim_start_matches('/').to_owned(),
            cpu: processor_share(&answer.precpu_stats, &answer.cpu_stats),
            memory: memory_in_use(&answer.memory_stats),
            memory_limit: answer.memory_stats.limit.unwrap_or_default() as f64,
            network: answer.networks.values().fold((0.0, 0.0), |(received, sent), one| {
                (received + one.rx_bytes as f64, sent + one.tx_bytes as f64)
            }),
            blocks: block_bytes(&answer.blkio_stats),
            processes: answer.pids_stats.current.unwrap_or_default(),
        }
    }

    pub(super) fn cpu(&self) -> String {
        format!("{:.2}%", self.cpu)
    }

    pub(super) fn memory(&self) -> String {
        format!(
            "{} / {}",
            units::binary_size(self.memory),
            units::binary_size(self.memory_limit)
        )
    }

    pub(super) fn memory_share(&self) -> String {
        let share = if self.memory_limit > 0.0 {
            self.memory / self.memory_limit * 100.0
        } else {
            0.0
        };
        format!("{share:.2}%")
    }

    pub(super) fn network_io(&self) -> String {
        both(self.network)
    }

    pub(super) fn block_io(&self) -> String {
        both(self.blocks)
    }

    pub(super) fn processes(&self) -> String {
        self.processes.to_string()
    }
}

fn both((one, other): (f64, f64)) -> String {
    format!("{} / {}", units::size(one), units::size(other))
}

/// The container's part of the time that all processors had since the reading before, in percent of one processor.
fn processor_share(before: &CpuStats, now: &CpuStats) -> f64 {
    let used = now.cpu_usage.total_usage as f64 - before.cpu_usage.total_usage as f64;
    let passed = now.system_cpu_usage.unwrap_or_default() as f64 - before.system_cpu_usage.unwrap_or_default() as f64;
    let processors = match now.online_cpus {
        Some(count) if count > 0 => f64::from(count),
        _ => now.cpu_usage.percpu_usage.as_ref().map_or(0, Vec::len) as f64,
    };
    if used > 0.0 && passed > 0.0 {
        used / passed * processors * 100.0
    } else {
        0.0
    }
}

/// Memory in use without the part of the page cache that would go first: cgroup v1 and v2 call it otherwise.
fn memory_in_use(memory: &MemoryStats) -> f64 {
    let usage = memory.usage.unwrap_or_default();
    let cache = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|name| memory.stats.get(*name).copied().filter(|cache| *cache < usage));
    (usage - cache.unwrap_or_default()) as f64
}

/// Bytes read from and written to block devices.
fn block_bytes(blocks: &BlkioStats) -> (f64, f64) {
    let (mut read, mut written) = (0.0, 0.0);
    for entry in blocks.io_service_bytes_recursive.iter().flatten() {
        match entry.op.bytes().next() {
            Some(b'r' | b'R') => read += entry.value as f64,
            Some(b'w' | b'W') => written += entry.value as f64,
            _ => {}
        }
    }
    (read, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_127_figures_are_dockers() {
        let answer: StatsResponse = serde_json::from_value(serde_json::json!({
            "name": "/web", "id": "abc",
            "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
            "memory_stats": {"usage": 3_145_728, "limit": 10_485_760, "stats": {"inactive_file": 1_048_576}},
            "networks": {"eth0": {"rx_bytes": 1000, "tx_bytes": 5}, "eth1": {"rx_bytes": 500, "tx_bytes": 5}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"op": "Read", "value": 4096}, {"op": "write", "value": 1}, {"op": "Total", "value": 9}
            ]},
            "pids_stats": {"current": 3}
        }))
        .unwrap();
        let reading = Reading::of(&answer);
        assert_eq!(reading.name, "web");
        assert_eq!(reading.cpu(), "40.00%");
        assert_eq!(reading.memory(), "2MiB / 10MiB");
        assert_eq!(reading.memory_share(), "20.00%");
        assert_eq!(reading.network_io(), "1.5kB / 10B");
        assert_eq!(reading.block_io(), "4.1kB / 1B");
        assert_eq!(reading.processes(), "3");
    }

    #[test]
    fn a_container_that_does_not_run_has_nothing() {
        let reading = Reading::of(&StatsResponse::default());
        assert_eq!((reading.cpu(), reading.memory()), ("0.00%".into(), "0B / 0B".into()));
        assert_eq!(reading.memory_share(), "0.00%");
    }
}
