//! Statistics as `events` prints them: the members of runc's `types/events.go`, in its order, and left out where runc
//! leaves them out.

use crate as group;
use serde::Serialize;
use std::collections::BTreeMap;

/// One line of `events`.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    /// `stats` or `oom`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The container.
    pub id: &'a str,
    /// With `stats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Statistics<'a>>,
}

/// Zero and empty are left out.
fn none<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a container uses. `intel_rdt` has no members without resctrl; interfaces are counted by whoever made them.
#[derive(Debug, Serialize)]
pub struct Statistics<'a> {
    cpu: Cpu<'a>,
    cpuset: Cpuset<'a>,
    memory: Memory<'a>,
    pids: Pids,
    blkio: BlockIo<'a>,
    hugetlb: BTreeMap<&'a str, HugePages>,
    intel_rdt: Empty,
    network_interfaces: Option<()>,
}

#[derive(Debug, Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
struct Cpu<'a> {
    usage: CpuUsage<'a>,
    throttling: Throttling,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<&'a group::Pressure>,
}

#[derive(Debug, Serialize)]
struct CpuUsage<'a> {
    #[serde(skip_serializing_if = "none")]
    total: u64,
    #[serde(skip_serializing_if = "none")]
    percpu: &'a [u64],
    #[serde(skip_serializing_if = "none")]
    percpu_kernel: &'a [u64],
    #[serde(skip_serializing_if = "none")]
    percpu_user: &'a [u64],
    kernel: u64,
    user: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    #[serde(skip_serializing_if = "none")]
    periods: u64,
    #[serde(skip_serializing_if = "none")]
    throttled_periods: u64,
    #[serde(skip_serializing_if = "none")]
    throttled_time: u64,
}

#[derive(Debug, Serialize)]
struct Cpuset<'a> {
    #[serde(skip_serializing_if = "none")]
    cpus: &'a [u16],
    cpu_exclusive: u64,
    #[serde(skip_serializing_if = "none")]
    mems: &'a [u16],
    mem_hardwall: u64,
    mem_exclusive: u64,
    memory_migrate: u64,
    memory_spread_page: u64,
    memory_spread_slab: u64,
    memory_pressure: u64,
    sched_load_balance: u64,
    sched_relax_domain_level: i64,
}

#[derive(Debug, Serialize)]
struct Memory<'a> {
    #[serde(skip_serializing_if = "none")]
    cache: u64,
    usage: Counter,
    swap: Counter,
    kernel: Counter,
    #[serde(rename = "kernelTCP")]
    kernel_tcp: Counter,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    raw: &'a BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<&'a group::Pressure>,
}

#[derive(Debug, Serialize)]
struct Counter {
    limit: u64,
    #[serde(skip_serializing_if = "none")]
    usage: u64,
    #[serde(skip_serializing_if = "none")]
    max: u64,
    failcnt: u64,
}

#[derive(Debug, Serialize)]
struct Pids {
    #[serde(skip_serializing_if = "none")]
    current: u64,
    #[serde(skip_serializing_if = "none")]
    limit: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockIo<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_bytes_recursive: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_serviced_recursive: Vec<Entry<'a>>,
    #[serde(rename = "ioQueueRecursive", skip_serializing_if = "Vec::is_empty")]
    io_queued_recursive: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_time_recursive: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_wait_time_recursive: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_merged_recursive: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_time_recursive: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sectors_recursive: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<&'a group::Pressure>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    #[serde(skip_serializing_if = "none")]
    major: u64,
    #[serde(skip_serializing_if = "none")]
    minor: u64,
    #[serde(skip_serializing_if = "none")]
    op: &'a str,
    #[serde(skip_serializing_if = "none")]
    value: u64,
}

#[derive(Debug, Serialize)]
struct HugePages {
    #[serde(skip_serializing_if = "none")]
    usage: u64,
    #[serde(skip_serializing_if = "none")]
    max: u64,
    failcnt: u64,
}

impl<'a> Statistics<'a> {
    /// What a group tells, in runc's form.
    pub fn of(stats: &'a group::Stats) -> Self {
        let huge = |(size, pages): (&'a String, &group::HugePages)| {
            let pages = HugePages {
                usage: pages.usage,
                max: pages.max_usage,
                failcnt: pages.failures,
            };
            (size.as_str(), pages)
        };
        Self {
            cpu: cpu(&stats.cpu),
            cpuset: cpuset(&stats.cpuset),
            memory: Memory {
                cache: stats.memory.cache,
                usage: counter(&stats.memory.usage),
                swap: counter(&stats.memory.swap),
                kernel: counter(&stats.memory.kernel),
                kernel_tcp: counter(&stats.memory.kernel_tcp),
                raw: &stats.memory.stats,
                psi: stats.memory.pressure.as_ref(),
            },
            pids: Pids {
                current: stats.pids.current,
                limit: stats.pids.limit,
            },
            blkio: block_io(&stats.block_io),
            hugetlb: stats.huge_pages.iter().map(huge).collect(),
            intel_rdt: Empty {},
            network_interfaces: None,
        }
    }
}

