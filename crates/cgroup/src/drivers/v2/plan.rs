//! Resources, which the specification words for v1, → settings of v2 files. Zero means "not given", as in runc.

use crate::conversion::{io_weight, swap_alone, weight_of_shares};
use crate::plan::{Plan, Refusal};
use crate::{Error, Result};
use tierce_oci::runtime::{BlockIo, Cpu, Memory, Resources};

/// The settings, in the order of writing; `has` tells which optional files this kernel has.
pub(super) fn plan(resources: &Resources, has: impl Fn(&str) -> bool) -> Result<Plan> {
    let mut plan = Plan::default();
    match resources.pids.map(|pids| pids.limit) {
        None | Some(0) => {}
        Some(limit) => plan.add("pids", "pids.max", or_max(limit)),
    }
    if let Some(memory) = &resources.memory {
        self::memory(memory, &mut plan)?;
    }
    if let Some(block_io) = &resources.block_io {
        self::block_io(block_io, has, &mut plan);
    }
    if let Some(cpu) = &resources.cpu {
        self::cpu(cpu, &mut plan);
    }
    for limit in &resources.hugepage_limits {
        let size = &limit.page_size;
        plan.add("hugetlb", format!("hugetlb.{size}.max"), limit.limit);
        plan.push(
            "hugetlb",
            format!("hugetlb.{size}.rsvd.max"),
            limit.limit,
            Refusal::MissingIsFine,
        );
    }
    for (device, limit) in &resources.rdma {
        plan.add("rdma", "rdma.max", crate::drivers::rdma_line(device, limit));
    }
    for (file, value) in &resources.unified {
        // It comes from a specification and shall name a file of this group.
        if file.contains('/') || !file.contains('.') {
            return Err(Error::Invalid(format!(
                "unified resource {file:?} must be a file name (no slashes)"
            )));
        }
        // A file takes one line at a time.
        for line in value.lines().filter(|line| !line.trim().is_empty()) {
            plan.add("", file.clone(), line);
        }
    }
    Ok(plan)
}

fn or_max(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

fn memory(memory: &Memory, plan: &mut Plan) -> Result<()> {
    let limit = memory.limit.unwrap_or(0);
    if let Some(swap) = swap_alone(memory.swap.unwrap_or(0), limit)? {
        // Where swap is not accounted, "none" and "any" are what holds anyhow.
        let refusal = if swap <= 0 {
            Refusal::MissingIsFine
        } else {
            Refusal::Fails
        };
        plan.push("memory", "memory.swap.max", or_max(swap), refusal);
    }
    if limit != 0 {
        plan.add("memory", "memory.max", or_max(limit));
    }
    if let Some(reservation) = memory.reservation.filter(|reservation| *reservation != 0) {
        plan.add("memory", "memory.low", or_max(reservation));
    }
    Ok(())
}

fn cpu(cpu: &Cpu, plan: &mut Plan) {
    if let Some(idle) = cpu.idle {
        plan.add("cpu", "cpu.idle", idle);
    }
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0)
        // The weight of an idle group cannot be set.
        && cpu.idle != Some(1)
    {
        plan.add("cpu", "cpu.weight", weight_of_shares(shares));
    }
    if let Some(burst) = cpu.burst {
        plan.push("cpu", "cpu.max.burst", burst, Refusal::Waits);
    }
    let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
    if quota != 0 || period != 0 {
        let quota = if quota > 0 { quota.to_string() } else { "max".to_owned() };
        // 100 ms is the kernel's default.
        plan.push(
            "cpu",
            "cpu.max",
            format!("{quota} {}", if period == 0 { 100_000 } else { period }),
            Refusal::Waits,
        );
    }
    if !cpu.cpus.is_empty() {
        plan.add("cpuset", "cpuset.cpus", &cpu.cpus);
    }
    if !cpu.mems.is_empty() {
        plan.add("cpuset", "cpuset.mems", &cpu.mems);
    }
}

fn block_io(block_io: &BlockIo, has: impl Fn(&str) -> bool, plan: &mut Plan) {
    // BFQ's file takes the specification's range, the cost model's file its own.
    let bfq = has("io.bfq.weight");
    let weight_line = |weight: u16| {
        if bfq {
            weight.to_string()
        } else {
            io_weight(weight).to_string()
        }
    };
    let weight_file = if bfq { "io.bfq.weight" } else { "io.weight" };
    if let Some(weight) = block_io.weight.filter(|weight| *weight != 0) {
        plan.add("io", weight_file, weight_line(weight));
    }
    for device in &block_io.weight_device {
        if let Some(weight) = device.weight.filter(|weight| *weight != 0) {
            plan.add(
                "io",
                weight_file,
                format!("{}:{} {}", device.major, device.minor, weight_line(weight)),
            );
        }
    }
    let throttles = [
        ("rbps", &block_io.throttle_read_bps_device),
        ("wbps", &block_io.throttle_write_bps_device),
        ("riops", &block_io.throttle_read_iops_device),
        ("wiops", &block_io.throttle_write_iops_device),
    ];
    for (key, devices) in throttles {
        for device in devices {
            plan.add(
                "io",
                "io.max",
                format!("{}:{} {key}={}", device.major, device.minor, rate(device.rate)),
            );
        }
    }
}

/// v1 takes 0 for "no limit", v2 wants the word.
fn rate(rate: u64) -> String {
    if rate == 0 { "max".to_owned() } else { rate.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_126_resources_become_v2_settings() {
        let json = r#"{"cpu":{"shares":1024,"quota":50000,"cpus":"0"},"memory":{"limit":1000,"swap":3000,"reservation":500},
            "pids":{"limit":-1},"blockIO":{"weight":500,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":99}]},
            "hugepageLimits":[{"pageSize":"2MB","limit":4}],"rdma":{"mlx":{"hcaHandles":3}},
            "unified":{"io.max":"7:0 riops=1\n7:1 riops=2\n","memory.high":"800"}}"#;
        let plan = plan(&serde_json::from_str(json).unwrap(), |_| false).unwrap();
        let lines: Vec<String> = plan.0.iter().map(|s| format!("{}={}", s.file, s.value)).collect();
        assert_eq!(
            lines,
            [
                "pids.max=max",
                "memory.swap.max=2000",
                "memory.max=1000",
                "memory.low=500",
                "io.weight=4950",
                "io.max=8:0 rbps=99",
                "cpu.weight=100",
                "cpu.max=50000 100000",
                "cpuset.cpus=0",
                "hugetlb.2MB.max=4",
                "hugetlb.2MB.rsvd.max=4",
                "rdma.max=mlx hca_handle=3",
                "io.max=7:0 riops=1",
                "io.max=7:1 riops=2",
                "memory.high=800",
            ]
        );
        let evil = Resources {
            unified: [("../x.y".to_owned(), String::new())].into(),
            ..Resources::default()
        };
        assert!(super::plan(&evil, |_| false).is_err());
    }

    #[test]
    fn row_135_the_files_of_v2_are_those_of_the_documented_vocabulary() {
        let resources: Resources = serde_json::from_str(crate::tests::EVERYTHING).unwrap();
        let mut written = Vec::new();
        for has_bfq in [true, false] {
            let plan = super::plan(&resources, |file| has_bfq && file.contains("bfq")).unwrap();
            written.extend(plan.0.iter().map(|setting| setting.file.to_string()));
        }
        for file in crate::tests::documented(2) {
            assert!(
                written.contains(&file),
                "{file} is documented and not among {written:?}"
            );
        }
    }
}
