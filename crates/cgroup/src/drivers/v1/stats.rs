//! Accounting files of v1 → [`Stats`].

use crate::file::{read, read_optional};
use crate::stats::{flat_keyed, number, parse_rdma, ranges};
use crate::{BlockIo, BlockIoEntry, Cpu, Cpuset, HugePages, Memory, MemoryCounter, Paths, Pids, Result, Stats};
use std::collections::BTreeMap;
use std::path::Path;

/// `cpuacct.stat` counts in ticks of `USER_HZ`, 100 on every architecture of ours.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

pub(super) fn read_all(paths: &Paths) -> Result<Stats> {
    let mut stats = Stats::default();
    if let Some(directory) = paths.controller("cpuacct") {
        cpu_usage(directory, &mut stats.cpu)?;
    }
    if let Some(directory) = paths.controller("cpu") {
        throttling(directory, &mut stats.cpu)?;
    }
    if let Some(directory) = paths.controller("cpuset") {
        stats.cpuset = cpuset(directory)?;
    }
    if let Some(directory) = paths.controller("memory") {
        stats.memory = memory(directory)?;
    }
    if let Some(directory) = paths.controller("pids") {
        stats.pids = pids(directory)?;
    }
    if let Some(directory) = paths.controller("blkio") {
        stats.block_io = block_io(directory)?;
    }
    if let Some(directory) = paths.controller("hugetlb") {
        stats.huge_pages = huge_pages(directory)?;
    }
    if let Some(directory) = paths.controller("rdma") {
        stats.rdma.limit = parse_rdma(&read(directory, "rdma.max")?);
        stats.rdma.current = parse_rdma(&read(directory, "rdma.current")?);
    }
    Ok(stats)
}

fn counter(directory: &Path, name: &str) -> Result<Option<u64>> {
    Ok(read_optional(directory, name)?.as_deref().and_then(number))
}

fn cpu_usage(directory: &Path, cpu: &mut Cpu) -> Result<()> {
    cpu.usage = counter(directory, "cpuacct.usage")?.unwrap_or(0);
    for (key, ticks) in flat_keyed(&read(directory, "cpuacct.stat")?) {
        match key {
            "user" => cpu.user = ticks * NANOSECONDS_PER_TICK,
            "system" => cpu.system = ticks * NANOSECONDS_PER_TICK,
            _ => {}
        }
    }
    let per_cpu = read(directory, "cpuacct.usage_percpu")?;
    cpu.per_cpu = per_cpu
        .split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    // "cpu user system", then a line a processor; since Linux 4.8.
    for line in read_optional(directory, "cpuacct.usage_all")?
        .unwrap_or_default()
        .lines()
        .skip(1)
    {
        let mut words = line
            .split_ascii_whitespace()
            .skip(1)
            .map(|word| word.parse().unwrap_or(0));
        cpu.per_cpu_user.push(words.next().unwrap_or(0));
        cpu.per_cpu_system.push(words.next().unwrap_or(0));
    }
    Ok(())
}

fn throttling(directory: &Path, cpu: &mut Cpu) -> Result<()> {
    let throttling = &mut cpu.throttling;
    for (key, value) in flat_keyed(&read_optional(directory, "cpu.stat")?.unwrap_or_default()) {
        match key {
            "nr_periods" => throttling.periods = value,
            "nr_throttled" => throttling.throttled_periods = value,
            "throttled_time" => throttling.throttled_time = value,
            "nr_bursts" => throttling.burst_periods = value,
            "burst_time" => throttling.burst_time = value,
            _ => {}
        }
    }
    Ok(())
}

fn cpuset(directory: &Path) -> Result<Cpuset> {
    let list = |name: &str| Ok(ranges(&read_optional(directory, name)?.unwrap_or_default()));
    let flag = |name: &str| Ok(counter(directory, name)?.unwrap_or(0));
    let level = read_optional(directory, "cpuset.sched_relax_domain_level")?;
    Ok(Cpuset {
        cpus: list("cpuset.cpus")?,
        mems: list("cpuset.mems")?,
        cpu_exclusive: flag("cpuset.cpu_exclusive")?,
        mem_exclusive: flag("cpuset.mem_exclusive")?,
        mem_hardwall: flag("cpuset.mem_hardwall")?,
        memory_migrate: flag("cpuset.memory_migrate")?,
        memory_spread_page: flag("cpuset.memory_spread_page")?,
        memory_spread_slab: flag("cpuset.memory_spread_slab")?,
        memory_pressure: flag("cpuset.memory_pressure")?,
        sched_load_balance: flag("cpuset.sched_load_balance")?,
        sched_relax_domain_level: level.and_then(|text| text.trim().parse().ok()).unwrap_or(0),
    })
}

