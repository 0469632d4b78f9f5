//! Accounting files of v2 → [`Stats`], in the units of v1.

use crate::file::{read, read_optional};
use crate::stats::{flat_keyed, number, parse_rdma};
use crate::{
    BlockIo, BlockIoEntry, Cpu, HugePages, Memory, MemoryCounter, Pids, Pressure, PressureLine, Result, Stats,
};
use std::path::Path;

pub(super) fn read_all(directory: &Path) -> Result<Stats> {
    let mut stats = Stats {
        cpu: cpu(directory)?,
        memory: memory(directory)?,
        pids: pids(directory)?,
        block_io: block_io(directory)?,
        ..Stats::default()
    };
    for size in crate::drivers::huge_page_sizes() {
        let value = |name: &str| counter(directory, &format!("hugetlb.{size}.{name}"));
        let Some(usage) = value("current")? else { continue };
        let events = read_optional(directory, &format!("hugetlb.{size}.events"))?.unwrap_or_default();
        let failures = flat_keyed(&events)
            .find(|(key, _)| *key == "max")
            .map_or(0, |(_, count)| count);
        stats.huge_pages.insert(
            size,
            HugePages {
                usage,
                max_usage: 0,
                failures,
            },
        );
    }
    stats.rdma.limit = parse_rdma(&read_optional(directory, "rdma.max")?.unwrap_or_default());
    stats.rdma.current = parse_rdma(&read_optional(directory, "rdma.current")?.unwrap_or_default());
    Ok(stats)
}

fn counter(directory: &Path, name: &str) -> Result<Option<u64>> {
    Ok(read_optional(directory, name)?.as_deref().and_then(number))
}

/// `cpu.stat` is there even without the controller; it counts in microseconds.
fn cpu(directory: &Path) -> Result<Cpu> {
    let mut cpu = Cpu {
        pressure: pressure(directory, "cpu.pressure")?,
        ..Cpu::default()
    };
    for (key, value) in flat_keyed(&read(directory, "cpu.stat")?) {
        match key {
            "usage_usec" => cpu.usage = value * 1000,
            "user_usec" => cpu.user = value * 1000,
            "system_usec" => cpu.system = value * 1000,
            "nr_periods" => cpu.throttling.periods = value,
            "nr_throttled" => cpu.throttling.throttled_periods = value,
            "throttled_usec" => cpu.throttling.throttled_time = value * 1000,
            "nr_bursts" => cpu.throttling.burst_periods = value,
            "burst_usec" => cpu.throttling.burst_time = value * 1000,
            _ => {}
        }
    }
    Ok(cpu)
}

fn memory(directory: &Path) -> Result<Memory> {
    let text = read_optional(directory, "memory.stat")?.unwrap_or_default();
    let stats: std::collections::BTreeMap<String, u64> =
        flat_keyed(&text).map(|(key, value)| (key.to_owned(), value)).collect();
    let events = read_optional(directory, "memory.events")?.unwrap_or_default();
    let event = |name| {
        flat_keyed(&events)
            .find(|(key, _)| *key == name)
            .map_or(0, |(_, count)| count)
    };
    let mut usage = memory_counter(directory, "memory")?;
    usage.failures = event("max");
    let swap_only = memory_counter(directory, "memory.swap")?;
    // v1 counts memory and swap together; the most there ever was of both is not known.
    let swap = MemoryCounter {
        usage: swap_only.usage + usage.usage,
        limit: swap_only.limit.saturating_add(usage.limit),
        ..MemoryCounter::default()
    };
    Ok(Memory {
        cache: stats.get("file").copied().unwrap_or(0),
        usage,
        swap,
        swap_only,
        use_hierarchy: true,
        stats,
        oom_kills: event("oom_kill"),
        pressure: pressure(directory, "memory.pressure")?,
        ..Memory::default()
    })
}

fn memory_counter(directory: &Path, prefix: &str) -> Result<MemoryCounter> {
    let value = |name: &str| Ok(counter(directory, &format!("{prefix}.{name}"))?.unwrap_or(0));
    Ok(MemoryCounter {
        usage: value("current")?,
        max_usage: value("peak")?,
        failures: 0,
        limit: value("max")?,
    })
}

/// Without the controller the tasks are still there to be counted.
fn pids(directory: &Path) -> Result<Pids> {
    let limit = counter(directory, "pids.max")?.filter(|limit| *limit != u64::MAX);
    let current = match counter(directory, "pids.current")? {
        Some(current) => current,
        None => read_optional(directory, "cgroup.threads")?
            .unwrap_or_default()
            .lines()
            .count() as u64,
    };
    Ok(Pids {
        current,
        limit: limit.unwrap_or(0),
    })
}

fn block_io(directory: &Path) -> Result<BlockIo> {
    let mut block_io = parse_io(&read_optional(directory, "io.stat")?.unwrap_or_default());
    block_io.pressure = pressure(directory, "io.pressure")?;
    Ok(block_io)
}

/// Lines of `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
fn parse_io(text: &str) -> BlockIo {
    let mut block_io = BlockIo::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else {
            continue;
        };
        let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (list, operation) = match key {
                "rbytes" => (&mut block_io.service_bytes, "Read"),
                "wbytes" => (&mut block_io.service_bytes, "Write"),
                "dbytes" => (&mut block_io.service_bytes, "Discard"),
                "rios" => (&mut block_io.serviced, "Read"),
                "wios" => (&mut block_io.serviced, "Write"),
                "dios" => (&mut block_io.serviced, "Discard"),
                _ => continue,
            };
            let Ok(value) = value.parse() else { continue };
            list.push(BlockIoEntry {
                major,
                minor,
                operation: operation.to_owned(),
                value,
            });
        }
    }
    block_io
}

fn pressure(directory: &Path, name: &str) -> Result<Option<Pressure>> {
    Ok(read_optional(directory, name)?.map(|text| parse_pressure(&text)))
}

/// Lines of `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
fn parse_pressure(text: &str) -> Pressure {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let target = match words.next() {
            Some("some") => &mut pressure.some,
            Some("full") => &mut pressure.full,
            _ => continue,
        };
        let mut parsed = PressureLine::default();
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "avg10" => parsed.avg10 = value.parse().unwrap_or(0.0),
                "avg60" => parsed.avg60 = value.parse().unwrap_or(0.0),
                "avg300" => parsed.avg300 = value.parse().unwrap_or(0.0),
                "total" => parsed.total = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        *target = parsed;
    }
    pressure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_and_pressure_are_understood() {
        let block_io = parse_io("8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0 cost.usage=1\n253:1 \nx\n");
        assert_eq!(block_io.service_bytes.len(), 3);
        let first = &block_io.service_bytes[0];
        assert_eq!(
            (first.major, first.minor, first.operation.as_str(), first.value),
            (8, 0, "Read", 10)
        );
        let pressure = parse_pressure("some avg10=1.50 avg60=0.00 avg300=0.10 total=77\nfull avg10=0.00 total=3\n");
        assert_eq!(
            (pressure.some.avg10, pressure.some.total, pressure.full.total),
            (1.5, 77, 3)
        );
    }
}