fn cpu(cpu: &group::Cpu) -> Cpu<'_> {
    Cpu {
        usage: CpuUsage {
            total: cpu.usage,
            percpu: &cpu.per_cpu,
            percpu_kernel: &cpu.per_cpu_system,
            percpu_user: &cpu.per_cpu_user,
            kernel: cpu.system,
            user: cpu.user,
        },
        throttling: Throttling {
            periods: cpu.throttling.periods,
            throttled_periods: cpu.throttling.throttled_periods,
            throttled_time: cpu.throttling.throttled_time,
        },
        psi: cpu.pressure.as_ref(),
    }
}

fn cpuset(cpuset: &group::Cpuset) -> Cpuset<'_> {
    Cpuset {
        cpus: &cpuset.cpus,
        cpu_exclusive: cpuset.cpu_exclusive,
        mems: &cpuset.mems,
        mem_hardwall: cpuset.mem_hardwall,
        mem_exclusive: cpuset.mem_exclusive,
        memory_migrate: cpuset.memory_migrate,
        memory_spread_page: cpuset.memory_spread_page,
        memory_spread_slab: cpuset.memory_spread_slab,
        memory_pressure: cpuset.memory_pressure,
        sched_load_balance: cpuset.sched_load_balance,
        sched_relax_domain_level: cpuset.sched_relax_domain_level,
    }
}

fn counter(counter: &group::MemoryCounter) -> Counter {
    Counter {
        limit: counter.limit,
        usage: counter.usage,
        max: counter.max_usage,
        failcnt: counter.failures,
    }
}

fn block_io(block_io: &group::BlockIo) -> BlockIo<'_> {
    BlockIo {
        io_service_bytes_recursive: entries(&block_io.service_bytes),
        io_serviced_recursive: entries(&block_io.serviced),
        io_queued_recursive: entries(&block_io.queued),
        io_service_time_recursive: entries(&block_io.service_time),
        io_wait_time_recursive: entries(&block_io.wait_time),
        io_merged_recursive: entries(&block_io.merged),
        io_time_recursive: entries(&block_io.time),
        sectors_recursive: entries(&block_io.sectors),
        psi: block_io.pressure.as_ref(),
    }
}

fn entries(entries: &[group::BlockIoEntry]) -> Vec<Entry<'_>> {
    fn entry(one: &group::BlockIoEntry) -> Entry<'_> {
        Entry {
            major: one.major,
            minor: one.minor,
            op: &one.operation,
            value: one.value,
        }
    }
    entries.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(stats: &group::Stats) -> serde_json::Value {
        serde_json::to_value(Statistics::of(stats)).expect("JSON")
    }

    #[test]
    fn row_127_an_event_has_runcs_members_in_runcs_order() {
        let oom = Event {
            kind: "oom",
            id: "web",
            data: None,
        };
        assert_eq!(
            serde_json::to_string(&oom).expect("JSON"),
            r#"{"type":"oom","id":"web"}"#
        );
        let stats = group::Stats::default();
        let event = Event {
            kind: "stats",
            data: Some(Statistics::of(&stats)),
            ..oom
        };
        let text = serde_json::to_string(&event).expect("JSON");
        assert!(
            text.starts_with(
                r#"{"type":"stats","id":"web","data":{"cpu":{"usage":{"kernel":0,"user":0},"throttling":{}},"#
            ),
            "{text}"
        );
        assert!(
            text.ends_with(r#""hugetlb":{},"intel_rdt":{},"network_interfaces":null}}"#),
            "{text}"
        );
    }

    #[test]
    fn row_121_pressure_is_told_where_the_kernel_tells_it() {
        let mut stats = group::Stats::default();
        assert!(json(&stats)["cpu"].get("psi").is_none());
        let mut pressure = group::Pressure::default();
        pressure.some.avg10 = 1.5;
        pressure.full.total = 7;
        stats.cpu.pressure = Some(pressure);
        let told = json(&stats);
        assert_eq!(
            told["cpu"]["psi"].to_string(),
            r#"{"full":{"avg10":0.0,"avg300":0.0,"avg60":0.0,"total":7},"some":{"avg10":1.5,"avg300":0.0,"avg60":0.0,"total":0}}"#
        );
    }

    #[test]
    fn row_130_block_devices_are_told_by_number() {
        let mut stats = group::Stats::default();
        stats.block_io.service_bytes.push(group::BlockIoEntry {
            major: 8,
            minor: 0,
            operation: "Read".into(),
            value: 512,
        });
        let told = json(&stats);
        assert_eq!(
            told["blkio"].to_string(),
            r#"{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":512}]}"#
        );
    }
}