fn memory(directory: &Path) -> Result<Memory> {
    let stats: BTreeMap<String, u64> = flat_keyed(&read(directory, "memory.stat")?)
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let oom = read_optional(directory, "memory.oom_control")?.unwrap_or_default();
    Ok(Memory {
        cache: stats.get("cache").copied().unwrap_or(0),
        usage: memory_counter(directory, "memory")?,
        swap: memory_counter(directory, "memory.memsw")?,
        kernel: memory_counter(directory, "memory.kmem")?,
        kernel_tcp: memory_counter(directory, "memory.kmem.tcp")?,
        use_hierarchy: counter(directory, "memory.use_hierarchy")?.unwrap_or(0) == 1,
        stats,
        oom_kills: flat_keyed(&oom)
            .find(|(key, _)| *key == "oom_kill")
            .map_or(0, |(_, count)| count),
        ..Memory::default()
    })
}

/// Missing where swap is not accounted, or with kernel memory switched off.
fn memory_counter(directory: &Path, prefix: &str) -> Result<MemoryCounter> {
    let value = |name: &str| Ok(counter(directory, &format!("{prefix}.{name}"))?.unwrap_or(0));
    Ok(MemoryCounter {
        usage: value("usage_in_bytes")?,
        max_usage: value("max_usage_in_bytes")?,
        failures: value("failcnt")?,
        limit: value("limit_in_bytes")?,
    })
}

fn pids(directory: &Path) -> Result<Pids> {
    let limit = counter(directory, "pids.max")?.filter(|limit| *limit != u64::MAX);
    Ok(Pids {
        current: counter(directory, "pids.current")?.unwrap_or(0),
        limit: limit.unwrap_or(0),
    })
}

/// BFQ accounts what it schedules, the throttler everything; the first with any entries is told, as in runc.
fn block_io(directory: &Path) -> Result<BlockIo> {
    let entries = |names: [&str; 2]| -> Result<Vec<BlockIoEntry>> {
        for name in names.iter().filter(|name| !name.is_empty()) {
            let entries = parse_block_io(&read_optional(directory, name)?.unwrap_or_default());
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
        Ok(Vec::new())
    };
    Ok(BlockIo {
        service_bytes: entries([
            "blkio.bfq.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes_recursive",
        ])?,
        serviced: entries([
            "blkio.bfq.io_serviced_recursive",
            "blkio.throttle.io_serviced_recursive",
        ])?,
        queued: entries(["blkio.bfq.io_queued_recursive", ""])?,
        service_time: entries(["blkio.bfq.io_service_time_recursive", ""])?,
        wait_time: entries(["blkio.bfq.io_wait_time_recursive", ""])?,
        merged: entries(["blkio.bfq.io_merged_recursive", ""])?,
        time: entries(["blkio.bfq.time_recursive", ""])?,
        sectors: entries(["blkio.bfq.sectors_recursive", ""])?,
        pressure: None,
    })
}

/// Lines of `8:0 Read 4096` or `8:0 4096`; the last line, `Total 4096`, has no device.
fn parse_block_io(text: &str) -> Vec<BlockIoEntry> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (device, operation, value) = match words[..] {
            [device, operation, value] => (device, operation, value),
            [device, value] => (device, "", value),
            _ => return None,
        };
        let (major, minor) = device.split_once(':')?;
        Some(BlockIoEntry {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            operation: operation.to_owned(),
            value: value.parse().ok()?,
        })
    };
    text.lines().filter_map(line).collect()
}

fn huge_pages(directory: &Path) -> Result<BTreeMap<String, HugePages>> {
    let mut sizes = BTreeMap::new();
    for size in crate::drivers::huge_page_sizes() {
        let value = |name: &str| Ok(counter(directory, &format!("hugetlb.{size}.{name}"))?.unwrap_or(0));
        let pages = HugePages {
            usage: value("usage_in_bytes")?,
            max_usage: value("max_usage_in_bytes")?,
            failures: value("failcnt")?,
        };
        sizes.insert(size, pages);
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_io_counters_are_understood() {
        let entries = parse_block_io("8:0 Read 4096\n8:0 Total 5000\n253:16 7\nTotal 12\n8:x Read 1\n");
        let told: Vec<_> = entries
            .iter()
            .map(|e| (e.major, e.minor, e.operation.as_str(), e.value))
            .collect();
        assert_eq!(told, [(8, 0, "Read", 4096), (8, 0, "Total", 5000), (253, 16, "", 7)]);
    }
}
